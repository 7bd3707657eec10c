package main

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/term"

	"penstock/cmd/penstock/internal/prompt"
	"penstock/engine/httpapi"
)

// talk runs a prompt on the engine of this process, over HTTP like any other client. The result
// tells, when the prompt has ended, whether the engine is to stop as well. Log lines appear above
// the line that is edited meanwhile.
func (r *runner) talk(ctx context.Context) (<-chan bool, error) {
	client, err := httpapi.NewClient(r.service.api.URL(), r.o.http.options.Token, nil)
	if err != nil {
		return nil, err
	}
	keep := false
	o := prompt.Options{
		Server: prompt.NewRemote(client), URL: client.URL(), Lines: r.a.line.hold,
		Settings: prompt.Defaults(term.IsTerminal(int(r.a.stdin.Fd())) && r.a.outTTY),
		Leaving: func(answer func(string) string) bool {
			reply := strings.ToLower(answer("engine keeps running? [y/N] "))
			keep = strings.HasPrefix(reply, "y")
			return true
		},
	}
	stop := make(chan bool, 1)
	go func() {
		err := r.a.session(ctx, o)
		var silent errSilent
		if err != nil && ctx.Err() == nil && !errors.As(err, &silent) {
			r.a.log.Error("the prompt ended", "err", err)
		}
		stop <- !keep
	}()
	return stop, nil
}
