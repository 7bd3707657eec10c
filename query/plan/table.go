package plan

import (
	"strings"
	"time"

	"penstock/query/row"
	"penstock/query/syntax"
)

// leastDrift is how far a source partition may run ahead of the slowest when max_drift is not
// given and panes are short; with long ones it is 20 of them.
const leastDrift = 10 * time.Minute

// createTable binds CREATE TABLE and CREATE MATERIALIZED VIEW.
func (b *binder) createTable(c *syntax.CreateTable) {
	d := &definition{name: c.Name.Raw, broken: true}
	ok := b.define(c.Name, d)
	for _, o := range c.Options {
		b.fail(o.Key.Span, faultf(codeOption, "tables have no option %q", o.Key.Raw).expect("", "options belong to streams and metrics: leave it out"))
	}
	b.tableClauses(c)
	src, found := b.source(c.Query)
	if !found || !b.tableSource(c, src) {
		return
	}
	t := &Table{Name: c.Name.Name, Text: c.String()}
	if b.fold(t, c.Query, src) == nil || !ok {
		return
	}
	b.sameNames(c.Query, t.Output)
	d.table, d.broken = t, false
	b.plan.Tables = append(b.plan.Tables, t)
}

// tableClauses refuses the clauses that only a reader of the table can have.
func (b *binder) tableClauses(c *syntax.CreateTable) {
	q := c.Query
	if q.Emit != nil {
		b.fail(q.Emit.Span, faultf(codeEmit, "EMIT in CREATE TABLE, which publishes nothing").
			expect("", "write CREATE METRIC my_metric AS SELECT * FROM %s %s", c.Name.Raw, q.Emit))
	}
	if len(q.OrderBy) > 0 {
		b.fail(q.OrderBy[0].Span, faultf(codeShape, "ORDER BY in CREATE TABLE, whose rows have no order").
			expect("", "order where it is read: SELECT * FROM %s ORDER BY ...", c.Name.Raw))
	}
	if q.Limit != nil || q.Offset != nil {
		at := q.Limit
		if at == nil {
			at = q.Offset
		}
		b.fail(at.Span, faultf(codeShape, "LIMIT in CREATE TABLE, which keeps every group").
			expect("", "limit where it is read: SELECT * FROM %s ORDER BY ... LIMIT %s", c.Name.Raw, at.Text))
	}
	if q.Distinct {
		b.fail(selectListSpan(q), faultf(codeShape, "SELECT DISTINCT in CREATE TABLE").expect("GROUP BY with the same columns", "leave DISTINCT out and add GROUP BY"))
	}
}

// tableSource refuses what a table cannot be made from.
func (b *binder) tableSource(c *syntax.CreateTable, src *source) bool {
	switch {
	case src.table != nil:
		b.fail(src.at, faultf(codeShape, "%s is a table; a table is made from a stream", src.table.Name).
			expect("", "aggregate stream %s here, or make this a metric: CREATE METRIC %s AS SELECT ...", src.table.Stream.Name, c.Name.Raw))
		return false
	case src.metric != nil:
		b.fail(src.at, faultf(codeShape, "%s is a metric; a table is made from a stream", src.metric.Name).
			expect("", "aggregate the stream that %s reads", src.metric.Name))
		return false
	}
	return true
}

// source is what FROM reads, with its window.
type source struct {
	at       syntax.Span
	alias    *syntax.Ident
	stream   *Stream
	table    *Table
	metric   *Metric
	input    *Read // of a sub-query, or of WITH under name
	name     string
	window   Window
	windowAt syntax.Span
}

