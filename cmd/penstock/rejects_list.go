package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/engine/audit"
	"penstock/engine/rejects"
)

type rejectsOptions struct {
	kafkaFlags
	app  string
	last int
	json bool
}

func newRejects(a *app) *cobra.Command {
	var o rejectsOptions
	cmd := &cobra.Command{
		Use:   "rejects FILE",
		Short: "Show the rows that were not counted, and why",
		Long: `Show the rows that an application has rejected, the newest last: where each stands, why it was not
counted, and the row itself. A row that was late for some tables names these.

They are the records of topic APP-rejects; a stream keeps them there unless it says
bad_data = 'drop' or late_data = 'drop'.`,
		Example: `  penstock rejects examples/orders/orders.sql
  penstock rejects orders.sql --app trades -n 100 --json`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := nameApp(&o.app, args[0]); err != nil {
				return err
			}
			return a.rejects(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	o.add(f)
	f.StringVar(&o.app, "app", "", "name of the application (default the file's name)")
	f.IntVarP(&o.last, "last", "n", 10, "how many; 0 shows all")
	f.BoolVar(&o.json, "json", false, "print each row as a JSON object")
	return cmd
}

func (a *app) rejects(ctx context.Context, o *rejectsOptions) error {
	if o.last < 0 {
		return usage("--last is %d, expected a number of rows, or 0 for all", o.last)
	}
	client, err := o.connect(ctx, a)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := knownApp(ctx, kadm.NewClient(client), o.app); err != nil {
		return err
	}
	list, err := audit.LastRejected(ctx, client, o.app, o.last)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(a.stdout)
	for i := range list {
		if !o.json {
			fmt.Fprint(w, rejectText(o.app, &list[i]))
			continue
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		if err := e.Encode(&list[i]); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.say("%s", plural(len(list), "row", "rows"))
	return nil
}

// rejectText is a rejected row for people: where, why, the row, and what of it is to blame.
func rejectText(app string, r *rejects.Row) string {
	where := fmt.Sprintf("%s @ %s", r.Source(app), thousands(r.Offset))
	reason := r.Kind + ": " + r.Reason
	if r.Kind == "bad" {
		reason = r.Reason
	}
	if r.Column != "" {
		reason = "column " + r.Column + ": " + strings.TrimPrefix(reason, r.Column+": ")
	}
	if r.Tables != "" {
		reason += " (" + r.Tables + ")"
	}
	indent := strings.Repeat(" ", max(18, len(where)+2)+1)
	line := printable([]byte(r.Value), 200)
	text := " " + where + indent[1+len(where):] + printable([]byte(reason), 400) + "\n" + indent + line + "\n"
	if i := strings.IndexByte(r.Reason, '"'); i >= 0 {
		if quoted, err := strconv.QuotedPrefix(r.Reason[i:]); err == nil {
			if value, err := strconv.Unquote(quoted); err == nil && value != "" {
				if at := strings.Index(line, value); at >= 0 {
					text += indent + strings.Repeat(" ", at) + strings.Repeat("~", len(value)) + "\n"
				}
			}
		}
	}
	return text
}
