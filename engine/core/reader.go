package core

import (
	"bytes"
	"fmt"
	"slices"

	"penstock/query/plan"
	"penstock/query/row"
)

// Reader reads the tables of one fold partition from a snapshot of its state, beside the Fold
// that goes on. What it shows was committed: the rows of closed panes, and unless asked otherwise
// the partials of open ones added to them. It belongs to one goroutine.
type Reader struct {
	fold *Fold // with the small part of the state loaded; never given a record
}

// NewReader reads the small part of the state. A partition that was never written has no rows.
func NewReader(p *plan.Plan, number int32, partitions int, s Store) (*Reader, error) {
	f := newFold(p, number, partitions, s)
	b, err := s.Get([]byte{kindMeta})
	if err == nil && b != nil {
		err = f.loadMeta(b)
	}
	if err != nil {
		return nil, fmt.Errorf("read partition %d: %w", number, err)
	}
	return &Reader{fold: f}, nil
}

// Current tells whether the rows of windows are complete. They are kept in the local store only:
// after a recovery from the changelog they are added up again, and are there from the first flush on.
func (r *Reader) Current() (bool, error) {
	for _, t := range r.fold.tables {
		if !t.counted() {
			continue
		}
		b, err := r.fold.state.store.Get(localSeqKey)
		if err != nil {
			return false, fmt.Errorf("read partition %d: %w", r.fold.number, err)
		}
		seq := reader{b: b}
		return r.fold.seq == 0 || b != nil && seq.varint() == r.fold.seq && seq.err == nil, nil
	}
	return true, nil
}

// Closed is the time (microseconds) up to which the panes of a table are closed: with
// Scan.Closed the rows are exactly those of a result as of that time. False before the first row.
func (r *Reader) Closed(t *plan.Table) (int64, bool) {
	ft := r.fold.byName[t.Name]
	return ft.closed * ft.shape.pane, r.fold.begunOf(t.Stream)
}

// Offsets returns the next offset of each source partition of a stream that is not in the state.
func (r *Reader) Offsets(stream string) map[int32]int64 {
	out := map[int32]int64{}
	for n, p := range r.fold.streams[stream].parts {
		out[n] = p.offset
	}
	return out
}

// Clock is the lowest clock of a stream's source partitions; false while one has none.
func (r *Reader) Clock(stream string) (int64, bool) { return r.fold.streams[stream].clock() }

// Tally is what became of a stream's records.
func (r *Reader) Tally(stream string) map[int32]Tally { return r.fold.Tally(stream) }

// PartitionOf is the fold partition of a group key.
func PartitionOf(key []byte, partitions int) int32 { return partitionOf(hashKey(key), partitions) }

// Scan says which rows of a table to read.
type Scan struct {
	// Prefix of the group key, made with row.AppendKey from the leading key columns; empty reads all.
	Prefix []byte
	// Closed leaves open panes out.
	Closed bool
	// Used tells which columns of the table's Group() are wanted; nil: all.
	Used []bool
}

// beforeAll is a time before that of any row, and far enough from the end of int64 to count with.
const beforeAll = noTime / 4

// Rows calls fn with batches of group rows (plan.Table.Group), in no particular order; HAVING is
// not applied. The batch is good until fn returns; it returns false to stop. faults lists the
// positions whose aggregates hold an Error value, which a vector cannot: their rows come from Values.
func (r *Reader) Rows(t *plan.Table, s Scan, fn func(b *row.Batch, values func(i int) []row.Value, faults []int32) bool) error {
	ft := r.fold.byName[t.Name]
	open := newGroups(partialAccs(t, ft.counted()), false)
	if !s.Closed {
		if err := r.openRows(ft, s.Prefix, open); err != nil {
			return err
		}
	}
	size := row.MaxBatch
	if len(s.Prefix) > 0 {
		size = lookupBatch
	}
	b := newGroupBatch(ft, s.Used, size, fn)
	if err := r.closedRows(ft, s.Prefix, open, b); err != nil || b.stopped {
		return err
	}
	return r.restRows(ft, open, b)
}

// rowKey is what a row is stored under: its window, where every window has rows of its own, then its key.
func (t *foldTable) rowKey(dst []byte, window int64, key []byte) []byte {
	if t.shape.buckets {
		dst = appendOrdered(dst, window)
	}
	return append(dst, key...)
}

