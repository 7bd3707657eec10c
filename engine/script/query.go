package script

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"penstock/query/plan"
	"penstock/query/syntax"
)

// Fault is what is wrong with one text: a test file, or the query file it tests.
type Fault struct {
	File, Text  string
	Diagnostics []syntax.Diagnostic
}

// Error renders the diagnostics.
func (f *Fault) Error() string { return syntax.Render(f.File, f.Text, f.Diagnostics) }

// plan binds what a test runs: the query file, the statements before the first test, and the
// test's own. read reads a file, by its path.
//
// The statements in the test file are bound where they stand, with blanks for everything else, so
// that places in diagnostics are places in the file.
func (t *Test) plan(read func(path string) (string, error)) (*plan.Plan, *Fault) {
	f := t.file
	query, path := "", ""
	if path = f.queryPath(); path != "" {
		text, err := read(path)
		if err != nil {
			return nil, &Fault{f.Path, f.Text, []syntax.Diagnostic{{Code: CodeFile, Span: f.queryAt,
				Message: fmt.Sprintf("cannot read the query file: %v", err)}}}
		}
		query = text + "\n"
	}
	text := query + blanked(f.Text, append(slices.Clone(f.statements), t.own...))
	name := path
	if name == "" {
		name = f.Path
	}
	p, diags := plan.Bind(name, text)
	if p != nil {
		return p, nil
	}
	var inQuery, here []syntax.Diagnostic
	for _, d := range diags {
		switch {
		case d.Severity != syntax.Error:
		case d.Span.Start < len(query):
			inQuery = append(inQuery, d)
		default:
			d.Span.Start -= len(query)
			d.Span.End -= len(query)
			here = append(here, d)
		}
	}
	if len(inQuery) > 0 {
		return nil, &Fault{path, query, inQuery}
	}
	return nil, &Fault{f.Path, f.Text, here}
}

// queryPath is where the query file is, empty when there is none: what the caller wants, or FILE
// names, or without statements of its own the file beside it of the same name.
func (f *File) queryPath() string {
	switch {
	case f.under != "":
		return f.under
	case f.Query != "":
		if filepath.IsAbs(f.Query) {
			return f.Query
		}
		return filepath.Join(filepath.Dir(f.Path), f.Query)
	case len(f.statements) > 0 || slices.ContainsFunc(f.Tests, func(t *Test) bool { return len(t.own) > 0 }):
		return ""
	}
	return strings.TrimSuffix(f.Path, Extension) + ".sql"
}

// blanked keeps the text at spans, and the line ends.
func blanked(text string, spans []syntax.Span) string {
	b := []byte(text)
	kept := 0
	blank := func(to int) {
		for i := kept; i < to; i++ {
			if b[i] != '\n' {
				b[i] = ' '
			}
		}
	}
	for _, s := range spans {
		blank(s.Start)
		kept = s.End
	}
	blank(len(b))
	return string(b)
}

// Check says what is wrong with a test file: with its commands, the statements in it, and the
// names it uses. The query file beside it is read; faults in that are told as one, because
// `penstock check` of the query file tells them all.
//
// It returns how many tests there are.
func Check(path, text string, read func(path string) (string, error)) (tests int, diags []syntax.Diagnostic) {
	f, diags := Parse(path, text)
	if syntax.HasErrors(diags) {
		return len(f.Tests), diags
	}
	for _, t := range f.Tests {
		p, fault := t.plan(read)
		switch {
		case fault == nil:
			diags = append(diags, t.check(p)...)
		case fault.File == path:
			diags = append(diags, fault.Diagnostics...)
		default:
			diags = append(diags, syntax.Diagnostic{Code: CodeFile, Span: f.queryAt,
				Message: fmt.Sprintf("the query file %s has %d mistakes", fault.File, len(fault.Diagnostics)), Notes: []string{"see: penstock check " + fault.File}})
		}
	}
	slices.SortStableFunc(diags, func(a, b syntax.Diagnostic) int { return a.Span.Start - b.Span.Start })
	return len(f.Tests), slices.CompactFunc(diags, func(a, b syntax.Diagnostic) bool { return a.Span == b.Span && a.Message == b.Message })
}

// check looks whether a plan has what the commands of a test name.
func (t *Test) check(p *plan.Plan) []syntax.Diagnostic {
	var diags []syntax.Diagnostic
	for _, c := range t.commands {
		if d := t.checkCommand(p, c); d != nil {
			diags = append(diags, *d)
		}
	}
	return diags
}

