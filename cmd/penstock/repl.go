package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"penstock/cmd/penstock/internal/prompt"
	"penstock/engine/httpapi"
)

// defaultURL is where run serves HTTP unless told otherwise.
const defaultURL = "http://127.0.0.1:8085"

type replOptions struct {
	url       string
	tokenFile string
	commands  []string
	file      string
	keepGoing bool
	quiet     bool
	format    string
	csv, json bool
	jsonl     bool
	unaligned bool
	rows      bool
	expanded  bool
	output    string
}

func newRepl(a *app) *cobra.Command {
	var o replOptions
	cmd := &cobra.Command{
		Use:     "repl [URL]",
		Aliases: []string{"sql"},
		Short:   "Query live tables and metrics: a prompt, or statements from -c, a file or a pipe",
		Long: `Query live tables and metrics of a running penstock, by default at ` + defaultURL + `.

On a terminal it is a prompt; \? there lists its commands. With -c or -f, or when stdin is no terminal, statements
run without a prompt and it stops at the first that fails (exit code 1; 4 when there is no server).`,
		Example: `  penstock repl
  penstock repl -c 'SELECT * FROM client_totals ORDER BY total DESC LIMIT 5' --format jsonl
  penstock sql http://10.0.0.7:8085 -f report.sql --csv`,
		Args: arguments(0, 1, "at most the URL of a server"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.url = defaultURL
			if len(args) > 0 {
				o.url = args[0]
			} else if u := os.Getenv("PENSTOCK_URL"); u != "" {
				o.url = u
			}
			return a.repl(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.commands, "command", "c", nil, "run this statement or backslash command and leave (repeat for more)")
	f.StringVarP(&o.file, "file", "f", "", "run the statements of a file and leave; - is stdin")
	f.BoolVar(&o.keepGoing, "keep-going", false, "go on after a statement that failed; the exit code is still 1")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no banner")
	f.StringVar(&o.format, "format", "", "how answers are printed: "+strings.Join(prompt.Formats, ", "))
	f.BoolVar(&o.csv, "csv", false, "--format csv")
	f.BoolVar(&o.json, "json", false, "--format json: one object for each answer")
	f.BoolVar(&o.jsonl, "jsonl", false, "--format jsonl: one object for each row")
	f.BoolVarP(&o.unaligned, "no-align", "A", false, "--format unaligned")
	f.BoolVarP(&o.rows, "tuples-only", "t", false, "rows only, without headings and footer")
	f.BoolVarP(&o.expanded, "expanded", "x", false, "one line for each column")
	f.StringVarP(&o.output, "output", "o", "", "write answers to this file")
	f.StringVar(&o.tokenFile, "token-file", "", "file with the token of a server that wants one")
	return cmd
}

// repl runs a session against a server elsewhere.
func (a *app) repl(ctx context.Context, o *replOptions) error {
	settings, err := o.settings(term.IsTerminal(int(a.stdin.Fd())) && a.outTTY)
	if err != nil {
		return err
	}
	client, err := o.client(a)
	if err != nil {
		return err
	}
	p := prompt.Options{
		Server: a.server, URL: client.URL(), Settings: settings,
		Commands: o.commands, File: o.file, KeepGoing: o.keepGoing, Quiet: o.quiet, Output: o.output,
	}
	if p.Server == nil {
		p.Server = prompt.NewRemote(client)
	}
	return a.session(ctx, p)
}

// client connects to nothing yet.
func (o *replOptions) client(a *app) (*httpapi.Client, error) {
	token := os.Getenv("PENSTOCK_TOKEN")
	if o.tokenFile != "" {
		text, err := a.readFile(o.tokenFile)
		if err != nil {
			return nil, err
		}
		token = strings.TrimSpace(text)
	}
	c, err := httpapi.NewClient(o.url, token, nil)
	if err != nil {
		return nil, usage("%v", err).hint("as in %s", defaultURL)
	}
	return c, nil
}

func (o *replOptions) settings(person bool) (prompt.Settings, error) {
	if len(o.commands) > 0 && o.file != "" {
		return prompt.Settings{}, usage("-c and -f exclude each other").hint(`a file within -c is -c '\i FILE'`)
	}
	person = person && len(o.commands) == 0 && o.file == ""
	s := prompt.Defaults(person)
	given := 0
	for _, set := range []bool{o.csv, o.json, o.jsonl, o.unaligned, o.format != ""} {
		if set {
			given++
		}
	}
	if given > 1 {
		return s, usage("more than one of --format, --csv, --json, --jsonl and --no-align")
	}
	s.Rows = o.rows
	if o.expanded {
		s.Expanded = "on"
	}
	switch {
	case o.csv:
		s.Format = "csv"
	case o.json:
		s.Format = "json"
	case o.jsonl:
		s.Format = "jsonl"
	case o.unaligned:
		s.Format = "unaligned"
	case o.format != "":
		s.Format = strings.ToLower(o.format)
	}
	if !slices.Contains(prompt.Formats, s.Format) {
		return s, usage("--format is %q, expected one of %s", o.format, strings.Join(prompt.Formats, ", "))
	}
	return s, nil
}

// session runs a session of the prompt on the streams of the process. While it talks with a person, Ctrl-C
// is the session's.
func (a *app) session(ctx context.Context, p prompt.Options) error {
	p.In, p.Out, p.Err = a.stdin, a.stdout, a.stderr
	p.Color = a.color && a.outTTY || a.colorFlag == "always"
	p.History = prompt.HistoryFile(os.Getenv)
	p.Interrupts = a.handInterrupts
	err := prompt.Run(ctx, p)
	var away *prompt.Unreachable
	switch {
	case errors.As(err, &away):
		return errSilent(exitUnreachable)
	case errors.Is(err, prompt.ErrFailed):
		return errSilent(exitFailed)
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("prompt: %w", err)
	}
	return err
}

// handInterrupts lets f have Ctrl-C until the result is called; then it is the one's before.
func (a *app) handInterrupts(f func()) func() {
	before := a.interrupted.Swap(&f)
	var once sync.Once
	return func() { once.Do(func() { a.interrupted.Store(before) }) }
}