// openRows adds up the open panes by row key.
func (r *Reader) openRows(t *foldTable, prefix []byte, open *groups) error {
	lower := t.prefix(kindOpen)
	var rk []byte
	var bad error
	add := func(window int64, key, partials []byte) {
		rk = t.rowKey(rk[:0], window, key)
		s, _ := open.slot(hashKey(rk), panePair{}, rk)
		open.grow()
		if err := open.merge(s, partials); err != nil {
			bad = err
		}
	}
	err := r.fold.state.store.Scan(lower, prefixEnd(lower), func(k, v []byte) bool {
		if !bytes.Contains(v, prefix) {
			return true // a lookup passes most records by without parsing them
		}
		err := eachOpenPane(v, func(enter int64, n int, entries []byte) error {
			if enter < t.closed {
				return nil
			}
			r := reader{b: entries}
			for range n {
				pair, key, partials := r.entry()
				switch {
				case len(key) < len(prefix) || string(key[:len(prefix)]) != string(prefix):
				case !t.shape.buckets:
					add(0, key, partials)
				default:
					t.windowsOf(pair, func(w int64) { add(w, key, partials) })
				}
			}
			return bad
		})
		if err != nil {
			bad = stateError("table "+t.plan.Name, k, err)
		}
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	return err
}

// closedRows reads the stored rows, each with its open panes, which are then taken off the list.
func (r *Reader) closedRows(t *foldTable, prefix []byte, open *groups, b *groupBatch) error {
	kind := byte(kindClosed)
	if t.counted() {
		kind = kindWindow
	}
	base := t.prefix(kind)
	scan := func(lower []byte) error {
		var bad error
		err := r.fold.state.store.Scan(lower, prefixEnd(lower), func(k, v []byte) bool {
			bad = b.stored(k[len(base):], v, open)
			return bad == nil && !b.stopped
		})
		if err == nil {
			err = bad
		}
		return err
	}
	if !t.shape.buckets {
		return scan(append(slices.Clone(base), prefix...))
	}
	last := floorDiv(t.closed, t.shape.stride) + 1
	for w := last; w*t.shape.stride+t.shape.width > t.closed; w-- {
		if err := scan(append(appendOrdered(slices.Clone(base), w), prefix...)); err != nil || b.stopped {
			return err
		}
	}
	return nil
}

// restRows shows the rows that have only open panes, and the one row of a table without GROUP BY.
func (r *Reader) restRows(t *foldTable, open *groups, b *groupBatch) error {
	for s := range int32(open.len()) {
		if b.seen[string(open.key(s))] {
			continue
		}
		if err := b.add(open.key(s), nil, open, s); err != nil || b.stopped {
			return err
		}
	}
	if len(t.plan.Keys) == 0 && r.fold.home() && b.total == 0 && !t.shape.buckets {
		if err := b.add(nil, nil, nil, -1); err != nil {
			return err
		}
	}
	b.flush()
	return nil
}

// groupBatch gathers group rows into batches.
type groupBatch struct {
	t       *foldTable
	used    []bool
	size    int // rows in a batch
	fn      func(b *row.Batch, values func(i int) []row.Value, faults []int32) bool
	g       *groups // one slot a row
	n       int
	total   int
	ids     []byte
	ends    []int
	seen    map[string]bool // open rows that were shown with their stored part
	batch   row.Batch
	stopped bool
}

// lookupBatch is the size of batches for a key or a prefix of keys: few rows are expected, and
// room for more would cost more than reading them.
const lookupBatch = 32

func newGroupBatch(t *foldTable, used []bool, size int, fn func(*row.Batch, func(int) []row.Value, []int32) bool) *groupBatch {
	accs := partialAccs(t.plan, t.counted())
	if t.trailing() {
		accs = trailingAccs(t.plan.Aggs)
	} else {
		skipUnused(accs, t.plan, used)
	}
	b := &groupBatch{t: t, used: used, size: size, fn: fn, g: newGroups(accs, false), seen: map[string]bool{}}
	for _, a := range accs {
		a.Grow(size)
	}
	for i, c := range t.plan.Group() {
		var v *row.Vector
		if used == nil || used[i] {
			v = newVector(c.Type, size)
		}
		b.batch.Cols = append(b.batch.Cols, v)
	}
	return b
}

func newVector(t row.Type, size int) *row.Vector {
	v := &row.Vector{Type: t, Null: make([]bool, size)}
	switch t.Physical() {
	case row.F64:
		v.F64 = make([]float64, size)
	case row.Dec:
		v.Dec = make([]row.Int128, size)
	case row.Str:
		v.Str = make([]string, size)
	default:
		v.I64 = make([]int64, size)
	}
	return v
}

// stored adds a stored row.
func (b *groupBatch) stored(rk, state []byte, open *groups) error {
	s := int32(-1)
	if open.len() > 0 {
		if s = open.find(hashKey(rk), panePair{}, rk); s >= 0 {
			b.seen[string(rk)] = true
		}
	}
	return b.add(rk, state, open, s)
}

// add adds a row: its stored state, if any, and slot s of the open rows unless s is negative.
func (b *groupBatch) add(rk, state []byte, open *groups, s int32) (err error) {
	i := b.n
	for _, a := range b.g.accs {
		a.Clear(i)
	}
	if state != nil {
		if err = b.g.merge(int32(i), state); err != nil {
			return stateError("table "+b.t.plan.Name, rk, err)
		}
	}
	if s >= 0 {
		partials := open.encode(nil, s)
		for _, a := range b.g.accs {
			if tr, ok := a.(trailer); ok {
				partials, err = tr.enter(i, b.t.closed, partials)
			} else {
				partials, err = a.Merge(i, partials)
			}
			if err != nil {
				return stateError("table "+b.t.plan.Name, rk, err)
			}
		}
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

func (b *groupBatch) key(i int) []byte {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.ids[start:b.ends[i]]
}

// values is the whole group row at a position, also with Error values.
func (b *groupBatch) values(i int) []row.Value {
	key := b.key(i)
	v := &view{}
	if b.t.shape.buckets {
		v.window = ordered(key)
		v.end = v.window*b.t.shape.stride + b.t.shape.width
		key = key[8:]
	}
	start, end := b.t.bounds(v, b.t.closed*b.t.shape.pane)
	vals := make([]row.Value, 0, len(b.batch.Cols))
	for _, k := range b.t.plan.Keys {
		var x row.Value
		var err error
		if x, key, err = row.DecodeKey(key, k.Expr.Type()); err != nil {
			x = row.Value{State: row.Error, S: err.Error()}
		}
		vals = append(vals, x)
	}
	accs := b.g.accs
	if b.t.counted() {
		accs = accs[1:]
	}
	for _, a := range accs {
		vals = append(vals, a.Value(i))
	}
	return append(vals, start, end)
}

func (b *groupBatch) flush() {
	if b.n == 0 || b.stopped {
		return
	}
	var faults []int32
	for i := range b.n {
		if b.fill(i) {
			faults = append(faults, int32(i))
		}
	}
	b.batch.N = b.n
	b.stopped = !b.fn(&b.batch, b.values, faults)
	b.n, b.ids, b.ends = 0, b.ids[:0], b.ends[:0]
}

// fill writes a row into the vectors, and reports whether one of its values is an Error.
func (b *groupBatch) fill(i int) (fault bool) {
	key := b.key(i)
	window := int64(0)
	if b.t.shape.buckets {
		window, key = ordered(key), key[8:]
	}
	cols := b.batch.Cols
	for n, k := range b.t.plan.Keys {
		v, rest, err := row.DecodeKey(key, k.Expr.Type())
		key = rest
		fault = setCell(cols[n], i, v) || err != nil || fault
	}
	cols = cols[len(b.t.plan.Keys):]
	accs := b.g.accs
	if b.t.counted() {
		accs = accs[1:]
	}
	for n, a := range accs {
		if cols[n] != nil {
			fault = setCell(cols[n], i, a.Value(i)) || fault
		}
	}
	cols = cols[len(accs):]
	v := &view{window: window, end: window*b.t.shape.stride + b.t.shape.width}
	start, end := b.t.bounds(v, b.t.closed*b.t.shape.pane)
	setCell(cols[0], i, start)
	setCell(cols[1], i, end)
	return fault
}

// setCell writes a value into a vector, if that is wanted; an Error value is NULL there.
func setCell(v *row.Vector, i int, x row.Value) (fault bool) {
	if v == nil {
		return false
	}
	v.Null[i] = x.State != row.Valid
	if v.Null[i] {
		return x.State == row.Error
	}
	switch v.Type.Physical() {
	case row.F64:
		v.F64[i] = x.F
	case row.Dec:
		v.Dec[i] = x.D
	case row.Str:
		v.Str[i] = x.S
	default:
		v.I64[i] = x.I
	}
	return false
}