func (t *Test) checkCommand(p *plan.Plan, c *command) *syntax.Diagnostic {
	var columns []string
	switch c.kind {
	case insert, advance, expectRejected, expectCounts:
		if c.name != "" && streamOf(p, c.name) == nil {
			return unknown(c, "stream", streamNames(p))
		}
		if d := t.checkInsert(p, c); d != nil {
			return d
		}
		if c.kind == expectRejected {
			columns = rejectColumns
		}
		if c.kind == expectCounts {
			columns = countColumns
		}
	case expectMetric:
		m := metricOf(p, c.name)
		if m == nil {
			return unknown(c, "metric", metricNames(p))
		}
		columns = metricColumns(m)
	case expectTable:
		tab := tableOf(p, c.name)
		if tab == nil {
			return unknown(c, "table", tableNames(p))
		}
		for _, col := range tab.Columns() {
			columns = append(columns, col.Name)
		}
	case expectSelect:
		q, diags := bindSelect(p, c)
		if q == nil {
			d := diags[0]
			d.Span.Start += c.nameAt.Start
			d.Span.End += c.nameAt.Start
			return &d
		}
		for _, col := range q.Read.Columns() {
			columns = append(columns, col.Name)
		}
	}
	return checkHeader(c, columns)
}

// checkHeader looks at the columns that an expectation names.
func checkHeader(c *command, columns []string) *syntax.Diagnostic {
	if c.want == nil || columns == nil {
		return nil
	}
	for _, name := range c.want.header {
		if !slices.Contains(columns, name) {
			return &syntax.Diagnostic{Code: CodeName, Span: c.body[0].span(), Message: fmt.Sprintf("no column %q here", name),
				Label: syntax.DidYouMean(name, columns), Notes: []string{"columns: " + strings.Join(columns, ", ")}}
		}
	}
	return nil
}

func (t *Test) checkInsert(p *plan.Plan, c *command) *syntax.Diagnostic {
	if c.kind != insert {
		return nil
	}
	s := streamOf(p, c.name)
	n := max(1, t.settings.partitions[s.Name])
	for _, r := range c.records {
		at := max(r.partition, c.partition)
		if at >= n {
			return &syntax.Diagnostic{Code: CodeName, Span: c.at, Message: fmt.Sprintf("stream %s has %d partitions in this test, there is no partition %d", s.Name, n, at),
				Notes: []string{fmt.Sprintf("say so before: PARTITIONS %s %d", s.Name, at+1)}}
		}
		if s.TimeColumn < 0 && !r.hasTime && !c.hasTime {
			return &syntax.Diagnostic{Code: CodeTime, Span: c.at, Message: fmt.Sprintf("stream %s takes the time of its rows from Kafka, and these have none", s.Name),
				Notes: []string{"write INSERT INTO " + s.Name + " AT 2026-01-01 10:00:00, or a time before each line: INSERT INTO " + s.Name + " (time, value)"}}
		}
	}
	return nil
}

func bindSelect(p *plan.Plan, c *command) (*plan.Query, []syntax.Diagnostic) {
	cmd, diags := plan.BindQuery(p, c.text)
	q, ok := cmd.(*plan.Query)
	if !ok && len(diags) == 0 {
		diags = []syntax.Diagnostic{{Code: CodeWord, Span: syntax.Span{End: len(c.text)}, Message: "expected a SELECT"}}
	}
	return q, diags
}

func unknown(c *command, what string, names []string) *syntax.Diagnostic {
	return &syntax.Diagnostic{Code: CodeName, Span: c.nameAt, Message: fmt.Sprintf("no %s %q in the query file", what, c.name),
		Label: syntax.DidYouMean(c.name, names), Notes: []string{what + "s: " + strings.Join(names, ", ")}}
}

func streamOf(p *plan.Plan, name string) *plan.Stream {
	for _, s := range p.Streams {
		if strings.EqualFold(s.Name, name) {
			return s
		}
	}
	return nil
}

func metricOf(p *plan.Plan, name string) *plan.Metric {
	for _, m := range p.Metrics {
		if strings.EqualFold(m.Name, name) {
			return m
		}
	}
	return nil
}

func tableOf(p *plan.Plan, name string) *plan.Table {
	for _, t := range p.Tables {
		if !t.Hidden && strings.EqualFold(t.Name, name) {
			return t
		}
	}
	return nil
}

func streamNames(p *plan.Plan) []string {
	var list []string
	for _, s := range p.Streams {
		list = append(list, s.Name)
	}
	return list
}

func metricNames(p *plan.Plan) []string {
	var list []string
	for _, m := range p.Metrics {
		list = append(list, m.Name)
	}
	return list
}

func tableNames(p *plan.Plan) []string {
	var list []string
	for _, t := range p.Tables {
		if !t.Hidden {
			list = append(list, t.Name)
		}
	}
	return list
}
