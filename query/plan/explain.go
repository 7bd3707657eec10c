package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"penstock/query/expr"
)

// node is one operator in the text of EXPLAIN: what it does, more about it, and what feeds it.
type node struct {
	head   string
	detail []string
	inputs []*node
}

// write prints the tree, the result first and what feeds it below.
func (n *node) write(w *strings.Builder, first, rest string) {
	w.WriteString(first + n.head + "\n")
	stem := "   "
	if len(n.inputs) > 0 {
		stem = "│  "
	}
	for _, d := range n.detail {
		w.WriteString(strings.TrimRight(rest+stem+d, " ") + "\n")
	}
	for i, in := range n.inputs {
		if i == len(n.inputs)-1 {
			in.write(w, rest+"└─ ", rest+"   ")
		} else {
			in.write(w, rest+"├─ ", rest+"│  ")
		}
	}
}

func (n *node) String() string {
	var w strings.Builder
	n.write(&w, "", "")
	return w.String()
}

// over puts n on top of an input.
func over(input *node, head string, detail ...string) *node {
	n := &node{head: head, detail: detail}
	if input != nil {
		n.inputs = []*node{input}
	}
	return n
}

// Explain draws how a stream, table or metric runs: the operators from result to topic, with
// tables, keys, windows and panes. An empty name draws every metric, then the tables that no
// metric reads. It is empty for an unknown name.
func (p *Plan) Explain(name string) string {
	if name == "" {
		return p.explainAll()
	}
	if m := p.Metric(name); m != nil {
		return explainMetric(m).String()
	}
	if t := p.Table(name); t != nil {
		n := explainTable(t)
		for _, m := range p.MetricsOf(t) {
			n.detail = append(n.detail, "read by metric "+m.Name+", "+emitText(m))
		}
		return n.String()
	}
	if s := p.Stream(name); s != nil {
		n := explainStream(s)
		for _, t := range p.TablesOf(s) {
			n.detail = append(n.detail, "read by table "+t.Name)
		}
		return n.String()
	}
	return ""
}

func (p *Plan) explainAll() string {
	var parts []string
	for _, m := range p.Metrics {
		parts = append(parts, explainMetric(m).String())
	}
	for _, t := range p.Tables {
		if len(p.MetricsOf(t)) == 0 {
			parts = append(parts, explainTable(t).String())
		}
	}
	for _, s := range p.Streams {
		if len(p.TablesOf(s)) == 0 {
			parts = append(parts, explainStream(s).String())
		}
	}
	return strings.Join(parts, "\n")
}

func explainMetric(m *Metric) *node {
	return over(readNode(&m.Read), fmt.Sprintf("emit %s: %s, to topic %s as %s", m.Name, emitText(m), m.Topic, m.Format))
}

// emitText is when a metric publishes, in words.
func emitText(m *Metric) string {
	switch m.Emit {
	case EmitFinal:
		return "each window once, when it closes"
	case EmitEvery:
		return "every " + lengthText(m.Interval)
	case EmitChanges:
		return "a row for every change"
	}
	return "once"
}

// explainRead draws a SELECT.
func explainRead(r *Read) string { return readNode(r).String() }

// readNode draws a read from its rows upwards.
func readNode(r *Read) *node {
	var n *node
	switch {
	case r.Table != nil:
		n = explainTable(r.Table)
	case r.Metric != nil:
		n = over(explainMetric(r.Metric), "latest result of "+r.Metric.Name)
	case r.Input != nil:
		n = over(readNode(r.Input), "sub-query")
	default:
		n = over(nil, "one row")
	}
	if r.Where != nil {
		n = over(n, "filter "+r.Where.String())
	}
	if r.Grouped {
		n = over(n, "group"+byText(r.Keys), aggText(r.Aggs)...)
	}
	if r.Having != nil {
		n = over(n, "having "+r.Having.String())
	}
	if !r.passesThrough() {
		n = over(n, "project "+namedText(r.Output))
	}
	if r.Distinct {
		n = over(n, "distinct")
	}
	if len(r.Order) > 0 {
		n = over(n, "sort by "+orderText(r)+", then by key")
	}
	if r.Limit >= 0 {
		n = over(n, "limit "+strconv.Itoa(r.Limit)+offsetText(r.Offset))
	} else if r.Offset > 0 {
		n = over(n, "skip "+strconv.Itoa(r.Offset))
	}
	return n
}

func offsetText(offset int) string {
	if offset == 0 {
		return ""
	}
	return ", after the first " + strconv.Itoa(offset)
}

// passesThrough tells whether the output is the input, column by column.
func (r *Read) passesThrough() bool {
	in := 0
	switch {
	case r.Grouped:
		return false
	case r.Table != nil:
		in = len(r.Table.visible())
	case r.Metric != nil:
		in = len(r.Metric.Columns())
	case r.Input != nil:
		in = len(r.Input.Output)
	default:
		return false
	}
	for i, out := range r.Output {
		if j, ok := expr.AsColumn(out.Expr); !ok || i != j || out.Name != out.Expr.String() {
			return false
		}
	}
	return len(r.Output) == in
}

