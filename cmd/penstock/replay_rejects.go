package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/engine"
)

type replayOptions struct {
	kafkaFlags
	file, app string
	dryRun    bool
	json      bool
}

func newReplayRejects(a *app) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay-rejects FILE",
		Short: "Count rejected rows that a corrected query file can read",
		Long: `Count the rows that an application has rejected as bad, where a corrected query file can read them
now: each once, however often this runs and wherever it is stopped. Rows that are still bad stay
rejected, for the next run with a better file.

It writes them to topic APP-replayed. The application, started with the same corrected file, reads
them from there, while it runs or when it starts again. Tables without a window count them from
then on; so do windows that are still open. A result that was published does not change: where the
windows of a row have ended, penstock rejects shows it as late.

Rows that were late, or for which a table failed, are left alone: the other tables have counted them.`,
		Example: `  penstock replay-rejects orders.sql --dry-run
  penstock replay-rejects orders.sql --app trades --brokers kafka1:9092`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return a.replayRejects(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	o.add(f)
	f.StringVar(&o.app, "app", "", "name of the application (default the file's name)")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be replayed")
	f.BoolVar(&o.json, "json", false, "print what was done as JSON")
	return cmd
}

func (a *app) replayRejects(ctx context.Context, o *replayOptions) error {
	p, err := a.loadPlan(o.file)
	if err != nil {
		return err
	}
	if err := nameApp(&o.app, o.file); err != nil {
		return err
	}
	client, err := o.connect(ctx, a)
	if err != nil {
		return err
	}
	err = knownApp(ctx, kadm.NewClient(client), o.app)
	client.Close()
	if err != nil {
		return err
	}
	security, err := o.secure(a)
	if err != nil {
		return err
	}
	got, err := engine.Replay{Brokers: o.brokers, Security: security, App: o.app, Plan: p, DryRun: o.dryRun}.Run(ctx)
	if err != nil {
		return err
	}
	if o.json {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		return e.Encode(got)
	}
	_, err = a.stdout.WriteString(replayText(o.app, &got))
	return err
}

// replayText is what a replay did, for people.
func replayText(app string, r *engine.Replayed) string {
	var b strings.Builder
	did := "replayed"
	if r.DryRun {
		did = "would be replayed"
	}
	fmt.Fprintf(&b, "%s of application %s looked at: %s %s", plural(r.Looked, "rejected row", "rejected rows"), app, thousands(int64(r.Replayed)), did)
	for _, part := range []struct {
		n    int
		text string
	}{
		{r.Before, "replayed before"}, {r.Bad, "still bad"},
		{r.Counted, "counted already, but not in every table"}, {r.Unknown, "of streams that the file does not have"},
	} {
		if part.n > 0 {
			fmt.Fprintf(&b, ", %s %s", thousands(int64(part.n)), part.text)
		}
	}
	b.WriteByte('\n')
	if len(r.Streams) > 1 {
		for _, s := range slices.Sorted(maps.Keys(r.Streams)) {
			fmt.Fprintf(&b, "  %s: %s\n", s, thousands(int64(r.Streams[s])))
		}
	}
	for _, x := range r.Examples {
		fmt.Fprintf(&b, "  still bad: %s @ %s: %s\n", x.Source(app), thousands(x.Offset), printable([]byte(x.Reason), 300))
	}
	if more := r.Bad - len(r.Examples); more > 0 {
		fmt.Fprintf(&b, "  and %s more\n", thousands(int64(more)))
	}
	return b.String()
}
