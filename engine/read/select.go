package read

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"sort"
	"strings"

	"penstock/engine/core"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// entry is a row of an answer: the bytes that order it, then its values.
type entry struct{ key, vals []byte }

// selector keeps the rows of an answer: all that pass, or with a limit the first ones by their
// key, in a heap with the last of them on top. With DISTINCT it keeps the first of equal rows.
type selector struct {
	shape  *shape
	where  *condition
	order  []*column
	output []*column
	cols   []row.Column
	budget *Budget
	text   expr.TextRoom // of one batch
	want   int           // rows to keep; -1: all
	count  uint64

	list  []entry
	seen  map[string]int // DISTINCT: place in list by values
	arena arena
	held  int64 // bytes taken from the budget
	err   error

	keys []byte // of the batch
	ends []int
	sel  []int32
	buf  []byte
}

func newSelector(s *shape, budget *Budget) *selector {
	r := s.read
	x := &selector{shape: s, budget: budget, text: budget.textRoom(), want: -1, cols: r.Columns()}
	x.where = newCondition(s.filter, &x.text)
	for _, o := range s.rows.order {
		x.order = append(x.order, newColumn(o.Expr, &x.text))
	}
	for _, o := range s.rows.output {
		x.output = append(x.output, newColumn(o.Expr, &x.text))
	}
	switch {
	case r.Distinct:
		x.seen = map[string]int{}
	case r.Limit >= 0:
		x.want = r.Limit + r.Offset
	}
	return x
}

// take is the selector's sink.
func (x *selector) take(rows *core.RowBatch) bool {
	b := &rows.Batch
	x.text.Reset()
	sel := x.where.pass(b, rows.Faults)
	for n, o := range x.order {
		o.eval(b, sel)
		if n == 0 {
			sel = x.narrow(o, sel)
		}
	}
	x.sel, x.keys, x.ends = x.sel[:0], x.keys[:0], x.ends[:0]
	for _, i := range sel {
		from := len(x.keys)
		x.orderKey(rows, i)
		if x.beyond(x.keys[from:]) {
			x.keys = x.keys[:from]
			// Where the rows come in the order that is wanted, none that follows is before this one.
			rows.Enough = rows.Sorted && len(x.order) == 0
			continue
		}
		x.sel, x.ends = append(x.sel, i), append(x.ends, len(x.keys))
	}
	x.count += uint64(b.N)
	if rows.Load != nil {
		rows.Load(x.sel)
	}
	for _, o := range x.output {
		o.eval(b, x.sel)
	}
	from := 0
	for n, i := range x.sel {
		x.buf = x.buf[:0]
		for c, o := range x.output {
			x.buf = row.AppendValue(x.buf, o.value(i), x.cols[c].Type)
		}
		x.keep(x.keys[from:x.ends[n]], x.buf)
		from = x.ends[n]
	}
	if x.text.Over() && x.err == nil {
		x.err = x.budget.textError()
	}
	for _, i := range rows.Faults {
		x.faulty(rows.Values(int(i)), x.count-uint64(b.N)+uint64(i))
	}
	if x.err == nil && x.want < 0 && x.seen == nil {
		x.err = x.budget.rows(len(x.list) - x.shape.read.Offset)
	}
	return x.err == nil && x.want != 0
}

// narrow drops positions whose first term of ORDER BY alone is behind all that are wanted: with a
// limit most rows go here, for the price of one comparison. sel is written over.
func (x *selector) narrow(first *column, sel []int32) []int32 {
	if x.want <= 0 || len(x.list) < x.want || first.errs.Any() {
		return sel
	}
	o, key := x.shape.rows.order[0], x.list[0].key
	if key[0] != 1 {
		return sel
	}
	decode := row.DecodeKey
	if o.Desc {
		decode = row.DecodeKeyDesc
	}
	last, _, err := decode(key[1:], o.Expr.Type())
	if err != nil || last.State != row.Valid {
		return sel
	}
	v, to := first.vec, sel[:0]
	for _, i := range sel {
		if v.IsNull(int(i)) {
			if o.NullsFirst {
				to = append(to, i)
			}
			continue
		}
		c := compareAt(v, i, last)
		if o.Desc {
			c = -c
		}
		if c <= 0 {
			to = append(to, i)
		}
	}
	return to
}

// compareAt compares a position of a vector with a value; what has no order, NaN, is equal.
func compareAt(v *row.Vector, i int32, x row.Value) int {
	switch v.Type.Physical() {
	case row.F64:
		switch {
		case v.F64[i] < x.F:
			return -1
		case v.F64[i] > x.F:
			return 1
		}
		return 0
	case row.Dec:
		return v.Dec[i].Cmp(x.D)
	case row.Str:
		return strings.Compare(v.Str[i], x.S)
	}
	return cmp.Compare(v.I64[i], x.I)
}

// orderKey appends what orders position i: the terms of ORDER BY, then what names the row.
func (x *selector) orderKey(rows *core.RowBatch, i int32) {
	for n, o := range x.order {
		x.keys = appendTerm(x.keys, x.shape.rows.order[n], o.value(i))
	}
	if x.shape.tie == nil {
		x.keys = binary.BigEndian.AppendUint64(x.keys, x.count+uint64(i))
		return
	}
	tie := x.shape.tie
	if rows.Key != nil {
		x.keys, tie = append(x.keys, rows.Key(int(i))...), tie[x.shape.keyed:]
	}
	for _, c := range tie {
		x.keys = row.AppendKeyVec(x.keys, rows.Cols[c], int(i))
	}
}

