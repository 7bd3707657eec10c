package reference

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
	"penstock/query/syntax"
)

// TestGolden runs the files of testdata. Times are shown in seconds since the epoch, which is also
// how most of the streams there write them. Commands:
//
//	sql [partitions=(s:2,...)]               binds the input and begins an evaluation
//	add stream=s [partition=n] [offset=n]    one record a line; "@5 text" has Kafka timestamp 5 s
//	move stream=s partition=n offset=n to=n  moves a clock
//	refuse stream=s partition=n offset=n     a refused Kafka timestamp
//	end                                      ends the input
//	results [metric=name] [json] [count]     what was published; count shows the first and how many follow
//	table name=t                             a table
//	tally stream=s [partition=n]
//	eval [timestamp=(s:column)]              Eval of the SQL above; "s: text" is a line of stream s
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		g := &golden{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := g.run(t, d)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return out
		})
	})
}

type golden struct {
	plan  *plan.Plan
	e     *Evaluator
	noted int // of the rejects, those that were shown
}

func (g *golden) run(t *testing.T, d *datadriven.TestData) (string, error) {
	var stream, name string
	var partition, offset, to int
	for key, dst := range map[string]any{"stream": &stream, "name": &name, "metric": &name, "partition": &partition, "offset": &offset, "to": &to} {
		if d.HasArg(key) {
			d.ScanArgs(t, key, dst)
		}
	}
	switch d.Cmd {
	case "sql":
		return g.sql(d)
	case "add":
		return g.add(d.Input, stream, int32(partition), int64(offset), d.HasArg("offset"))
	case "move":
		return "", g.e.MoveClock(stream, int32(partition), int64(offset), int64(to)*row.Second)
	case "refuse":
		return "", g.e.Refuse(stream, int32(partition), int64(offset))
	case "end":
		g.e.End()
		return "", nil
	case "results":
		return g.results(name, d.HasArg("json"), d.HasArg("count")), nil
	case "table":
		cols, rows, err := g.e.Table(name)
		return shownRows(cols, rows, "\n"), err
	case "tally":
		tally := g.e.Tally(stream, int32(partition))
		return fmt.Sprintf("read %d, decoded %d, bad %d, %v\n", tally.Read, tally.Decoded, tally.Bad, tally.Tables), nil
	case "eval":
		return g.eval(d)
	}
	return "", fmt.Errorf("unknown command %s", d.Cmd)
}

// pairs reads an argument of the form name=(a:b,c:d).
func pairs(d *datadriven.TestData, name string) map[string]string {
	out := map[string]string{}
	for _, arg := range d.CmdArgs {
		if arg.Key != name {
			continue
		}
		for _, v := range arg.Vals {
			a, b, _ := strings.Cut(v, ":")
			out[a] = b
		}
	}
	return out
}

func (g *golden) sql(d *datadriven.TestData) (string, error) {
	p, diags := plan.Bind("test.sql", d.Input)
	if p == nil {
		return syntax.Render("test.sql", d.Input, diags), nil
	}
	opts := Options{Partitions: map[string]int{}}
	for s, n := range pairs(d, "partitions") {
		opts.Partitions[s], _ = strconv.Atoi(n)
	}
	var err error
	g.plan, g.noted = p, 0
	g.e, err = New(p, opts)
	return "", err
}

func (g *golden) add(input, stream string, partition int32, offset int64, at bool) (string, error) {
	s, err := g.e.stream(stream)
	if err != nil {
		return "", err
	}
	if !at {
		offset = s.partition(partition).next
	}
	var recs []format.Record
	for line := range strings.Lines(input) {
		rec := format.Record{Offset: offset, Time: -1, Value: []byte(strings.TrimSuffix(line, "\n"))}
		if text, found := strings.CutPrefix(line, "@"); found {
			seconds, text, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
			n, err := strconv.ParseFloat(seconds, 64)
			if err != nil {
				return "", err
			}
			rec.Time, rec.Value = int64(n*1000), []byte(text)
		}
		recs = append(recs, rec)
		offset++
	}
	if err := g.e.Add(stream, partition, recs); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range g.e.Rejects()[g.noted:] {
		fmt.Fprintf(&b, "%s: %s/%d offset %d: %s", r.Kind, r.Stream, r.Partition, r.Record.Offset, r.Reason)
		if len(r.Tables) > 0 {
			fmt.Fprintf(&b, " [%s]", strings.Join(r.Tables, " "))
		}
		b.WriteString("\n")
	}
	g.noted = len(g.e.Rejects())
	return b.String(), nil
}

func (g *golden) results(metric string, json, count bool) string {
	var b strings.Builder
	for _, o := range g.e.Results() {
		switch {
		case metric != "" && o.Metric != metric:
		case json:
			fmt.Fprintf(&b, "%s %s %s\n", o.Topic, o.Key, o.Value)
		default:
			b.WriteString(shownResult(o))
		}
	}
	if first, rest, _ := strings.Cut(b.String(), "\n"); count {
		return fmt.Sprintf("%s\nand %d more\n", first, strings.Count(rest, "\n"))
	}
	return b.String()
}

// shownResult is a result in a line: key, bounds, how many intervals, offsets, rows.
func shownResult(o Output) string {
	r := &o.Result
	out := string(o.Key)
	if r.End != 0 || r.Start != 0 {
		out += " " + seconds(r.Start) + ".." + seconds(r.End)
	}
	if r.Intervals != 1 {
		out += fmt.Sprintf(" x%d", r.Intervals)
	}
	for _, list := range r.Offsets {
		out += " <"
		for i, p := range list {
			if i > 0 {
				out += " "
			}
			out += fmt.Sprintf("%d:%d", p.Partition, p.Offset)
		}
		out += ">"
	}
	return out + " " + shownRows(r.Columns, r.Rows, " ") + "\n"
}

func shownRows(cols []row.Column, rows [][]row.Value, between string) string {
	var list []string
	for _, cells := range rows {
		var texts []string
		for i, v := range cells {
			switch {
			case v.IsNull():
				texts = append(texts, "null")
			case cols[i].Type.Kind == row.Timestamp && v.State == row.Valid:
				texts = append(texts, seconds(v.I))
			default:
				texts = append(texts, string(row.FormatValue(nil, v, cols[i].Type)))
			}
		}
		list = append(list, "("+strings.Join(texts, ",")+")")
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, between)
}

func seconds(us int64) string { return strconv.FormatFloat(float64(us)/1e6, 'f', -1, 64) }

func (g *golden) eval(d *datadriven.TestData) (string, error) {
	texts := map[string]string{}
	for line := range strings.Lines(d.Input) {
		name, text, _ := strings.Cut(line, ": ")
		texts[name] += text
	}
	inputs := map[string]io.Reader{}
	for name, text := range texts {
		inputs[name] = strings.NewReader(strings.TrimSuffix(text, "\n")) // the last line lacks its end
	}
	var b strings.Builder
	_, err := Eval(g.plan, Options{Timestamp: pairs(d, "timestamp")}, inputs, &b)
	return b.String(), err
}
