package core

import (
	"penstock/query/expr"
	"penstock/query/row"
)

// groupBatch gathers group rows into batches. A row is merged into a slot of accumulators as it
// comes; the columns are made of them at once, when the batch is full.
type groupBatch struct {
	t       *foldTable
	late    []bool // key columns that only load fills
	keys    int    // key columns up to the last that is filled for every row
	size    int    // rows in a batch
	fn      func(*RowBatch) bool
	g       *groups // one slot a row
	n       int
	total   int
	ids     []byte
	ends    []int
	seen    []bool // slots of the open rows that were shown with their stored part
	out     RowBatch
	faulty  []bool
	partial []byte
	stopped bool
}

// lookupBatch is the size of batches for a key or a prefix of keys: few rows are expected, and
// room for more would cost more than reading them.
const lookupBatch = 32

func newGroupBatch(t *foldTable, s Scan, open *groups, fn func(*RowBatch) bool) *groupBatch {
	size := row.MaxBatch
	if len(s.Prefix) > 0 {
		size = lookupBatch
	}
	accs := askedAccs(t, s.Used)
	if t.trailing() {
		accs = trailingAccs(t.plan.Aggs)
	}
	b := &groupBatch{t: t, late: s.Late, size: size, fn: fn, g: newGroups(accs, false), seen: make([]bool, open.len()), faulty: make([]bool, size)}
	b.out.Values, b.out.Key, b.out.Load = b.values, b.groupKey, b.load
	b.clear()
	for i, c := range t.plan.Group() {
		var v *row.Vector
		late := s.Late != nil && s.Late[i]
		if wanted := s.Used == nil || s.Used[i]; wanted || late {
			v = row.NewVector(c.Type, size)
		}
		if v != nil && !late && i < len(t.plan.Keys) {
			b.keys = i + 1
		}
		b.out.Cols = append(b.out.Cols, v)
	}
	return b
}

// stored adds a stored row.
func (b *groupBatch) stored(rk, state []byte, open *groups) error {
	s := int32(-1)
	if open.len() > 0 {
		if s = open.find(hashKey(rk), panePair{}, rk); s >= 0 {
			b.seen[s] = true
		}
	}
	return b.add(rk, state, open, s)
}

// add adds a row: its stored state, if any, and slot s of the open rows unless s is negative.
func (b *groupBatch) add(rk, state []byte, open *groups, s int32) (err error) {
	if state != nil {
		err = b.g.merge(int32(b.n), state)
	}
	if err == nil && s >= 0 {
		err = b.enter(open, s)
	}
	if err != nil {
		return stateError("table "+b.t.plan.Name, rk, err)
	}
	b.ids = append(b.ids, rk...)
	b.ends = append(b.ends, len(b.ids))
	b.n++
	b.total++
	if b.n == b.size {
		b.flush()
	}
	return nil
}

// enter adds slot s of the open rows to the row that is being added.
func (b *groupBatch) enter(open *groups, s int32) (err error) {
	b.partial = open.encode(b.partial[:0], s)
	partials := b.partial
	for _, a := range b.g.accs {
		switch a := a.(type) {
		case skipAcc: // nor is it in the open row
		case trailer:
			partials, err = a.enter(b.n, b.t.closed, partials)
		default:
			partials, err = a.Merge(b.n, partials)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rowKey is what the row at a position is stored under.
func (b *groupBatch) rowKey(i int) []byte {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.ids[start:b.ends[i]:b.ends[i]]
}

func (b *groupBatch) groupKey(i int) []byte {
	if b.t.shape.buckets {
		return b.rowKey(i)[8:]
	}
	return b.rowKey(i)
}

// bounds is the window of the row at a position.
func (b *groupBatch) bounds(i int) (start, end row.Value) {
	v := &view{}
	if b.t.shape.buckets {
		v.window = ordered(b.rowKey(i))
		v.end = v.window*b.t.shape.stride + b.t.shape.width
	}
	return b.t.bounds(v, b.t.closed*b.t.shape.pane)
}

// values is the whole group row at a position, also with Error values.
func (b *groupBatch) values(i int) []row.Value {
	key := b.groupKey(i)
	vals := make([]row.Value, 0, len(b.out.Cols))
	for _, k := range b.t.plan.Keys {
		var x row.Value
		var err error
		if x, key, err = row.DecodeKey(key, k.Expr.Type()); err != nil {
			x = row.Value{State: row.Error, S: err.Error()}
		}
		vals = append(vals, x)
	}
	for _, a := range b.aggs() {
		vals = append(vals, a.Value(i))
	}
	start, end := b.bounds(i)
	return append(vals, start, end)
}

// aggs are the accumulators of the table's own aggregates.
func (b *groupBatch) aggs() []expr.Acc {
	if b.t.counted() {
		return b.g.accs[1:]
	}
	return b.g.accs
}

func (b *groupBatch) flush() {
	if b.n == 0 || b.stopped {
		return
	}
	b.fill()
	b.out.Faults = b.out.Faults[:0]
	for i, bad := range b.faulty[:b.n] {
		if bad {
			b.out.Faults = append(b.out.Faults, int32(i))
		}
	}
	b.out.N = b.n
	b.stopped = !b.fn(&b.out)
	b.clear()
}

// clear empties the batch.
func (b *groupBatch) clear() {
	b.g.reset()
	for _, a := range b.g.accs {
		a.Grow(b.size)
	}
	b.n, b.ids, b.ends = 0, b.ids[:0], b.ends[:0]
}

// fill writes the rows into the vectors, but for the columns that are late.
func (b *groupBatch) fill() {
	clear(b.faulty)
	if b.keys > 0 {
		for i := range b.n {
			b.fillKey(i, b.keys, false)
		}
	}
	cols := b.out.Cols[len(b.t.plan.Keys):]
	aggs := b.aggs()
	for n, a := range aggs {
		if cols[n] != nil {
			expr.Values(a, cols[n], b.n, b.faulty)
		}
	}
	cols = cols[len(aggs):]
	for i := range b.n {
		if cols[0] == nil && cols[1] == nil {
			break
		}
		start, end := b.bounds(i)
		set(cols[0], i, start)
		set(cols[1], i, end)
	}
}

// fillKey writes those of the first n key columns that are late, or those that are not.
func (b *groupBatch) fillKey(i, n int, late bool) {
	key := b.groupKey(i)
	for c, k := range b.t.plan.Keys[:n] {
		v := b.out.Cols[c]
		var err error
		if v == nil || (b.late != nil && b.late[c]) != late {
			key, err = row.SkipKey(key, k.Expr.Type())
		} else {
			var x row.Value
			x, key, err = row.DecodeKey(key, k.Expr.Type())
			b.faulty[i] = v.Set(i, x) || b.faulty[i]
		}
		if err != nil {
			b.faulty[i] = true
			return
		}
	}
}

// load is RowBatch.Load. A key is never an Error, so that nothing new is faulty.
func (b *groupBatch) load(sel []int32) {
	for _, i := range sel {
		b.fillKey(int(i), len(b.t.plan.Keys), true)
	}
}

// set writes a value into a vector, if that is wanted.
func set(v *row.Vector, i int, x row.Value) {
	if v != nil {
		v.Set(i, x)
	}
}
