package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"penstock/engine/reference"
	"penstock/query/plan"
)

type evalOptions struct {
	file       string
	inputs     []string // stream=file
	timestamps []string // stream=column
}

func newEval(a *app) *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:   "eval FILE --input STREAM=DATA",
		Short: "Print the results over whole files, without a broker",
		Long: `Print the results over whole files, without a broker: one JSON object a line, those that the
engine would publish for the same lines in one source partition. At the end of the input all
clocks move to the end of the last window that holds a row, as with run --exit-when-caught-up.

Lines of a file have no Kafka timestamp, so a stream needs a column for its time: timestamp =
'column' in its WITH, or --timestamp. What became of the lines is said on stderr.`,
		Example: `  penstock eval examples/orders/orders_event_time.sql --input orders=orders.txt
  penstock gen orders --count 10000 | penstock eval examples/orders/orders.sql --input orders=- --timestamp orders=time`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return a.eval(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.inputs, "input", "i", nil, "file with the lines of a stream, as STREAM=FILE; - is stdin (repeat for more streams)")
	f.StringArrayVar(&o.timestamps, "timestamp", nil, "column that holds the time of a stream's rows, as STREAM=COLUMN")
	return cmd
}

func (a *app) eval(ctx context.Context, o evalOptions) error {
	p, err := a.loadPlan(o.file)
	if err != nil {
		return err
	}
	files, err := streamPairs("--input", o.inputs, p)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usage("--input is missing: which file has the lines of which stream").hint("as in --input %s=FILE", anyStream(p))
	}
	columns, err := streamPairs("--timestamp", o.timestamps, p)
	if err != nil {
		return err
	}
	inputs := map[string]io.Reader{}
	for stream, file := range files {
		in, err := a.open(file)
		if err != nil {
			return err
		}
		defer in.Close()
		inputs[stream] = untilDone{ctx, in}
	}
	out := bufio.NewWriterSize(a.stdout, 1<<16)
	e, err := reference.Eval(p, reference.Options{Timestamp: columns}, inputs, out)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	a.showRejects(e.Rejects())
	for _, s := range p.Streams {
		a.say("%s", evalAccount(s, p, e))
	}
	return nil
}

// streamPairs reads STREAM=VALUE flags. With one stream in the file its name may be left out.
func streamPairs(flag string, pairs []string, p *plan.Plan) (map[string]string, error) {
	values := map[string]string{}
	var names []string
	for _, s := range p.Streams {
		names = append(names, s.Name)
	}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok && len(names) == 1 {
			name, value = names[0], pair
		}
		s := p.Stream(name)
		switch {
		case s == nil:
			return nil, usage("%s %q: no stream %q; streams: %s", flag, pair, name, strings.Join(names, ", ")).near(name, names)
		case value == "":
			return nil, usage("%s %q, expected STREAM=VALUE", flag, pair)
		}
		values[s.Name] = value
	}
	return values, nil
}

func anyStream(p *plan.Plan) string {
	if len(p.Streams) == 0 {
		return "STREAM"
	}
	return p.Streams[0].Name
}

// untilDone is a reader that ends with its context, between two reads.
type untilDone struct {
	ctx context.Context
	in  io.Reader
}

// Read reads unless the context has ended.
func (u untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.in.Read(p)
}

// shownRejects is how many rejected lines are shown one by one.
const shownRejects = 10

// showRejects says which lines were not counted, and why.
func (a *app) showRejects(rejects []reference.Reject) {
	for i, r := range rejects {
		if i == shownRejects {
			a.say("and %s more", thousands(int64(len(rejects)-i)))
			return
		}
		a.say("%s line %s: %s: %s", r.Stream, thousands(r.Record.Offset+1), r.Kind, r.Reason)
		a.say("    %s", printable(r.Record.Value, 100))
	}
}

// printable is the beginning of a line as text that does nothing to a terminal.
func printable(line []byte, most int) string {
	text := strings.ToValidUTF8(string(line[:min(len(line), 4*most)]), "\ufffd")
	runes := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\u00b7'
		}
		return r
	}, text))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}
