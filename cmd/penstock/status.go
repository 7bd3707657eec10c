package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/cmd/penstock/internal/prompt"
	"penstock/engine"
	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/httpapi"
	"penstock/query/row"
)

type statusOptions struct {
	server replOptions
	watch  bool
	every  time.Duration
	json   bool
}

func newStatus(a *app) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [URL]",
		Short: "Show how a running application is: processes, partitions, lag, account, last results",
		Long: `Show how a running application is, by any of its processes (default ` + defaultURL + `): who has which partitions,
how far the source partitions are read, what became of every record, and the last result of every metric.`,
		Example: `  penstock status
  penstock status http://10.0.0.7:8085 -w`,
		Args: arguments(0, 1, "at most the URL of a server"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.server.url = cmp.Or(append(slices.Clone(args), os.Getenv("PENSTOCK_URL"), defaultURL)...)
			return a.status(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.watch, "watch", "w", false, "show it again and again, until Ctrl-C")
	f.DurationVar(&o.every, "every", 2*time.Second, "how often, with --watch")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	f.StringVar(&o.server.tokenFile, "token-file", "", "file with the token of a server that wants one")
	return cmd
}

// statusReport is what is shown, and what --json prints.
type statusReport struct {
	engine.Overview
	Metrics []metricStatus `json:"metrics"`
}

// metricStatus is the last result of a metric; none while it has not published one that the process
// asked has seen.
type metricStatus struct {
	Name string          `json:"name"`
	Last json.RawMessage `json:"last,omitempty"` // as it was published
}

// status shows the state once, or until the context ends.
func (a *app) status(ctx context.Context, o *statusOptions) error {
	if o.every <= 0 {
		return usage("--every is %s, expected a time such as 2s", o.every)
	}
	for {
		r, err := o.ask(ctx, a)
		if err != nil {
			if ctx.Err() != nil && o.watch {
				return nil
			}
			return err
		}
		var text bytes.Buffer
		if o.json {
			err = json.NewEncoder(&text).Encode(r)
		} else {
			err = r.print(&text)
		}
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		if o.watch && a.outTTY && !o.json {
			fmt.Fprint(a.stdout, "\x1b[H\x1b[2J") // home, and nothing below
		}
		if _, err := a.stdout.Write(text.Bytes()); err != nil || !o.watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.every):
		}
	}
}

// ask reads everything over HTTP.
func (o *statusOptions) ask(ctx context.Context, a *app) (*statusReport, error) {
	client, err := o.server.client(a)
	if err != nil {
		return nil, err
	}
	r := &statusReport{}
	if err := client.Get(ctx, "/v1/partitions", &r.Overview); err != nil {
		return nil, unanswered(client.URL(), err)
	}
	var list []struct{ Name string }
	if err := client.Get(ctx, "/v1/metrics", &list); err != nil {
		return nil, unanswered(client.URL(), err)
	}
	for _, m := range list {
		var last []json.RawMessage
		if err := client.Get(ctx, "/v1/metrics/"+m.Name+"/history?n=1", &last); err != nil {
			return nil, unanswered(client.URL(), err)
		}
		s := metricStatus{Name: m.Name}
		if len(last) > 0 {
			s.Last = last[0]
		}
		r.Metrics = append(r.Metrics, s)
	}
	return r, nil
}

// unanswered tells a server that is not there from one that says no.
func unanswered(url string, err error) error {
	var no *httpapi.Problem
	if errors.As(err, &no) {
		return fmt.Errorf("%s: %w", url, err)
	}
	away := prompt.NewUnreachable(url, err)
	return &failure{code: exitUnreachable, text: away.Error(), err: err, hints: []string{"start one with penstock run FILE, or name another URL"}}
}

// print lays it out for people: processes, sources, the account, metrics.
func (r *statusReport) print(out *bytes.Buffer) error {
	running := 0
	for _, t := range r.Tables {
		if t.State == "running" {
			running++
		}
	}
	fmt.Fprintf(out, "%s: %d of %d table partitions running", r.App, running, len(r.Tables))
	for _, t := range r.Tables {
		if t.State == "restoring" {
			fmt.Fprintf(out, ", %d restoring %d %%", t.Partition, t.Percent)
		}
	}
	fmt.Fprint(out, "\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROCESS\tADDRESS\tSTATE\tTABLES\tREADS")
	for _, m := range r.Members {
		var reads []string
		for _, s := range r.Streams {
			if n := m.Sources[s.Stream]; len(n) > 0 {
				reads = append(reads, s.Stream+"/"+ranges(n))
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Instance, m.Address, m.State, ranges(m.Partitions), strings.Join(reads, " "))
	}
	fmt.Fprintln(w, "\nSOURCE\tOFFSET\tLAG\tCLOCK\tREAD BY")
	for _, s := range r.Streams {
		for _, p := range s.Partitions {
			printSource(w, s.Stream+"/"+strconv.Itoa(int(p.Partition)), p)
		}
		if s.Replayed != nil {
			printSource(w, s.Stream+"/replayed", *s.Replayed)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range r.Streams {
		fmt.Fprintf(out, "\n%s\n", overviewAccount(s))
	}
	fmt.Fprintln(w, "\nMETRIC\tLAST RESULT\tROWS")
	for _, m := range r.Metrics {
		at, rows := "none yet", ""
		if m.Last != nil {
			last, err := format.ParseResult(m.Last)
			if err != nil {
				return fmt.Errorf("last result of %s: %w", m.Name, err)
			}
			at, rows = string(row.FormatTimestamp(nil, last.End)), thousands(int64(len(last.Rows)))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.Name, at, rows)
	}
	return w.Flush()
}

// printSource is the line of a source partition.
func printSource(w *tabwriter.Writer, name string, p engine.SourceOverview) {
	lag, clock := "?", ""
	if p.Lag >= 0 {
		lag = thousands(p.Lag)
	}
	if p.HasClock {
		clock = string(row.FormatTimestamp(nil, p.Clock))
	}
	reader := cmp.Or(p.Reader, "nobody")
	if p.Paused {
		reader += ", waiting for slower ones"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, thousands(p.Offset), lag, clock, reader)
}

// overviewAccount is what became of the records of a stream, over all processes.
func overviewAccount(s engine.StreamOverview) string {
	var t core.Tally
	var tables []string
	all := s.Partitions
	if s.Replayed != nil {
		all = append(slices.Clone(all), *s.Replayed)
	}
	for _, p := range all {
		t.Add(core.Tally{Read: p.Read, Decoded: p.Decoded, Bad: p.Bad})
	}
	for _, x := range s.Tables {
		tables = append(tables, x.Table)
		t.Tables = append(t.Tables, core.TableTally{Applied: x.Applied, Filtered: x.Filtered, Late: x.Late, Failed: x.Failed})
	}
	return account(s.Stream, t, tables)
}

// ranges writes numbers as people do: 0-3,7.
func ranges(list []int32) string {
	var b strings.Builder
	list = slices.Sorted(slices.Values(list))
	for i := 0; i < len(list); {
		from := i
		for i++; i < len(list) && list[i] == list[i-1]+1; i++ {
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, list[from])
		if i-from > 1 {
			fmt.Fprintf(&b, "-%d", list[i-1])
		}
	}
	return b.String()
}
