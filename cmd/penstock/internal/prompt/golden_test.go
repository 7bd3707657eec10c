package prompt

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"penstock/examples"
	"penstock/query/plan"
	"penstock/query/row"
	"penstock/query/syntax"
)

// TestGolden runs the files of testdata/golden. Commands:
//
//	answer      columns on the first line as name:TYPE, then a row of JSON cells a line
//	print       the answer in a format, at a width; terminal: as on one
//	footer      of the answer with lag, partitions and what is missing
//	complete    what may stand at the mark | in the text; the lines before the last are entered already
//	cut         the pieces of a text
//	prompt      the prompt behind a text
//	paint       a line in colours, after what was entered before it
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		a := &Answer{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "answer":
				a = parseAnswer(t, d.Input)
				return ""
			case "print":
				return printed(t, d, a)
			case "footer":
				return footed(t, d, *a)
			case "complete":
				return completed(d.Input)
			case "cut":
				return pieces(d.Input)
			case "prompt":
				return openPrompt(d.Input) + "|"
			case "paint":
				open, line, ok := strings.Cut(d.Input, "\n")
				if !ok {
					open, line = "", d.Input
				} else {
					open += "\n"
				}
				return strings.ReplaceAll(paintLine(open, []rune(line), true), "\x1b[", "<")
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func parseAnswer(t *testing.T, text string) *Answer {
	t.Helper()
	a := &Answer{}
	lines := strings.Split(text, "\n")
	for _, c := range strings.Fields(lines[0]) {
		name, kind, _ := strings.Cut(c, ":")
		a.Columns = append(a.Columns, Column{name, kind})
	}
	for _, line := range lines[1:] {
		var cells []json.RawMessage
		if err := json.Unmarshal([]byte(line), &cells); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		a.Rows = append(a.Rows, cells)
	}
	return a
}

func printed(t *testing.T, d *datadriven.TestData, a *Answer) string {
	s := sheet{Settings: Defaults(d.HasArg("terminal")), a: a, paint: plain, safe: d.HasArg("terminal")}
	d.MaybeScanArgs(t, "format", &s.Format)
	d.MaybeScanArgs(t, "width", &s.width)
	d.MaybeScanArgs(t, "border", &s.Border)
	d.MaybeScanArgs(t, "expanded", &s.Expanded)
	d.MaybeScanArgs(t, "null", &s.Null)
	s.Wrap, s.Rows = d.HasArg("wrap"), d.HasArg("rows")
	var b strings.Builder
	if err := s.print(&b); err != nil {
		return err.Error()
	}
	for _, line := range strings.Split(b.String(), "\n") {
		if s.width > 0 && people(s.Format) && widths.StringWidth(line) > s.width {
			t.Errorf("%s: a line is wider than %d columns: %q", d.Pos, s.width, line)
		}
	}
	return b.String()
}

func footed(t *testing.T, d *datadriven.TestData, a Answer) string {
	a.Fresh = Fresh{Lag: -1, AsOf: nearest(10, 4, 5), Took: 1800 * time.Microsecond}
	d.MaybeScanArgs(t, "lag", &a.Fresh.Lag)
	d.MaybeScanArgs(t, "partitions", &a.Fresh.Total)
	a.Fresh.Answered = a.Fresh.Total
	d.MaybeScanArgs(t, "answered", &a.Fresh.Answered)
	a.More = d.HasArg("more")
	if d.Input != "" {
		a.Fresh.Missing = strings.Split(d.Input, "\n")
	}
	return footer(&a)
}

// exampleRelations are those of the orders example.
func exampleRelations() []Relation {
	p, _ := plan.Bind("orders.sql", examples.Orders)
	var list []Relation
	columns := func(from []row.Column) (out []Column) {
		for _, c := range from {
			out = append(out, Column{c.Name, c.Type.String()})
		}
		return out
	}
	for _, s := range p.Streams {
		list = append(list, Relation{Name: s.Name, Kind: "stream", Columns: columns(s.Columns)})
	}
	for _, x := range p.Tables {
		if !x.Hidden {
			list = append(list, Relation{Name: x.Name, Kind: "table", Columns: columns(x.Columns())})
		}
	}
	for _, m := range p.Metrics {
		list = append(list, Relation{Name: m.Name, Kind: "metric", Columns: columns(m.Columns())})
	}
	return append(list, Relation{Name: "Odd name", Kind: "table", Columns: []Column{{"order", "BIGINT"}}})
}

func completed(input string) string {
	c := completer{relations: exampleRelations, settings: settingNames}
	open, line := "", input
	if i := strings.LastIndexByte(input, '\n'); i >= 0 {
		open, line = input[:i+1], input[i+1:]
	}
	before, after, _ := strings.Cut(line, "|")
	got := c.complete(open, before+after, len(before))
	if len(got.list) == 0 {
		return "nothing"
	}
	var out strings.Builder
	word := before[got.from:]
	if insert := got.common(word); insert != word {
		fmt.Fprintf(&out, "%s%s|\n", before[:got.from], insert)
	}
	byKind := map[string][]string{}
	var kinds []string
	for _, x := range got.list {
		if len(byKind[x.kind]) == 0 {
			kinds = append(kinds, x.kind)
		}
		byKind[x.kind] = append(byKind[x.kind], x.text)
	}
	for _, k := range kinds {
		list := byKind[k]
		if len(list) > 12 {
			list = append(list[:12:12], fmt.Sprintf("and %d more", len(list)-12))
		}
		fmt.Fprintf(&out, "%s: %s\n", k, strings.Join(list, ", "))
	}
	return out.String()
}

func pieces(text string) string {
	var out strings.Builder
	for text != "" {
		p := cut(text)
		if !p.complete {
			fmt.Fprintf(&out, "open %q\n", text)
			break
		}
		if p.statement != "" {
			fmt.Fprintf(&out, "statement %q\n", p.statement)
		}
		if p.command != "" {
			name, arg := commandOf(p.command)
			fmt.Fprintf(&out, "command %s %q\n", name, arg)
		}
		text = text[p.rest:]
	}
	return out.String()
}

// TestFaultsPrintTheSame: the prompt shows the golden messages of the parser and the planner as they
// do, after a way over JSON, also when the statement stands somewhere in a file.
func TestFaultsPrintTheSame(t *testing.T) {
	faults := 0
	for _, dir := range []string{"../../../../query/syntax/testdata/golden", "../../../../query/plan/testdata/golden"} {
		datadriven.Walk(t, dir, func(t *testing.T, path string) {
			p, _ := plan.Bind("orders.sql", examples.Orders)
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				var diags []syntax.Diagnostic
				switch d.Cmd {
				case "parse":
					_, diags = syntax.Parse(d.Input)
				case "schema":
					p, _ = plan.Bind("schema.sql", d.Input)
				case "check", "plan":
					_, diags = plan.Bind("q.sql", d.Input)
				case "prompt":
					if p != nil {
						_, diags = plan.BindQuery(p, d.Input)
					}
				}
				if len(diags) > 0 {
					faults += len(diags)
					checkFault(t, d.Input, diags)
				}
				return d.Expected
			})
		})
	}
	if faults < 60 {
		t.Errorf("only %d faults were compared", faults)
	}
}

