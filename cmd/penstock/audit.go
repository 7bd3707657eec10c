package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/engine/audit"
	"penstock/query/row"
)

type auditOptions struct {
	kafkaFlags
	file, app string
	from, to  string
	tables    bool
	json      bool
	wait      time.Duration

	checkpoint string
}

func newAudit(a *app) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "audit FILE",
		Short: "Compute an application's results again and compare",
		Long: `Compute an application's results again and compare them with what it has published.

The source topics and the recorded decisions are read again from the beginning, by an evaluator that
shares the language with the engine but not how it computes; it keeps all rows in memory. Every
interval has to be on the metrics topic once, with these rows; every bad and late row has to be
among the rejected ones once. The exit code is 1 when anything differs.

The application may run meanwhile; what it has not published yet is pending then. --tables needs it
to be stopped or to have nothing to do. Where retention has removed rows, the audit says which
intervals cannot be checked any more.

With --checkpoint an audit that finds no difference writes down where it ended, and the next one
with the same file begins there: it reads less, and retention may remove what is before.`,
		Example: `  penstock audit examples/orders/orders.sql
  penstock audit orders.sql --brokers kafka1:9092 --app trades --tables
  penstock audit orders.sql --from '2016-03-22 20:00:00' --to '2016-03-22 21:00:00'`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return a.audit(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	o.add(f)
	f.StringVar(&o.app, "app", "", "name of the application (default the file's name)")
	f.StringVar(&o.from, "from", "", "compare intervals that end after this time, UTC")
	f.StringVar(&o.to, "to", "", "compare intervals that end at this time or before, UTC")
	f.BoolVar(&o.tables, "tables", false, "compare the tables too")
	f.StringVar(&o.checkpoint, "checkpoint", "", "file, or directory of files, where an audit without differences writes its end, and the next one begins")
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	f.DurationVar(&o.wait, "wait", 10*time.Second, "how long results may take that follow from rows read already")
	return cmd
}

func (a *app) audit(ctx context.Context, o *auditOptions) error {
	p, err := a.loadPlan(o.file)
	if err != nil {
		return err
	}
	if err := nameApp(&o.app, o.file); err != nil {
		return err
	}
	options := audit.Options{Plan: p, App: o.app, Tables: o.tables, Wait: o.wait}
	for _, bound := range []struct {
		flag, text string
		at         *time.Time
	}{{"--from", o.from, &options.From}, {"--to", o.to, &options.To}} {
		if bound.text == "" {
			continue
		}
		us, err := row.ParseTimestamp(bound.text)
		if err != nil {
			return usage("%s is %q, expected a time such as '2016-03-22 20:25:28'", bound.flag, bound.text)
		}
		*bound.at = time.UnixMicro(us)
	}
	if options.Checkpoint, err = o.readCheckpoint(); err != nil {
		return err
	}
	client, err := o.connect(ctx, a)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := knownApp(ctx, kadm.NewClient(client), o.app); err != nil {
		return err
	}
	r, err := audit.Run(ctx, client, options)
	if err != nil {
		return checkpointError(err)
	}
	if err := o.writeCheckpoint(a, r); err != nil {
		return err
	}
	if o.json {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		_, err = a.stdout.WriteString(auditText(r))
	}
	if err == nil && r.Wrong() > 0 {
		return errSilent(exitFailed)
	}
	return err
}

// knownApp checks that an application of that name has run.
func knownApp(ctx context.Context, admin *kadm.Client, app string) error {
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	if topics.Has(app + "-decisions") {
		return nil
	}
	var apps []string
	for _, name := range topics.Names() {
		if other, ok := strings.CutSuffix(name, "-decisions"); ok {
			apps = append(apps, other)
		}
	}
	f := &failure{code: exitFailed, text: fmt.Sprintf("no application %q has run on this Kafka", app)}
	if f.near(app, apps); len(f.hints) == 0 && len(apps) > 0 {
		f.hint("applications: %s", strings.Join(apps, ", "))
	}
	return f
}

