package plan

import (
	"fmt"
	"strings"

	"penstock/query/expr"
	"penstock/query/syntax"
)

// hiddenPrefix begins the names of tables and columns that no statement can name.
const hiddenPrefix = "$"

// createMetric binds CREATE METRIC.
func (b *binder) createMetric(c *syntax.CreateMetric) {
	m := &Metric{Name: c.Name.Raw, Text: c.String(), Topic: "metrics", Format: "json"}
	d := &definition{name: c.Name.Raw, broken: true, topic: c.Name.Span}
	ok := b.define(c.Name, d)
	b.metricOptions(m, d, c.Options)
	src, found := b.source(c.Query)
	if !found {
		return
	}
	before := b.errors
	b.emit(m, d, c, src)
	switch {
	case src.metric != nil:
		b.fail(src.at, faultf(codeShape, "%s is a metric; a metric reads a stream or a table", src.metric.Name).
			expect("", "read what %s reads: %s", src.metric.Name, sourceName(src.metric)))
	case src.stream != nil:
		b.split(m, c, src)
	default:
		b.readTable(&m.Read, c.Query, src)
	}
	b.sameNames(c.Query, nil)
	if b.errors > before || !ok {
		return
	}
	b.lintGrows(m, c)
	d.metric, d.broken = m, false
	if src.stream != nil {
		b.plan.Tables = append(b.plan.Tables, m.Read.Table)
	}
	b.plan.Metrics = append(b.plan.Metrics, m)
}

func sourceName(m *Metric) string {
	if m.Read.Table.Hidden {
		return "stream " + m.Read.Table.Stream.Name
	}
	return "table " + m.Read.Table.Name
}

var metricOptionNames = []string{"topic", "format"}

func (b *binder) metricOptions(m *Metric, d *definition, list []*syntax.Option) {
	seen := map[string]*syntax.Option{}
	for _, o := range list {
		switch o.Key.Name {
		case "topic", "format":
			if b.repeatedOption(seen, o) {
				continue
			}
		default:
			f := unknownOption("metrics", o.Key, metricOptionNames)
			if indexOfOption(o.Key.Name) >= 0 {
				f.hint = o.Key.Name + " is an option of streams"
			}
			b.fail(o.Key.Span, f)
			continue
		}
		switch {
		case o.Key.Name == "format":
			if !wordOption(o.Value, &m.Format, "json", "list") {
				b.fail(o.Value.At(), wrongValue("format", "'json' or 'list'", "'json'", o.Value))
			}
		case !textOption(o.Value, &m.Topic):
			b.fail(o.Value.At(), wrongValue("topic", "the name of a Kafka topic in quotes", "'metrics'", o.Value))
		default:
			d.topic = o.Value.At()
			if f := topicNameFault(m.Topic); f != nil {
				b.fail(d.topic, f)
			}
		}
	}
}

// split makes a metric straight on a stream a hidden table and a read of it. ORDER BY, LIMIT and
// DISTINCT go to the read; what ORDER BY needs and SELECT does not show becomes a hidden
// column of the table.
func (b *binder) split(m *Metric, c *syntax.CreateMetric, src *source) {
	t := &Table{Name: hiddenPrefix + c.Name.Raw, Text: m.Text, Hidden: true}
	s := b.fold(t, c.Query, src)
	if s == nil {
		return
	}
	r := Read{Table: t, Distinct: s.distinct, Limit: s.limit, Offset: s.offset}
	for i, out := range s.output {
		r.Output = append(r.Output, Named{out.Name, expr.Col(i, out.Name, out.Expr.Type())})
	}
	for _, term := range s.order {
		if term.output < 0 {
			term.output = hiddenOutput(t, term.Expr)
		}
		out := t.Output[term.output]
		term.Expr = expr.Col(term.output, out.Name, out.Expr.Type())
		r.Order = append(r.Order, term.Order)
	}
	m.Read = r
}

// hiddenOutput adds a column to the table that only ORDER BY reads.
func hiddenOutput(t *Table, n expr.Node) int {
	for i, out := range t.Output {
		if expr.Equal(out.Expr, n) {
			return i
		}
	}
	t.Output = append(t.Output, Named{fmt.Sprintf("%sorder%d", hiddenPrefix, len(t.Output)+1), n})
	return len(t.Output) - 1
}

// readTable binds a SELECT over a table, a metric's results, another SELECT or nothing at all.
func (b *binder) readTable(r *Read, sel *syntax.Select, src *source) bool {
	sc := &scope{what: noFrom, names: []string{""}, rowTime: -1}
	switch {
	case src.table != nil:
		sc = &scope{what: "table " + src.table.Name, names: scopeNames(src.table.Name, src.alias), columns: src.table.Columns(), rowTime: -1}
	case src.metric != nil:
		sc = &scope{what: "metric " + src.metric.Name, names: scopeNames(src.metric.Name, src.alias), columns: src.metric.Columns(), rowTime: -1}
	case src.input != nil:
		sc = inputScope(src)
	}
	s, ok := b.selection(sel, sc)
	if !ok {
		return false
	}
	*r = Read{Table: src.table, Metric: src.metric, Input: src.input, Where: s.where, Grouped: s.grouped, Keys: s.keys, Aggs: s.aggs,
		Having: s.having, Output: s.output, Distinct: s.distinct, Limit: s.limit, Offset: s.offset}
	for _, term := range s.order {
		r.Order = append(r.Order, term.Order)
	}
	return true
}

