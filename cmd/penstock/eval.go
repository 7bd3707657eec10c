package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"penstock/cmd/penstock/internal/human"
	"penstock/engine/reference"
	"penstock/engine/script"
	"penstock/query/plan"
)

type evalOptions struct {
	file       string
	inputs     []string // stream=file
	timestamps []string // stream=column
	script     string   // file of steps
	output     string   // json or test
}

func newEval(a *app) *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:   "eval FILE --input STREAM=DATA | --script STEPS",
		Short: "Print the results over whole files, without a broker",
		Long: `Print the results over whole files, without a broker: one JSON object a line, those that the
engine would publish for the same lines in one source partition. At the end of the input all
clocks move to the end of the last window that holds a row, as with run --exit-when-caught-up.

Lines of a file have no Kafka timestamp, so a stream needs a column for its time: timestamp =
'column' in its WITH, or --timestamp. What became of the lines is said on stderr.

Steps are what tests are made of, see penstock help test: rows with partition, key and Kafka's
time, moves of the clocks, END. Expectations are not needed, and not compared:

  INSERT INTO orders (time, value)
    2016-03-22 20:25:28 | 2016-03-22 20:25:28,1,80,EPE,710,51.00,B
  ADVANCE BY 5 seconds

With --output test the output is a test file instead: the steps, or the lines as such, and all
that was published for them as expectations. Read it, and it is a test to keep beside FILE.`,
		Example: `  penstock eval examples/orders/orders_event_time.sql --input orders=orders.txt
  penstock gen orders --count 10000 | penstock eval examples/orders/orders.sql --input orders=- --timestamp orders=time
  penstock eval examples/orders/orders.sql --script steps.txt
  penstock eval orders.sql --input orders=few-lines.txt --timestamp orders=time --output test > orders.sqltest`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return a.eval(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.inputs, "input", "i", nil, "file with the lines of a stream, as STREAM=FILE; - is stdin (repeat for more streams)")
	f.StringArrayVar(&o.timestamps, "timestamp", nil, "column that holds the time of a stream's rows, as STREAM=COLUMN")
	f.StringVarP(&o.script, "script", "s", "", "file with rows and times as steps of a test, instead of --input; - is stdin")
	f.StringVarP(&o.output, "output", "o", "json", "json: a line for each result; test: a test file that expects them")
	return cmd
}

// validate says what is wrong with the flags, before anything is read.
func (o *evalOptions) validate() error {
	switch {
	case o.output != "json" && o.output != "test":
		return usage("--output is %q, expected json or test", o.output)
	case o.script != "" && len(o.inputs)+len(o.timestamps) > 0:
		return usage("--script with --input or --timestamp: the rows of steps stand in them, with their times")
	case o.file == "-" && (o.script != "" || o.output == "test"):
		return usage("a test names the query file that it is for, so that cannot be stdin")
	}
	return nil
}

func (a *app) eval(ctx context.Context, o evalOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	p, err := a.loadPlan(o.file)
	if err != nil {
		return err
	}
	if o.script != "" {
		steps, err := a.readFile(o.script)
		if err != nil {
			return err
		}
		return a.evalSteps(ctx, p, o, o.script, steps)
	}
	files, err := streamPairs("--input", o.inputs, p)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usage("--input is missing: which file has the lines of which stream; or --script").hint("as in --input %s=FILE", anyStream(p))
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
		inputs[stream] = human.Until(ctx, in)
	}
	if o.output == "test" {
		steps, err := script.Steps(p, inputs, columns)
		if err != nil {
			return err
		}
		return a.evalSteps(ctx, p, o, strings.TrimSuffix(o.file, ".sql")+script.Extension, steps)
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

// evalSteps evaluates steps of the test language, and prints the results or the test that they make.
func (a *app) evalSteps(ctx context.Context, p *plan.Plan, o evalOptions, path, steps string) error {
	e, err := script.Eval(ctx, path, steps, o.file)
	var text string
	if err == nil && o.output == "test" {
		text, err = e.Test(ctx)
	}
	var fault *script.Fault
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &fault):
		a.showDiagnostics(fault.File, fault.Text, fault.Diagnostics)
		return errSilent(exitInvalid)
	case err != nil:
		return err
	case o.output == "test":
		_, err = io.WriteString(a.stdout, text)
	case e.Stopped != nil:
		return fmt.Errorf("the application stopped: %w", e.Stopped)
	default:
		err = e.Evaluator.WriteResults(a.stdout)
	}
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if e.Stopped != nil {
		a.say("the application stopped: %s", e.Stopped)
		return nil
	}
	a.showRejects(e.Evaluator.Rejects())
	for _, s := range p.Streams {
		a.say("%s", account(s.Name, e.Tally[s.Name], tablesOf(p, s)))
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

// shownRejects is how many rejected lines are shown one by one.
const shownRejects = 10

// showRejects says which lines were not counted, and why.
func (a *app) showRejects(rejects []reference.Reject) {
	for i, r := range rejects {
		if i == shownRejects {
			a.say("and %s more", thousands(int64(len(rejects)-i)))
			return
		}
		from := r.Stream
		if r.Partition > 0 {
			from = fmt.Sprintf("%s/%d", r.Stream, r.Partition)
		}
		a.say("%s line %s: %s: %s", from, thousands(r.Record.Offset+1), r.Kind, r.Reason)
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