// auditText is the report for people.
func auditText(r *audit.Report) string {
	var b strings.Builder
	var records int64
	for _, s := range r.Sources {
		records += s.Records
	}
	fmt.Fprintf(&b, "application %s: %s of %s read again\n\n", r.App, thousands(records),
		plural(len(r.Sources), "source partition", "source partitions"))
	if r.Since != nil {
		fmt.Fprintf(&b, "from the checkpoint of %s on: what was before was compared then\n\n", r.Since.Format(time.DateTime))
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "intervals\tequal\tdifferent\tmissing\tduplicated\tunexpected\tpending\tunchecked\t  metric\n")
	for _, m := range r.Metrics {
		for _, n := range []int64{m.Compared, m.Equal, m.Different, m.Missing, m.Duplicated, m.Unexpected, m.Pending, m.Unchecked} {
			fmt.Fprintf(w, "%s\t", thousands(n))
		}
		fmt.Fprintf(w, "  %s\n", m.Metric)
	}
	w.Flush()
	if len(r.Tables) > 0 {
		fmt.Fprint(w, "\nrows\tequal\tmissing\tunexpected\t  table\n")
		for _, t := range r.Tables {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t  %s\n", thousands(int64(t.Rows)), thousands(int64(t.Equal)),
				thousands(int64(t.Missing)), thousands(int64(t.Extra)), t.Table)
		}
		w.Flush()
	}
	auditRest(&b, r)
	return b.String()
}

// auditRest is what stands below the figures: rejected rows, accounts, reasons, and the verdict.
func auditRest(b *strings.Builder, r *audit.Report) {
	if x := r.Rejects; x != nil && x.Why == "" {
		fmt.Fprintf(b, "\nrejected rows: %s, %s equal, %s different, %s missing, %s duplicated, %s unexpected\n", thousands(int64(x.Rows)),
			thousands(int64(x.Equal)), thousands(int64(x.Different)), thousands(int64(x.Missing)), thousands(int64(x.Duplicated)), thousands(int64(x.Unexpected)))
	} else if x != nil {
		fmt.Fprintf(b, "\nrejected rows: %s, not compared: %s\n", thousands(int64(x.Rows)), x.Why)
	}
	for _, s := range r.Sources {
		if s.Account != "" {
			fmt.Fprintf(b, "account of %s, %s/%d: %s\n", s.Stream, s.Topic, s.Partition, s.Account)
		}
	}
	for _, m := range r.Metrics {
		if m.Why != "" {
			fmt.Fprintf(b, "%s: %s\n", m.Metric, m.Why)
		}
		auditExamples(b, m.Metric, m.Examples)
	}
	for _, t := range r.Tables {
		if t.Why != "" {
			fmt.Fprintf(b, "%s: not compared: %s\n", t.Table, t.Why)
		}
		auditExamples(b, t.Table, t.Examples)
	}
	if r.Rejects != nil {
		auditExamples(b, "rejected row", r.Rejects.Examples)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(b, "%s\n", n)
	}
	if n := r.Wrong(); n > 0 {
		fmt.Fprintf(b, "\n%s\n", plural(int(n), "difference", "differences"))
	} else {
		fmt.Fprint(b, "\nno difference\n")
	}
}

func auditExamples(b *strings.Builder, name string, list []audit.Difference) {
	for _, d := range list {
		fmt.Fprintf(b, "\n%s %s", name, d.Kind)
		if d.Key != "" {
			fmt.Fprintf(b, " %s", d.Key)
		}
		if !d.End.IsZero() {
			fmt.Fprintf(b, " %s .. %s", d.Start.Format(time.DateTime), d.End.Format("2006-01-02 15:04:05.999"))
		}
		b.WriteByte('\n')
		for _, side := range []struct{ name, text string }{{"published", d.Published}, {"expected ", d.Expected}} {
			if side.text != "" {
				fmt.Fprintf(b, "  %s %s\n", side.name, printable([]byte(side.text), 400))
			}
		}
	}
}