func checkFault(t *testing.T, text string, diags []syntax.Diagnostic) {
	t.Helper()
	var reports []syntax.Report
	if err := json.Unmarshal(syntax.JSON("", text, diags), &reports); err != nil {
		t.Fatal(err)
	}
	err := error(&Problem{Reports: reports})
	if got, want := faultText(err, script{name: "q.sql", text: text}, 0), syntax.Render("q.sql", text, diags); got != want {
		t.Errorf("the prompt says\n%s\nexpected\n%s", got, want)
	}
	before := "-- 한글\nSELECT 1;\n"
	for i := range diags {
		diags[i].Span.Start += len(before)
		diags[i].Span.End += len(before)
	}
	at := script{name: "q.sql", text: before + text, offset: len(before)}
	if got, want := faultText(err, at, 0), syntax.Render("q.sql", before+text, diags); got != want {
		t.Errorf("in a file the prompt says\n%s\nexpected\n%s", got, want)
	}
}

// nearest is the moment of this time of day that is nearest: what is half a day away is shown with
// its date.
func nearest(hour, minute, second int) time.Time {
	now := time.Now().UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, second, 0, time.UTC)
	if now.Sub(at) > 12*time.Hour {
		return at.AddDate(0, 0, 1)
	} else if at.Sub(now) > 12*time.Hour {
		return at.AddDate(0, 0, -1)
	}
	return at
}
