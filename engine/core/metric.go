package core

import (
	"fmt"

	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// foldMetric makes one fold partition's shares of a metric: what the table's rows here
// contribute to each of its results.
//
// The metric's expressions are over the table's output columns; they are rewritten once to be
// over the group row (keys, aggregates, window bounds), so that a share costs one evaluation.
type foldMetric struct {
	t     *foldTable
	plan  *plan.Metric
	grid  grid
	next  int64 // the first end of which no share was sent
	owner int32

	filter  expr.Node // HAVING of the table and WHERE of the read
	output  []expr.Node
	order   []plan.Order
	keys    []expr.Node // when the read groups again
	aggs    []*expr.Aggregate
	args    []expr.Node
	filters []expr.Node
	moving  bool // what it shows of the same contents differs from end to end
	segs    []cutSegment
}

func newFoldMetric(t *foldTable, m *plan.Metric) *foldMetric {
	fm := &foldMetric{t: t, plan: m, grid: gridOrNone(m)}
	fm.owner = partitionOf(hashKey([]byte(m.Name)), t.f.partitions)
	read := &m.Read
	inline := func(n expr.Node) expr.Node { return t.plan.Inline(n) }
	fm.filter = t.plan.Having
	if read.Where != nil {
		fm.filter = expr.And(fm.filter, inline(read.Where))
	}
	if read.Grouped {
		for _, k := range read.Keys {
			fm.keys = append(fm.keys, inline(k.Expr))
		}
		for _, a := range read.Aggs {
			fm.aggs = append(fm.aggs, a)
			fm.args = append(fm.args, inline(a.Arg))
			fm.filters = append(fm.filters, inline(a.Filter))
		}
	} else {
		for _, o := range read.Output {
			fm.output = append(fm.output, inline(o.Expr))
		}
		if read.Having != nil {
			fm.filter = expr.And(fm.filter, inline(read.Having))
		}
		for _, o := range read.Order {
			o.Expr = inline(o.Expr)
			fm.order = append(fm.order, o)
		}
	}
	fm.moving = fm.showsMoving()
	return fm
}

func gridOrNone(m *plan.Metric) grid {
	if m.Emit == plan.EmitChanges {
		return grid{step: 1}
	}
	return gridOf(m)
}

// showsMoving tells whether results of the same contents differ: because they show the bounds of
// a trailing window, or, without GROUP BY, windows that nothing is in.
func (m *foldMetric) showsMoving() bool {
	switch {
	case m.t.trailing():
		return m.readsBounds()
	case m.t.shape.buckets && len(m.t.plan.Keys) == 0:
		return m.plan.Emit == plan.EmitEvery || m.readsBounds()
	}
	return false
}

func (m *foldMetric) readsBounds() bool {
	start := len(m.t.plan.Keys) + len(m.t.plan.Aggs)
	nodes := append(append([]expr.Node{m.filter}, m.output...), m.keys...)
	nodes = append(append(nodes, m.args...), m.filters...)
	for _, o := range m.order {
		nodes = append(nodes, o.Expr)
	}
	for _, n := range nodes {
		if n == nil {
			continue
		}
		for _, i := range expr.Columns(n) {
			if i >= start {
				return true
			}
		}
	}
	return false
}

// groupRow is the group row of a slot: keys, aggregates, window bounds.
func (t *foldTable) groupRow(vals []row.Value, g *groups, s int32, start, end row.Value) ([]row.Value, error) {
	vals = vals[:0]
	key := g.key(s)
	for _, k := range t.plan.Keys {
		v, rest, err := row.DecodeKey(key, k.Expr.Type())
		if err != nil {
			return nil, stateError("table "+t.plan.Name, g.key(s), err)
		}
		vals, key = append(vals, v), rest
	}
	accs := g.accs
	if t.counted() {
		accs = accs[1:]
	}
	for _, a := range accs {
		vals = append(vals, a.Value(int(s)))
	}
	return append(vals, start, end), nil
}

// bounds are the window bounds a view's rows show in a result as of end (microseconds).
func (t *foldTable) bounds(v *view, end int64) (row.Value, row.Value) {
	switch {
	case t.shape.kind == plan.NoWindow:
		return row.NullValue, row.NullValue
	case t.shape.buckets:
		return row.Int(v.window * t.shape.advance), row.Int(v.end * t.shape.pane)
	}
	return row.Int(end - t.shape.size), row.Int(end)
}

// keep tells whether a group row passes the filters. A filter that fails keeps the row out.
func (m *foldMetric) keep(vals []row.Value) bool {
	if m.filter == nil {
		return true
	}
	v, err := expr.EvalRow(m.filter, vals)
	return err == nil && v.State == row.Valid && v.I != 0
}

// evaluate computes an expression of a result; a failure is an error value, the same on every run.
func evaluate(n expr.Node, vals []row.Value) row.Value {
	v, err := expr.EvalRow(n, vals)
	if err != nil {
		return row.Value{State: row.Error, S: err.Error()}
	}
	return v
}

// sortKey appends the bytes that order rows as ORDER BY says. Error values go last.
func sortKey(dst []byte, order []plan.Order, vals []row.Value) []byte {
	for _, o := range order {
		v, t := evaluate(o.Expr, vals), o.Expr.Type()
		switch {
		case v.State == row.Error:
			dst = append(dst, 2)
			continue
		case v.IsNull() && o.NullsFirst:
			dst = append(dst, 0)
			continue
		case v.IsNull():
			dst = append(dst, 2)
			continue
		}
		dst = append(dst, 1)
		if o.Desc {
			dst = row.AppendKeyDesc(dst, v, t)
		} else {
			dst = row.AppendKey(dst, v, t)
		}
	}
	return dst
}

// shareRow is a row of a share: where it sorts, the group it is of (ties go to the smaller), and
// its output values; or, when the read groups again, the group and its partials.
func appendShareRow(dst, sortBy, group, values []byte) []byte {
	dst = appendBytes(dst, sortBy)
	dst = appendBytes(dst, group)
	return appendBytes(dst, values)
}

// rowValues appends the encoded output values of a group row.
func (m *foldMetric) rowValues(dst []byte, vals []row.Value) []byte {
	for _, o := range m.output {
		dst = row.AppendValue(dst, evaluate(o, vals), o.Type())
	}
	return dst
}

// local is how many rows of this partition can be in a result: -1 for all.
func (m *foldMetric) local() int {
	r := &m.plan.Read
	if r.Grouped || r.Distinct || r.Limit < 0 {
		return -1
	}
	return r.Limit + r.Offset
}

// groupBytes is what names a row among the rows of a result: its key, and its window where several are shown.
func (m *foldMetric) groupBytes(dst []byte, v *view, key []byte) []byte {
	dst = append(dst, key...)
	if m.t.shape.buckets {
		dst = appendOrdered(dst, v.window)
	}
	return dst
}

// segment finds the steps of the clocks that passed the ends up to last, and tells the owner.
func (t *foldTable) segment(m *foldMetric, last int64) (err error) {
	if m.segs, err = t.f.sourcesOf(t.plan.Stream).segments(m.grid, m.next, last); err != nil {
		return fmt.Errorf("metric %s: %w", m.plan.Name, err)
	}
	if m.owner == t.f.number {
		for _, seg := range m.segs {
			t.f.ownerOf(m.plan).segment(seg)
		}
	}
	return nil
}

// emit sends the shares of the ends in (lo, hi], boundaries between which the contents are the same.
func (t *foldTable) emit(lo, hi int64) error {
	for _, m := range t.metrics {
		first := max(m.next, m.grid.after(lo*t.shape.pane))
		last := m.grid.upTo(hi * t.shape.pane)
		if first > last {
			continue
		}
		m.next = last + m.grid.step
		if !m.moving {
			if err := t.share(m, first, last); err != nil {
				return err
			}
			continue
		}
		if err := t.shareMoving(m, first, last); err != nil {
			return err
		}
	}
	return nil
}

// shareMoving makes the shares of a metric that shows something else at every end: one for each,
// but where a long gap is published as runs and nothing is in the windows, in which case all ends
// show what the first does.
func (t *foldTable) shareMoving(m *foldMetric, first, last int64) error {
	empty := len(t.panes) == 0 && len(t.views) == 0 || t.trailing() && len(t.panes) == 0
	for _, seg := range m.segs {
		from, to := max(first, seg.first), min(last, seg.last)
		if from > to {
			continue
		}
		if empty && m.grid.count(seg.first, seg.last) > maxSingles {
			if err := t.share(m, from, to); err != nil {
				return err
			}
			continue
		}
		for end := from; end <= to; end += m.grid.step {
			if err := t.share(m, end, end); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxSingles is how many intervals one step of the clocks may close before runs of equal
// results in it are published as one record.
const maxSingles = 1000

// share makes the share of the ends from first to last and sends it to the metric's owner.
func (t *foldTable) share(m *foldMetric, first, last int64) error {
	rows, err := t.shareRows(m, first)
	if err != nil {
		return err
	}
	return t.f.sendShare(m, shareRun{first: first, last: last, rows: rows})
}

// shareRows is the encoded rows of the contents as of end.
func (t *foldTable) shareRows(m *foldMetric, end int64) ([]byte, error) {
	c := &collector{m: m}
	if m.plan.Read.Grouped {
		c.groups = newGroups(readAccs(m.aggs), false)
	}
	for _, v := range t.viewsAt(m, end) {
		if err := c.view(v, end); err != nil {
			return nil, err
		}
	}
	return c.finish(), nil
}

func readAccs(aggs []*expr.Aggregate) []expr.Acc {
	var accs []expr.Acc
	for _, a := range aggs {
		accs = append(accs, a.NewAcc())
	}
	return accs
}

// viewsAt lists the views whose rows a result as of end holds: the window that ends there for
// EMIT FINAL, else every window that holds the instant before.
func (t *foldTable) viewsAt(m *foldMetric, end int64) []*view {
	if !t.shape.buckets {
		return []*view{t.onlyView()}
	}
	home := len(t.plan.Keys) == 0 && t.f.home()
	lastWindow := ceilDiv(end, t.shape.advance) - 1
	var list []*view
	for w := lastWindow; w*t.shape.advance+t.shape.size >= end; w-- {
		if m.plan.Emit == plan.EmitFinal && w*t.shape.advance+t.shape.size != end {
			continue
		}
		v := t.views[w]
		if v == nil && home {
			v = t.emptyView(w)
		}
		if v != nil {
			list = append(list, v)
		}
	}
	return list
}

// emptyView stands for a window without rows, which a table without GROUP BY shows all the same.
func (t *foldTable) emptyView(w int64) *view {
	return &view{window: w, end: w*t.shape.stride + t.shape.width, tops: make([]*top, len(t.metrics)),
		rows: newRowCache(t.f.state, nil, true, true, false, partialAccs(t.plan, true), 1)}
}

// collector gathers the rows of a share.
type collector struct {
	m      *foldMetric
	vals   []row.Value
	out    []byte
	groups *groups
	key    []byte
	buf    []byte
}

func (c *collector) view(v *view, end int64) error {
	t := c.m.t
	start, stop := t.bounds(v, end)
	if len(t.plan.Keys) == 0 {
		return c.only(v, start, stop)
	}
	for i, m := range t.metrics {
		if m == c.m && v.tops[i] != nil {
			return v.tops[i].collect(c, v, start, stop)
		}
	}
	var failed error
	err := v.rows.scan(t.f.scratch(t), func(g *groups, s int32) {
		if err := c.row(v, g, s, start, stop); err != nil {
			failed = err
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

// only adds the one row of a table without GROUP BY, which is there also when nothing came.
func (c *collector) only(v *view, start, stop row.Value) error {
	if !c.m.t.f.home() {
		return nil
	}
	s, err := v.rows.slot(emptyKeyHash, nil)
	if err != nil {
		return err
	}
	return c.row(v, v.rows.g, s, start, stop)
}

func (c *collector) row(v *view, g *groups, s int32, start, stop row.Value) (err error) {
	if c.vals, err = c.m.t.groupRow(c.vals, g, s, start, stop); err != nil {
		return err
	}
	if !c.m.keep(c.vals) {
		return nil
	}
	if c.groups != nil {
		return c.again()
	}
	sortBy := sortKey(nil, c.m.order, c.vals)
	c.key = c.m.groupBytes(c.key[:0], v, g.key(s))
	c.buf = c.m.rowValues(c.buf[:0], c.vals)
	c.out = appendShareRow(c.out, sortBy, c.key, c.buf)
	return nil
}

// again folds a group row into the groups of a read that groups a second time.
func (c *collector) again() error {
	c.key = c.key[:0]
	for _, k := range c.m.keys {
		v, err := expr.EvalRow(k, c.vals)
		if err != nil {
			return nil // a row without a group is in none
		}
		c.key = row.AppendKey(c.key, v, k.Type())
	}
	s, _ := c.groups.slot(hashKey(c.key), panePair{}, c.key)
	c.groups.grow()
	for i, a := range c.m.aggs {
		if f := c.m.filters[i]; f != nil {
			if v, err := expr.EvalRow(f, c.vals); err != nil || v.State != row.Valid || v.I == 0 {
				continue
			}
		}
		if err := updateOne(c.groups.accs[i], a, s, c.m.args[i], c.vals); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) finish() []byte {
	if c.groups == nil {
		return c.out
	}
	for s := range int32(c.groups.len()) {
		c.out = appendShareRow(c.out, nil, c.groups.key(s), c.groups.encode(nil, s))
	}
	return c.out
}

// updateOne folds one value into an accumulator.
func updateOne(acc expr.Acc, a *expr.Aggregate, s int32, arg expr.Node, vals []row.Value) error {
	slots := []int32{s}
	if arg == nil {
		acc.Update([]int32{0}, slots, nil, []int64{0})
		return nil
	}
	v := evaluate(arg, vals)
	if v.State != row.Valid {
		return nil
	}
	acc.Update([]int32{0}, slots, vectorOf(v, arg.Type()), []int64{0})
	return nil
}

func vectorOf(v row.Value, t row.Type) *row.Vector {
	vec := &row.Vector{Type: t}
	switch t.Physical() {
	case row.F64:
		vec.F64 = []float64{v.F}
	case row.Dec:
		vec.Dec = []row.Int128{v.D}
	case row.Str:
		vec.Str = []string{v.S}
	default:
		vec.I64 = []int64{v.I}
	}
	return vec
}