// appendTerm appends the bytes that order a value as a term of ORDER BY says. Error values go last.
func appendTerm(dst []byte, o plan.Order, v row.Value) []byte {
	switch {
	case v.IsNull() && o.NullsFirst:
		return append(dst, 0)
	case v.State != row.Valid:
		return append(dst, 2)
	case o.Desc:
		return row.AppendKeyDesc(append(dst, 1), v, o.Expr.Type())
	}
	return row.AppendKey(append(dst, 1), v, o.Expr.Type())
}

// faulty takes one row with error values.
func (x *selector) faulty(vals []row.Value, place uint64) {
	if !x.where.passRow(vals) {
		return
	}
	x.keys, x.buf = x.keys[:0], x.buf[:0]
	for _, o := range x.shape.rows.order {
		x.keys = appendTerm(x.keys, o, cell(o.Expr, vals))
	}
	if x.shape.tie == nil {
		x.keys = binary.BigEndian.AppendUint64(x.keys, place)
	}
	for _, c := range x.shape.tie {
		x.keys = row.AppendKey(x.keys, vals[c], x.shape.in[c].Type)
	}
	if x.beyond(x.keys) {
		return
	}
	for n, o := range x.output {
		x.buf = row.AppendValue(x.buf, cell(o.node, vals), x.cols[n].Type)
	}
	x.keep(x.keys, x.buf)
}

// beyond tells whether a row with this key is behind all that are wanted.
func (x *selector) beyond(key []byte) bool {
	return x.want >= 0 && len(x.list) >= x.want && (x.want == 0 || bytes.Compare(key, x.list[0].key) >= 0)
}

// entryBytes is what an entry takes beside its bytes.
const entryBytes = 64

// keep takes copies of key and values.
func (x *selector) keep(key, vals []byte) {
	switch {
	case x.err != nil || x.beyond(key):
		return
	case x.seen != nil:
		if at, ok := x.seen[string(vals)]; ok {
			if bytes.Compare(key, x.list[at].key) < 0 {
				x.list[at].key = x.arena.keep(key)
			}
			return
		}
		e := entry{x.arena.keep(key), x.arena.keep(vals)}
		x.seen[string(e.vals)] = len(x.list)
		x.list = append(x.list, e)
	case x.want < 0:
		x.list = append(x.list, entry{x.arena.keep(key), x.arena.keep(vals)})
	case len(x.list) < x.want:
		x.list = append(x.list, entry{bytes.Clone(key), bytes.Clone(vals)})
		x.up(len(x.list) - 1)
	default:
		e := &x.list[0]
		e.key, e.vals = append(e.key[:0], key...), append(e.vals[:0], vals...)
		x.down()
		return
	}
	x.account(int64(len(key) + len(vals) + entryBytes))
}

// account takes memory from the budget, in larger pieces.
func (x *selector) account(n int64) {
	if x.held += n; x.held >= arenaChunk {
		x.err = x.budget.take(x.held)
		x.held = 0
	}
}

// up and down keep the heap: no entry is behind its parent.
func (x *selector) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if bytes.Compare(x.list[i].key, x.list[p].key) <= 0 {
			return
		}
		x.list[i], x.list[p] = x.list[p], x.list[i]
		i = p
	}
}

func (x *selector) down() {
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(x.list) {
			return
		}
		if c+1 < len(x.list) && bytes.Compare(x.list[c+1].key, x.list[c].key) > 0 {
			c++
		}
		if bytes.Compare(x.list[c].key, x.list[i].key) <= 0 {
			return
		}
		x.list[i], x.list[c] = x.list[c], x.list[i]
		i = c
	}
}

// part ends the selection.
func (x *selector) part() (*Part, error) {
	if x.err == nil {
		x.err = x.budget.take(x.held)
	}
	return &Part{rows: x.list, Failed: x.where.failed, Reason: x.where.reason}, x.err
}

// ranked puts the rows of all parts in order and applies DISTINCT, OFFSET and LIMIT.
func ranked(r *plan.Read, parts []*Part, budget *Budget) (*Rows, error) {
	n := 0
	for _, p := range parts {
		n += len(p.rows)
	}
	list := make([]entry, 0, n)
	for _, p := range parts {
		list = append(list, p.rows...)
	}
	sort.Slice(list, func(i, j int) bool { return bytes.Compare(list[i].key, list[j].key) < 0 })
	if r.Distinct && len(parts) > 1 {
		list = distinct(list)
	}
	list = list[min(r.Offset, len(list)):]
	if r.Limit >= 0 {
		list = list[:min(r.Limit, len(list))]
	}
	if err := budget.rows(len(list)); err != nil {
		return nil, err
	}
	out := &Rows{Columns: r.Columns(), list: make([][]byte, len(list))}
	for i, e := range list {
		out.list[i] = e.vals
	}
	return out, nil
}

func distinct(list []entry) []entry {
	seen := make(map[string]bool, len(list))
	kept := list[:0]
	for _, e := range list {
		if !seen[string(e.vals)] {
			seen[string(e.vals)] = true
			kept = append(kept, e)
		}
	}
	return kept
}