// source resolves FROM and WINDOW.
func (b *binder) source(sel *syntax.Select) (*source, bool) {
	if len(sel.With) > 0 {
		b.fail(sel.With[0].Span, faultf(codeNotYet, "WITH before SELECT cannot run yet").expect("", "make a table of it: CREATE TABLE %s AS ...", sel.With[0].Name.Raw))
		return nil, false
	}
	src := &source{}
	var d *definition
	switch f := sel.From.(type) {
	case nil:
		b.fail(sel.At(), faultf(codeShape, "a SELECT without FROM").expect("", "add FROM and what to read"))
		return nil, false
	case *syntax.TableName:
		src.at, src.alias = f.Name.Span, f.Alias
		d = b.lookup(f.Name)
	case *syntax.WindowCall:
		src.at, src.alias = f.Stream.Span, f.Alias
		d = b.lookup(f.Stream)
	case *syntax.SubSelect:
		b.fail(f.Span, faultf(codeNotYet, "a sub-query in FROM cannot run yet").expect("", "make a table of it: CREATE TABLE ... AS %s", firstWords(f.Query)))
		return nil, false
	}
	if d == nil {
		return nil, false
	}
	src.stream, src.table, src.metric = d.stream, d.table, d.metric
	return src, b.sourceWindow(sel, src)
}

func firstWords(q *syntax.Select) string {
	text := q.String()
	if words := strings.Fields(text); len(words) > 6 {
		return strings.Join(words[:6], " ") + " ..."
	}
	return text
}

// sourceWindow binds the WINDOW clause, or TUMBLE and HOP, which say the same.
func (b *binder) sourceWindow(sel *syntax.Select, src *source) bool {
	call, _ := sel.From.(*syntax.WindowCall)
	switch {
	case call == nil && sel.Window == nil:
		return true
	case call != nil:
		src.windowAt = call.Span
	default:
		src.windowAt = sel.Window.Span
	}
	if src.stream == nil {
		name := "a metric"
		if src.table != nil {
			name = "a table"
		}
		b.fail(src.windowAt, faultf(codeWindow, "a window over %s, which has no rows in time", name).
			expect("", "the window belongs where a stream is read: CREATE TABLE ... FROM a stream WINDOW ..."))
		return false
	}
	if call == nil {
		return b.windowClause(sel.Window, src)
	}
	if sel.Window != nil {
		b.fail(sel.Window.Span, faultf(codeWindow, "a WINDOW clause beside %s", strings.ToUpper(windowCallName(call))).expect("", "leave one of them out"))
		return false
	}
	return b.windowCall(call, src)
}

func (b *binder) windowClause(w *syntax.Window, src *source) (ok bool) {
	out := Window{Kind: Tumbling + WindowKind(w.Kind)}
	if out.Size, ok = b.length("SIZE", w.Size); !ok {
		return false
	}
	at := w.Size.Span
	switch out.Kind {
	case Tumbling:
		out.Advance = out.Size
	case Hopping:
		if out.Advance, ok = b.length("ADVANCE BY", w.Advance); !ok {
			return false
		}
		at = w.Advance.Span
	}
	return b.useWindow(src, out, at)
}

func windowCallName(c *syntax.WindowCall) string {
	if c.Slide != nil {
		return "HOP"
	}
	return "TUMBLE"
}

func (b *binder) windowCall(c *syntax.WindowCall, src *source) (ok bool) {
	if !b.windowColumn(c, src.stream) {
		return false
	}
	out := Window{Kind: Tumbling}
	if out.Size, ok = b.length("the size", c.Size); !ok {
		return false
	}
	out.Advance = out.Size
	at := c.Size.Span
	if c.Slide != nil {
		out.Kind, at = Hopping, c.Slide.Span
		if out.Advance, ok = b.length("the slide", c.Slide); !ok {
			return false
		}
	}
	return b.useWindow(src, out, at)
}