func orderText(r *Read) string {
	parts := make([]string, len(r.Order))
	for i, o := range r.Order {
		parts[i] = r.shown(o.Expr)
		if o.Desc {
			parts[i] += " DESC"
		}
		if o.NullsFirst != o.Desc {
			parts[i] += map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[o.NullsFirst]
		}
	}
	return strings.Join(parts, ", ")
}

// shown is an expression of the read; a hidden column, which exists only for ORDER BY, as what it
// is made of.
func (r *Read) shown(n expr.Node) string {
	if i, ok := expr.AsColumn(n); ok && !r.Grouped && r.Table != nil && strings.HasPrefix(r.Table.Output[i].Name, hiddenPrefix) {
		return r.Table.Output[i].Expr.String()
	}
	return n.String()
}

func byText(keys []Named) string {
	if len(keys) == 0 {
		return " into one row"
	}
	return " by " + namedText(keys)
}

func namedText(list []Named) string {
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = n.Expr.String()
		if parts[i] != n.Name {
			parts[i] += " AS " + n.Name
		}
	}
	return strings.Join(parts, ", ")
}

func aggText(aggs []*expr.Aggregate) []string {
	lines := make([]string, len(aggs))
	for i, a := range aggs {
		lines[i] = a.String() + " " + a.Type.String()
	}
	return lines
}

// explainTable draws a table as fold, over the route of its stream.
func explainTable(t *Table) *node {
	kind := "table"
	if t.Hidden {
		kind = "hidden table"
	}
	detail := []string{"key: " + keyText(t.Keys)}
	for _, a := range aggText(t.Aggs) {
		detail = append(detail, "keeps: "+a)
	}
	detail = append(detail, "window: "+windowText(t.Window), "panes: "+paneText(t))
	if t.Having != nil {
		detail = append(detail, "having: "+t.Having.String())
	}
	detail = append(detail, "columns: "+namedText(t.visible()))
	return over(explainRoute(t), "fold "+kind+" "+t.Name, detail...)
}

// visible is the output without the columns that only ORDER BY reads.
func (t *Table) visible() []Named {
	i := slices.IndexFunc(t.Output, func(n Named) bool { return strings.HasPrefix(n.Name, hiddenPrefix) })
	if !t.Hidden || i < 0 {
		return t.Output
	}
	return t.Output[:i]
}

func keyText(keys []Named) string {
	if len(keys) == 0 {
		return "none, one row"
	}
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = k.Expr.String()
		if parts[i] != k.Name {
			parts[i] += " AS " + k.Name
		}
		parts[i] += " " + k.Expr.Type().String()
	}
	return strings.Join(parts, ", ")
}

func windowText(w Window) string {
	switch w.Kind {
	case Tumbling:
		return "TUMBLING (SIZE " + lengthText(w.Size) + ")"
	case Hopping:
		return "HOPPING (SIZE " + lengthText(w.Size) + ", ADVANCE BY " + lengthText(w.Advance) + ")"
	case Sliding:
		return "SLIDING (SIZE " + lengthText(w.Size) + ")"
	}
	return "none, since the beginning"
}

func paneText(t *Table) string {
	if t.Window.Kind == NoWindow {
		return "of " + lengthText(t.Pane)
	}
	n := int64(t.Window.Size / t.Pane)
	if n == 1 {
		return "1 a window, of " + lengthText(t.Pane)
	}
	return thousands(n) + " a window, of " + lengthText(t.Pane)
}

func explainRoute(t *Table) *node {
	s := explainStream(t.Stream)
	if used := t.used(); len(used) > 0 {
		s.detail = append(s.detail, "columns used: "+strings.Join(used, ", "))
	}
	if t.Where == nil {
		return s
	}
	return over(s, "filter "+t.Where.String())
}

// used lists the columns of the stream that the table needs, in order.
func (t *Table) used() []string {
	var names []string
	for i, c := range t.Stream.Columns {
		if t.reads(i) {
			names = append(names, c.Name)
		}
	}
	if t.reads(t.Stream.RowTime()) {
		names = append(names, rowTimeName)
	}
	return names
}

// reads tells whether the table needs a column of its stream.
func (t *Table) reads(column int) bool {
	needs := func(n expr.Node) bool { return n != nil && slices.Contains(expr.Columns(n), column) }
	if needs(t.Where) {
		return true
	}
	for _, k := range t.Keys {
		if needs(k.Expr) {
			return true
		}
	}
	for _, a := range t.Aggs {
		if needs(a.Arg) || needs(a.Filter) {
			return true
		}
	}
	return false
}

func explainStream(s *Stream) *node {
	o := s.Options
	format := o.Format
	if o.Format == "csv" && o.Delimiter != ',' {
		format += " with " + strconv.QuoteRune(o.Delimiter)
	}
	time := "time: rowtime, the Kafka timestamp"
	if s.TimeColumn >= 0 {
		time = "time: column " + s.Columns[s.TimeColumn].Name
	}
	if o.Delay > 0 {
		time += ", up to " + lengthText(o.Delay) + " out of order"
	}
	detail := []string{time}
	for _, c := range s.Checks {
		text := c.Text
		if c.NotNull {
			text = c.Column + " " + text
		}
		detail = append(detail, "check: "+text)
	}
	return over(nil, "route stream "+s.Name+": topic "+o.Topic+", "+format, detail...)
}
