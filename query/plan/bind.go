package plan

import (
	"regexp"
	"slices"
	"strings"

	"penstock/query/syntax"
)

// Bind turns the text of a query file into a plan, and says everything that is wrong with it, in
// the order of the text. The plan is nil when there is an error among the diagnostics. File is
// only kept in the plan.
//
// A statement with a mistake still defines its name, so that one mistake is told once and not
// again by every statement that uses it.
func Bind(file, text string) (*Plan, []syntax.Diagnostic) {
	b := &binder{text: text, plan: &Plan{File: file}, names: map[string]*definition{}}
	stmts, diags := syntax.Parse(text)
	b.diags = diags
	if syntax.HasErrors(diags) {
		b.errors++
	}
	b.noteBroken(diags)
	for _, s := range stmts {
		b.statement(s)
	}
	b.finish()
	slices.SortStableFunc(b.diags, func(x, y syntax.Diagnostic) int { return x.Span.Start - y.Span.Start })
	if b.errors > 0 {
		return nil, b.diags
	}
	b.plan.noteFingerprints()
	return b.plan, b.diags
}

// binder walks the statements of one text.
type binder struct {
	text   string
	plan   *Plan
	names  map[string]*definition // by lower-case name
	prompt bool                   // against a finished plan, which must not change
	with   map[string]*Read       // the queries of WITH in scope, nil ones have a mistake
	diags  []syntax.Diagnostic
	errors int
}

func (b *binder) fail(at syntax.Span, f *fault) {
	b.errors++
	for _, d := range b.diags {
		if d.Span == at && d.Message == f.text {
			return // GROUP BY 1 binds the first output column once more
		}
	}
	b.diags = append(b.diags, f.diagnostic(syntax.Error, at))
}

func (b *binder) warn(at syntax.Span, f *fault) {
	b.diags = append(b.diags, f.diagnostic(syntax.Warning, at))
}

func (b *binder) statement(s syntax.Statement) {
	switch s := s.(type) {
	case *syntax.CreateStream:
		b.createStream(s)
	case *syntax.CreateTable:
		b.createTable(s)
	case *syntax.CreateMetric:
		b.createMetric(s)
	case *syntax.Select:
		if q, ok := b.query(s); ok {
			b.plan.Queries = append(b.plan.Queries, q)
		}
	default:
		word, _, _ := strings.Cut(s.String(), " ")
		b.warn(s.At(), faultf(codeIgnored, "%s in a query file does nothing", word).expect("", "use it at the prompt"))
	}
}

// noteBroken defines the names of statements that did not parse, as far as they can be read.
func (b *binder) noteBroken(diags []syntax.Diagnostic) {
	for _, d := range diags {
		broken := ""
		for _, m := range createPattern.FindAllStringSubmatchIndex(b.text, -1) {
			if m[0] <= d.Span.Start {
				broken = b.text[m[2]:m[3]]
			}
		}
		name := strings.Trim(broken, `"`)
		if key := strings.ToLower(name); broken != "" && b.names[key] == nil {
			b.names[key] = &definition{name: name, broken: true}
		}
	}
}

var createPattern = regexp.MustCompile(`(?is)\bCREATE\s+(?:MATERIALIZED\s+)?\w+\s+("?\w+"?)`)

// finish does what needs all statements: panes, and checks across definitions.
func (b *binder) finish() {
	b.choosePanes()
	b.checkLoops()
	b.lintUnused()
}