// windowColumn wants the time that the stream's clocks follow; a window over any other would
// never know when it is complete.
func (b *binder) windowColumn(c *syntax.WindowCall, s *Stream) bool {
	name := c.Column.Name
	if name == rowTimeName || s.TimeColumn >= 0 && s.Columns[s.TimeColumn].Name == name {
		return true
	}
	i := columnNamed(s.Columns, name)
	if i < 0 {
		sc := streamScope(s, nil)
		b.fail(c.Column.Span, sc.unknownColumn(c.Column, nil))
		return false
	}
	f := faultf(codeTime, "%s over column %s, which is not the time of stream %s", windowCallName(c), name, s.Name)
	if k := s.Columns[i].Type.Kind; k == row.Timestamp || k == row.Bigint {
		f.expect("", "declare the stream WITH (timestamp = '%s'), or write rowtime", name)
	} else {
		f.expect("", "write rowtime")
	}
	b.fail(c.Column.Span, f)
	return false
}

func (b *binder) useWindow(src *source, w Window, at syntax.Span) bool {
	f := checkWindow(w)
	if f == nil {
		f = checkPanes(w, nil)
	}
	if f != nil {
		b.fail(at, f)
		return false
	}
	src.window = w
	return true
}

// fold binds a grouped SELECT over a stream into the state of t. It returns the selection, whose
// order and limit are left to the reader.
func (b *binder) fold(t *Table, sel *syntax.Select, src *source) *selection {
	sc := streamScope(src.stream, src.alias)
	sc.window = src.window.Kind != NoWindow
	if !isGrouped(sel) {
		_, ok := b.selection(sel, sc) // for the other mistakes
		if ok && (t.Hidden || !sel.Distinct) {
			b.fail(selectListSpan(sel), notGrouped(sel, sc))
		}
		return nil
	}
	s, ok := b.selection(sel, sc)
	if !ok {
		return nil
	}
	t.Stream, t.Window = src.stream, src.window
	t.Where, t.Keys, t.Aggs, t.Having = s.where, s.keys, s.aggs, s.having
	t.Output = s.output
	return s
}

func selectListSpan(sel *syntax.Select) syntax.Span {
	if n := len(sel.Items); n > 0 {
		return sel.Items[0].Span.To(sel.Items[n-1].Span)
	}
	return sel.Span
}

// notGrouped shows a grouping by the first column that is selected.
func notGrouped(sel *syntax.Select, sc *scope) *fault {
	f := faultf(codeShape, "the rows of %s as they are", sc.what).expect("GROUP BY or an aggregate", "")
	for _, item := range sel.Items {
		if ref, ok := item.Expr.(*syntax.ColumnRef); ok {
			f.hint = "write for example SELECT " + ref.String() + ", COUNT(*) ... GROUP BY " + ref.String()
			return f
		}
	}
	return f.expect("", "write for example SELECT COUNT(*)").note("columns: %s", strings.Join(sc.visible(), ", "))
}

// sameNames refuses two columns of one name where the user chose both.
func (b *binder) sameNames(sel *syntax.Select, output []Named) {
	seen := map[string]bool{}
	for _, item := range sel.Items {
		if item.Alias == nil {
			continue
		}
		if seen[item.Alias.Name] {
			b.fail(item.Alias.Span, faultf(codeDuplicate, "two columns are named %q", item.Alias.Name).expect("", "choose another alias"))
		}
		seen[item.Alias.Name] = true
	}
}

// choosePanes gives every table its pane, and refuses windows that would have too many.
func (b *binder) choosePanes() {
	if b.prompt {
		return
	}
	for _, t := range b.plan.Tables {
		var every []time.Duration
		refused := false
		for _, m := range b.plan.MetricsOf(t) {
			if m.Emit != EmitEvery {
				continue
			}
			every = append(every, m.Interval)
			if f := checkPanes(t.Window, every); f != nil && !refused {
				refused = true
				b.fail(b.names[strings.ToLower(m.Name)].every, f)
			}
		}
		t.Pane = paneOf(t.Window, every)
	}
	for _, s := range b.plan.Streams {
		if s.Options.MaxDrift != 0 {
			continue
		}
		s.Options.MaxDrift = leastDrift
		for _, t := range b.plan.TablesOf(s) {
			s.Options.MaxDrift = max(s.Options.MaxDrift, 20*t.Pane)
		}
	}
}
