package reference

import (
	"bytes"
	"slices"
	"strings"

	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// reader makes a metric's rows from contents.
type reader struct {
	read   *plan.Read
	t      *table
	c      *contents
	bounds bool // an expression of the table shows the window's bounds
	moving bool // and they move with every result: it is a sliding window

	rows    [][]row.Value // what the last call of at returned
	version int           // of the contents it was made from
}

// readRow is what a metric makes of a row of its table: one of the result, or, when the rows are
// grouped again, what goes into the groups.
type readRow struct {
	keep  bool
	cells []row.Value
	order []row.Value
	key   string // ties go to the smaller
	args  []row.Value
}

func newReader(m *plan.Metric, t *table, final bool) *reader {
	r := &reader{read: &m.Read, t: t, c: newContents(t, final), version: -1}
	first := len(t.plan.Keys) + len(t.plan.Aggs)
	list := []expr.Node{t.plan.Having}
	for _, o := range t.plan.Output {
		list = append(list, o.Expr)
	}
	for _, n := range list {
		if n != nil && slices.ContainsFunc(expr.Columns(n), func(i int) bool { return i >= first }) {
			r.bounds = true
		}
	}
	r.moving = r.bounds && !t.bucket
	return r
}

// at returns the result as of an end, which never goes back.
func (r *reader) at(end int64) [][]row.Value {
	r.c.advance(end)
	if r.rows == nil || r.t.bucket || r.moving || r.version != r.c.version {
		r.rows, r.version = r.result(r.c.shown()), r.c.version
	}
	return r.rows
}

// result makes the rows of a result that shows these windows.
func (r *reader) result(windows []*window) [][]row.Value {
	var list []*readRow
	for _, w := range windows {
		for _, g := range w.all(r.t) {
			if one := r.of(w, g); one.keep {
				list = append(list, one)
			}
		}
	}
	if r.read.Grouped {
		list = r.again(list)
	}
	return r.ranked(list)
}

// of evaluates a group, unless it is the same as before.
func (r *reader) of(w *window, g *group) *readRow {
	if g.read == nil || r.moving {
		g.read = r.evaluate(w, g)
	}
	return g.read
}

func (r *reader) evaluate(w *window, g *group) *readRow {
	vals := r.tableRow(w, g)
	if vals == nil || !passes(r.read.Where, vals) {
		return &readRow{}
	}
	one := &readRow{keep: true, key: r.t.keys[g.key].bytes}
	if r.read.Grouped {
		r.groupAgain(one, vals)
		return one
	}
	if r.t.bucket {
		one.key += string(row.AppendKey(nil, row.Int(w.start), row.Of(row.Timestamp)))
	}
	r.project(one, vals)
	return one
}

// tableRow is a row of the table, as a reader of the table sees it; nil when HAVING keeps it out.
func (r *reader) tableRow(w *window, g *group) []row.Value {
	vals := slices.Clone(r.t.keys[g.key].values)
	for _, s := range g.sums {
		vals = append(vals, s.value())
	}
	start, end := r.c.bounds(w)
	vals = append(vals, start, end)
	if !passes(r.t.plan.Having, vals) {
		return nil
	}
	out := make([]row.Value, len(r.t.plan.Output))
	for i, o := range r.t.plan.Output {
		out[i] = cell(o.Expr, vals)
	}
	return out
}

// project computes what the result shows and what it is ordered by.
func (r *reader) project(one *readRow, vals []row.Value) {
	for _, o := range r.read.Output {
		one.cells = append(one.cells, cell(o.Expr, vals))
	}
	for _, o := range r.read.Order {
		one.order = append(one.order, cell(o.Expr, vals))
	}
}

// passes tells whether a condition is true. One that fails is not.
func passes(cond expr.Node, vals []row.Value) bool {
	if cond == nil {
		return true
	}
	v, err := expr.EvalRow(cond, vals)
	return err == nil && isTrue(v)
}

// cell computes a cell of a result. A failure is an error value.
func cell(n expr.Node, vals []row.Value) row.Value {
	v, err := expr.EvalRow(n, vals)
	if err != nil {
		return row.Value{State: row.Error, S: err.Error()}
	}
	return v
}

// groupAgain computes the key and the arguments of a read that groups the table's rows. A row
// without a key, because that is an error, is in no group; an argument that is an error is not counted.
func (r *reader) groupAgain(one *readRow, vals []row.Value) {
	one.key = ""
	for _, k := range r.read.Keys {
		v := kept(cell(k.Expr, vals))
		if v.State == row.Error {
			*one = readRow{}
			return
		}
		one.cells = append(one.cells, v)
		one.key += string(row.AppendKey(nil, v, k.Expr.Type()))
	}
	for _, a := range r.read.Aggs {
		v := row.NullValue
		switch {
		case !passes(a.Filter, vals):
		case a.Arg == nil:
			v = row.Int(1)
		default:
			v = kept(cell(a.Arg, vals))
		}
		one.args = append(one.args, v)
	}
}

// again groups rows of the table a second time. They have no time, so FIRST and LAST are both the
// smallest.
func (r *reader) again(list []*readRow) []*readRow {
	type second struct {
		from *readRow
		sums []sum
	}
	groups := map[string]*second{}
	if len(r.read.Keys) == 0 {
		groups[""] = &second{from: &readRow{}, sums: r.newSums()}
	}
	for _, one := range list {
		g := groups[one.key]
		if g == nil {
			g = &second{from: one, sums: r.newSums()}
			groups[one.key] = g
		}
		for i, v := range one.args {
			if v.State == row.Valid {
				g.sums[i].add(v, 0)
			}
		}
	}
	var out []*readRow
	for key, g := range groups {
		vals := slices.Clone(g.from.cells)
		for _, s := range g.sums {
			vals = append(vals, s.value())
		}
		if passes(r.read.Having, vals) {
			one := &readRow{keep: true, key: key}
			r.project(one, vals)
			out = append(out, one)
		}
	}
	return out
}

func (r *reader) newSums() []sum {
	var sums []sum
	for _, a := range r.read.Aggs {
		sums = append(sums, newSum(a, false))
	}
	return sums
}

// ranked orders the rows and applies DISTINCT, OFFSET and LIMIT.
func (r *reader) ranked(list []*readRow) [][]row.Value {
	wanted := len(list)
	if r.read.Limit >= 0 {
		wanted = min(wanted, r.read.Offset+r.read.Limit)
	}
	if r.read.Distinct || wanted == len(list) {
		slices.SortFunc(list, r.compare)
	} else {
		list = r.first(list, wanted)
	}
	rows := make([][]row.Value, 0, wanted)
	seen := map[string]bool{}
	for _, one := range list {
		if r.read.Distinct {
			k := string(r.bytes(one.cells))
			if seen[k] {
				continue
			}
			seen[k] = true
		}
		rows = append(rows, one.cells)
	}
	rows = rows[min(r.read.Offset, len(rows)):]
	if r.read.Limit >= 0 {
		rows = rows[:min(r.read.Limit, len(rows))]
	}
	return rows
}

// first returns the n rows that come first, in order: the same as sorting all, in less time where
// n is small.
func (r *reader) first(list []*readRow, n int) []*readRow {
	best := make([]*readRow, 0, n+1)
	for _, one := range list {
		if len(best) == n && (n == 0 || r.compare(one, best[n-1]) >= 0) {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, one, r.compare)
		best = slices.Insert(best, at, one)
		best = best[:min(n, len(best))]
	}
	return best
}

// compare is the order of a result: ORDER BY, then the smaller group key.
func (r *reader) compare(a, b *readRow) int {
	for i, o := range r.read.Order {
		if c := compareCells(a.order[i], b.order[i], o); c != 0 {
			return c
		}
	}
	return strings.Compare(a.key, b.key)
}

// compareCells orders two cells by one term of ORDER BY. An error value stands at the end, whatever
// the direction, as NULL does unless NULLS FIRST.
func compareCells(a, b row.Value, o plan.Order) int {
	class := func(v row.Value) int {
		switch {
		case v.State == row.Valid:
			return 1
		case v.State == row.Null && o.NullsFirst:
			return 0
		}
		return 2
	}
	ca, cb := class(a), class(b)
	if ca != cb || ca != 1 {
		return ca - cb
	}
	c := row.Compare(a, b, o.Expr.Type())
	if o.Desc {
		return -c
	}
	return c
}

// bytes is the cells of a row as bytes: the same for the same row.
func (r *reader) bytes(cells []row.Value) []byte {
	var b []byte
	for i, o := range r.read.Output {
		b = row.AppendJSON(append(b, ','), cells[i], o.Expr.Type())
	}
	return b
}

// equal tells whether two results are the same.
func (r *reader) equal(a, b [][]row.Value) bool {
	return slices.EqualFunc(a, b, func(x, y []row.Value) bool { return bytes.Equal(r.bytes(x), r.bytes(y)) })
}