// emit decides when a metric publishes, and whether that goes with its window and its clauses.
func (b *binder) emit(m *Metric, d *definition, c *syntax.CreateMetric, src *source) {
	w := src.window
	if src.table != nil {
		w = src.table.Window
	}
	e := c.Query.Emit
	if src.metric != nil {
		return
	}
	if e == nil {
		if f := defaultEmit(m, w); f != nil {
			b.fail(c.Name.Span, f)
		}
		return
	}
	switch e.Kind {
	case syntax.EmitFinal:
		m.Emit = EmitFinal
		if w.Kind == NoWindow || w.Kind == Sliding {
			b.fail(e.Span, noFinal(w))
		}
	case syntax.EmitEvery:
		m.Emit = EmitEvery
		d.every = e.Every.Span
		m.Interval, _ = b.length("EMIT EVERY", e.Every)
	case syntax.EmitChanges:
		m.Emit = EmitChanges
		b.emitChanges(c.Query, src, w)
	}
}

// defaultEmit is FINAL where windows end, and a mistake where nothing says when to publish.
func defaultEmit(m *Metric, w Window) *fault {
	switch w.Kind {
	case Tumbling, Hopping:
		m.Emit = EmitFinal
		return nil
	case Sliding:
		return faultf(codeEmit, "nothing says when metric %s publishes: a sliding window ends at every moment", m.Name).
			expect("", "add EMIT EVERY 5 SECONDS at the end")
	}
	return faultf(codeEmit, "nothing says when metric %s publishes: without a window there is no end", m.Name).
		expect("", "add EMIT EVERY 5 SECONDS or EMIT CHANGES at the end")
}

func noFinal(w Window) *fault {
	if w.Kind == Sliding {
		return faultf(codeEmit, "EMIT FINAL with a sliding window, which ends at every moment").
			expect("", "write EMIT EVERY 5 SECONDS, or WINDOW TUMBLING (SIZE %s)", lengthText(w.Size))
	}
	return faultf(codeEmit, "EMIT FINAL without a window: a running total is never final").
		expect("", "write EMIT EVERY 5 SECONDS or EMIT CHANGES, or add WINDOW TUMBLING (SIZE 5 SECONDS)")
}

// emitChanges refuses what makes no sense row by row.
func (b *binder) emitChanges(sel *syntax.Select, src *source, w Window) {
	refuse := func(at syntax.Span, what string) {
		b.fail(at, faultf(codeEmit, "%s with EMIT CHANGES, which publishes single rows, not a whole result", what).
			expect("", "write EMIT EVERY 5 SECONDS, or leave %s out", what))
	}
	if w.Kind == Sliding {
		b.fail(sel.Emit.Span, faultf(codeEmit, "EMIT CHANGES with a sliding window, whose rows change at every moment").
			expect("", "write EMIT EVERY 5 SECONDS"))
	}
	if len(sel.OrderBy) > 0 {
		refuse(sel.OrderBy[0].Span, "ORDER BY")
	}
	if sel.Limit != nil {
		refuse(sel.Limit.Span, "LIMIT")
	}
	if sel.Offset != nil {
		refuse(sel.Offset.Span, "OFFSET")
	}
	if sel.Distinct {
		refuse(selectListSpan(sel), "DISTINCT")
	}
	if src.table != nil && isGrouped(sel) {
		b.fail(sel.Emit.Span, faultf(codeEmit, "EMIT CHANGES of table %s grouped again", src.table.Name).
			expect("", "write EMIT EVERY 5 SECONDS"))
	}
}

// checkLoops refuses a metric that writes into a topic which the same file reads: its results
// would come back as rows for ever.
func (b *binder) checkLoops() {
	if b.prompt {
		return
	}
	for _, m := range b.plan.Metrics {
		for _, s := range b.plan.Streams {
			if m.Topic != s.Options.Topic {
				continue
			}
			b.fail(b.names[strings.ToLower(m.Name)].topic, faultf(codeTopic, "metric %s writes topic %q, which stream %s reads: its results would come back as rows", m.Name, m.Topic, s.Name).
				expect("", "choose another topic: WITH (topic = '%s')", otherTopic(m.Topic)))
			break
		}
	}
}

func otherTopic(topic string) string {
	if topic == "metrics" {
		return "my-metrics"
	}
	return "metrics"
}
