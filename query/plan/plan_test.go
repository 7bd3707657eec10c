package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"penstock/query/row"
	"penstock/query/syntax"
)

// TestGolden runs the files of testdata/golden. Commands:
//
//	plan            binds the input; EXPLAIN of everything, or the diagnostics
//	check           binds the input after the statements of the last "schema"; the diagnostics
//	schema          keeps the input as what stands before the input of check and prompt
//	plan-with       plan, after the statements of the schema
//	prompt          binds one statement at the prompt
//	explain, show, describe name=...   of the schema
//	fingerprints    of the tables of the input
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		schema := ""
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "schema":
				schema = d.Input + "\n"
				_, diags := Bind("schema.sql", schema)
				return rendered(schema, diags)
			case "plan":
				return planned(d.Input)
			case "plan-with":
				return plannedAfter(schema, d.Input)
			case "check":
				return checked(schema, d.Input)
			case "fingerprints":
				return fingerprints(d.Input)
			}
			p, diags := Bind("schema.sql", schema)
			if p == nil {
				return rendered(schema, diags)
			}
			var name string
			d.MaybeScanArgs(t, "name", &name)
			switch d.Cmd {
			case "explain":
				return p.Explain(name)
			case "show":
				return listed(p.Show(name))
			case "describe":
				return listed(p.Describe(name))
			case "prompt":
				return prompted(p, d.Input)
			}
			return "unknown command " + d.Cmd
		})
	})
}

func rendered(text string, diags []syntax.Diagnostic) string {
	if len(diags) == 0 {
		return "ok\n"
	}
	return syntax.Render("test.sql", text, diags)
}

func planned(text string) string {
	p, diags := Bind("test.sql", text)
	if p == nil {
		return rendered(text, diags)
	}
	out := p.Explain("")
	for _, q := range p.Queries {
		out += "\n" + explainRead(&q.Read)
	}
	if len(diags) > 0 {
		out = rendered(text, diags) + "\n" + out
	}
	return out
}

// plannedAfter explains only what input adds.
func plannedAfter(schema, input string) string {
	base, _ := Bind("schema.sql", schema)
	p, diags := Bind("test.sql", schema+input)
	if p == nil {
		return rendered(schema+input, diags)
	}
	var parts []string
	for _, m := range p.Metrics[len(base.Metrics):] {
		parts = append(parts, p.Explain(m.Name))
	}
	for _, t := range p.Tables[len(base.Tables):] {
		if !t.Hidden {
			parts = append(parts, p.Explain(t.Name))
		}
	}
	for _, q := range p.Queries {
		parts = append(parts, explainRead(&q.Read))
	}
	return strings.Join(parts, "")
}

// checked shows the diagnostics of input alone, with lines counted from its first.
func checked(schema, input string) string {
	_, diags := Bind("test.sql", schema+input)
	var own []syntax.Diagnostic
	for _, d := range diags {
		if d.Span.Start < len(schema) {
			continue
		}
		d.Span.Start -= len(schema)
		d.Span.End -= len(schema)
		own = append(own, d)
	}
	return rendered(input, own)
}

func prompted(p *Plan, text string) string {
	cmd, diags := BindQuery(p, text)
	switch c := cmd.(type) {
	case nil:
		return rendered(text, diags)
	case *Query:
		return explainRead(&c.Read)
	case *Explain:
		return fmt.Sprintf("why=%v %s\n%s", c.Why, c.Name, c.Text)
	case *Show:
		return listed(p.Show(c.What))
	case *Describe:
		return listed(p.Describe(c.Name))
	}
	return fmt.Sprintf("%T", cmd)
}

func listed(l *Listing) string {
	if l == nil {
		return "nothing\n"
	}
	var w strings.Builder
	w.WriteString(l.Title + "\n")
	line := func(cells []string) { w.WriteString("  " + strings.Join(cells, " | ") + "\n") }
	var head []string
	for _, c := range l.Columns {
		head = append(head, c.Name)
	}
	line(head)
	for _, r := range l.Rows {
		var cells []string
		for i, v := range r {
			cells = append(cells, string(row.FormatValue(nil, v, l.Columns[i].Type)))
		}
		line(cells)
	}
	for _, n := range l.Notes {
		w.WriteString(n + "\n")
	}
	return w.String()
}

func fingerprints(text string) string {
	p, diags := Bind("test.sql", text)
	if p == nil {
		return rendered(text, diags)
	}
	var w strings.Builder
	seen := map[string]string{}
	for _, t := range p.Tables {
		f := Fingerprint(t)
		if other, ok := seen[f]; ok {
			fmt.Fprintf(&w, "%s as %s\n", t.Name, other)
			continue
		}
		seen[f] = t.Name
		fmt.Fprintf(&w, "%s\n", t.Name)
	}
	return w.String()
}

// TestCheckApp keeps an application out of its own topics, and only of those.
func TestCheckApp(t *testing.T) {
	p, diags := Bind("x.sql", `CREATE STREAM s (a BIGINT) WITH (topic = 'trades-frames');
		CREATE METRIC m WITH (topic = 'shop-decisions') AS SELECT COUNT(*) FROM s WINDOW TUMBLING (SIZE 1 MINUTE);`)
	if p == nil {
		t.Fatal(rendered("", diags))
	}
	for app, want := range map[string]string{
		"trades": `stream s reads topic "trades-frames", which application "trades" keeps its own state in: choose another --app or topic`,
		"shop":   `metric m writes topic "shop-decisions", which application "shop" keeps its own state in: choose another --app or topic`,
		"other":  "",
	} {
		got := ""
		if err := p.CheckApp(app); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("app %s: %q, want %q", app, got, want)
		}
	}
}

// TestPromptLeavesThePlan binds commands of all kinds against one plan.
func TestPromptLeavesThePlan(t *testing.T) {
	text := `CREATE STREAM s (k VARCHAR, n BIGINT);
		CREATE TABLE t AS SELECT k, SUM(n) AS total FROM s GROUP BY k;
		CREATE METRIC M AS SELECT k FROM t ORDER BY total DESC LIMIT 3 EMIT EVERY 5 SECONDS;`
	p, diags := Bind("x.sql", text)
	if p == nil {
		t.Fatal(rendered(text, diags))
	}
	before := p.Explain("")
	for _, q := range []string{"SELECT k, total + 1 FROM t ORDER BY 2", "SELECT * FROM nothing", "SELECT * FROM m",
		"CREATE METRIC x AS SELECT COUNT(*) FROM s EMIT EVERY 7 SECONDS", "EXPLAIN t", "DESCRIBE t", "SHOW METRICS", "SELECT ("} {
		cmd, diags := BindQuery(p, q)
		if cmd == nil != syntax.HasErrors(diags) {
			t.Errorf("%s: %v with\n%s", q, cmd, rendered(q, diags))
		}
	}
	if after := p.Explain(""); after != before {
		t.Errorf("the plan changed from\n%s\nto\n%s", before, after)
	}
	if p.Table("T") == nil || p.Stream("S") == nil || p.Metric("m") == nil || p.Metric("t") != nil {
		t.Error("names are not found whatever their case")
	}
	if got := len(p.Table("t").Group()); got != 4 {
		t.Errorf("%d group columns, want the key, the sum and the bounds of the window", got)
	}
}

// TestExamples binds every query file of examples, without a warning.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.sql")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d examples: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.sql") {
			continue // of another language
		}
		if _, diags := Bind(file, string(text)); len(diags) > 0 {
			t.Errorf("%s:\n%s", file, syntax.Render(file, string(text), diags))
		}
	}
}
