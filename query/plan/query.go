package plan

import (
	"strings"

	"penstock/query/syntax"
)

// Command is a statement at the prompt: *Query, *Show, *Describe or *Explain.
type Command interface{ command() }

// Show lists what there is. What is STREAMS, TABLES, METRICS, FUNCTIONS or ShowMemory.
type Show struct{ What string }

// ShowMemory is what only a running engine can answer: where its memory goes.
const ShowMemory = "MEMORY"

// Describe shows a stream, a table or a metric.
type Describe struct{ Name string }

// Explain shows how something runs: Text is for EXPLAIN, Name is also set when a name was
// explained rather than a SELECT. Why asks what holds its results back, which only a running
// engine can tell.
type Explain struct {
	Name string
	Text string
	Why  bool
}

func (*Query) command()    {}
func (*Show) command()     {}
func (*Describe) command() {}
func (*Explain) command()  {}

// BindQuery binds one statement of the prompt against a plan, which it leaves as it is. The
// Command is nil when there is an error among the diagnostics.
func BindQuery(p *Plan, text string) (Command, []syntax.Diagnostic) {
	b := &binder{text: text, plan: p, names: p.definitions(), prompt: true}
	stmts, diags := syntax.Parse(text)
	b.diags = diags
	switch {
	case syntax.HasErrors(diags):
		return nil, diags
	case len(stmts) == 0:
		b.fail(syntax.Span{}, faultf(codeShape, "no statement").expect("", "write for example SELECT * FROM ..., or SHOW TABLES"))
		return nil, b.diags
	case len(stmts) > 1:
		b.fail(stmts[1].At(), faultf(codeShape, "%d statements at once", len(stmts)).expect("one", "send them one after the other"))
		return nil, b.diags
	}
	cmd := b.command(stmts[0])
	if b.errors > 0 {
		return nil, b.diags
	}
	return cmd, b.diags
}

// definitions rebuilds the catalog of a finished plan.
func (p *Plan) definitions() map[string]*definition {
	names := map[string]*definition{}
	for _, s := range p.Streams {
		names[strings.ToLower(s.Name)] = &definition{name: s.Name, stream: s}
	}
	for _, t := range p.Tables {
		if !t.Hidden {
			names[strings.ToLower(t.Name)] = &definition{name: t.Name, table: t}
		}
	}
	for _, m := range p.Metrics {
		names[strings.ToLower(m.Name)] = &definition{name: m.Name, metric: m}
	}
	return names
}

func (b *binder) command(s syntax.Statement) Command {
	switch s := s.(type) {
	case *syntax.Select:
		if q, ok := b.query(s); ok {
			return q
		}
		return nil
	case *syntax.Show:
		return &Show{What: s.What}
	case *syntax.Describe:
		if d := b.lookup(s.Name); d != nil {
			return &Describe{Name: d.name}
		}
		return nil
	case *syntax.Explain:
		return b.explain(s)
	}
	b.fail(s.At(), faultf(codeShape, "CREATE at the prompt, which only reads").expect("", "add the statement to the query file and start again with it"))
	return nil
}

func (b *binder) explain(s *syntax.Explain) Command {
	if s.Name != nil {
		if d := b.lookup(s.Name); d != nil {
			return &Explain{Name: d.name, Text: b.plan.Explain(d.name), Why: s.Why}
		}
		return nil
	}
	if sel, ok := s.Statement.(*syntax.Select); ok {
		if q, ok := b.query(sel); ok {
			return &Explain{Text: explainRead(&q.Read)}
		}
		return nil
	}
	b.fail(s.At(), faultf(codeShape, "EXPLAIN of a statement that defines something").expect("a name or a SELECT", "write EXPLAIN and the name"))
	return nil
}

// query binds a SELECT statement.
func (b *binder) query(sel *syntax.Select) (*Query, bool) {
	q := &Query{Text: sel.String()}
	return q, b.selectOnce(&q.Read, sel)
}

// readable lists what a SELECT can read.
func (b *binder) readable() string {
	var parts []string
	for _, g := range b.existing()[1:] {
		if len(g.names) > 0 {
			parts = append(parts, g.what+" "+strings.Join(g.names, ", "))
		}
	}
	if len(parts) == 0 {
		return "there are no tables or metrics yet"
	}
	return "there are: " + strings.Join(parts, "; ")
}
