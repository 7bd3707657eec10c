package plan

import (
	"strings"

	"penstock/query/syntax"
)

// Sub-queries in FROM and the queries of WITH. A SELECT that is answered once may read the rows of
// another one: they are made first and then read as a table's are. Tables and metrics, which are
// kept up to date row by row, read streams and tables only.

// selectOnce binds a SELECT that is answered once, from tables, the results of metrics or other
// SELECTs.
func (b *binder) selectOnce(r *Read, sel *syntax.Select) bool {
	outer := b.with
	defer func() { b.with = outer }()
	b.bindWith(sel)
	if sel.Emit != nil {
		b.fail(sel.Emit.Span, faultf(codeEmit, "EMIT in a SELECT, which answers once").
			expect("", "make it a metric: CREATE METRIC my_metric AS SELECT ..."))
	}
	src, ok := &source{}, true
	if sel.From != nil {
		src, ok = b.onceSource(sel)
	}
	if !ok {
		return false
	}
	if src.stream != nil {
		b.fail(src.at, faultf(codeShape, "SELECT over stream %s, whose rows are not kept", src.stream.Name).
			expect("a table or a metric", "make it a table (CREATE TABLE ... AS SELECT ...) or a metric").
			note("%s", b.readable()))
		return false
	}
	return b.readTable(r, sel, src) && sel.Emit == nil
}

// bindWith binds the queries of WITH, each of which sees those before it. One with a mistake is
// known all the same, so that the mistake is told once.
func (b *binder) bindWith(sel *syntax.Select) {
	if len(sel.With) == 0 {
		return
	}
	names := map[string]*Read{}
	for name, r := range b.with {
		names[name] = r
	}
	b.with = names
	here := map[string]bool{}
	for _, w := range sel.With {
		key := strings.ToLower(w.Name.Name)
		if here[key] {
			b.fail(w.Name.Span, faultf(codeDuplicate, "WITH defines %s twice", w.Name.Raw).expect("", "give one of them another name"))
		}
		here[key] = true
		r := &Read{}
		if !b.selectOnce(r, w.Query) {
			r = nil
		}
		names[key] = r
	}
}

// onceSource resolves FROM of a SELECT that is answered once.
func (b *binder) onceSource(sel *syntax.Select) (*source, bool) {
	src := &source{}
	switch f := sel.From.(type) {
	case *syntax.SubSelect:
		src.at, src.alias, src.input = f.Span, f.Alias, &Read{}
		if !b.selectOnce(src.input, f.Query) {
			return nil, false
		}
	case *syntax.TableName:
		input, ok := b.with[strings.ToLower(f.Name.Name)]
		switch {
		case ok && input == nil:
			return nil, false
		case ok:
			src.at, src.alias, src.input, src.name = f.Name.Span, f.Alias, input, f.Name.Name
		}
	}
	if src.input == nil {
		plain := *sel
		plain.With = nil
		return b.source(&plain)
	}
	if sel.Window != nil {
		b.fail(sel.Window.Span, faultf(codeWindow, "a window over a sub-query, which has no rows in time").
			expect("", "the window belongs where a stream is read: CREATE TABLE ... FROM a stream WINDOW ..."))
		return nil, false
	}
	return src, true
}

// inputScope is the scope of a SELECT over another one.
func inputScope(src *source) *scope {
	name := src.name
	if src.alias != nil {
		name = src.alias.Name
	}
	sc := &scope{what: "the sub-query", names: []string{name}, columns: src.input.Columns(), rowTime: -1}
	if name != "" {
		sc.what = "sub-query " + name
	}
	return sc
}

// Leaf is the innermost read: the one that reads a table, a metric or nothing.
func (r *Read) Leaf() *Read {
	for r.Input != nil {
		r = r.Input
	}
	return r
}
