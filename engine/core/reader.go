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
	// Whole: the prefix is a whole key.
	Whole bool
	// Closed leaves open panes out.
	Closed bool
	// Used tells which columns of the table's Group() are wanted; nil: all.
	Used []bool
	// Late tells which key columns are wanted for the positions given to RowBatch.Load only.
	Late []bool
}

// beforeAll is a time before that of any row, and far enough from the end of int64 to count with.
const beforeAll = noTime / 4

// RowBatch is a batch of group rows (plan.Table.Group). It is good until the function that it was
// given to returns.
type RowBatch struct {
	row.Batch
	// Faults lists the positions at which a value is an Error, which a vector cannot hold: their
	// rows come from Values.
	Faults []int32
	// Values is the whole row at a position, also with Error values.
	Values func(i int) []row.Value
	// Key is the group key at a position, made with row.AppendKey; nil for rows that have none.
	Key func(i int) []byte
	// Load fills the columns of Scan.Late at some positions; nil where there are none.
	Load func(sel []int32)
	// Sorted: the keys ascend, within the batch and from one to the next, as long as it is set. Who
	// wants none beyond what it was given sets Enough, and gets only rows that were not in order.
	Sorted, Enough bool
}

// Rows is Batches for those who want nothing but the rows and their Values.
func (r *Reader) Rows(t *plan.Table, s Scan, fn func(b *row.Batch, values func(i int) []row.Value, faults []int32) bool) error {
	return r.Batches(t, s, func(b *RowBatch) bool { return fn(&b.Batch, b.Values, b.Faults) })
}

// Batches calls fn with batches of group rows; HAVING is not applied. fn returns false to stop.
func (r *Reader) Batches(t *plan.Table, s Scan, fn func(*RowBatch) bool) error {
	ft := r.fold.byName[t.Name]
	open := newGroups(askedAccs(ft, s.Used), false)
	if !s.Closed {
		if err := r.openRows(ft, s, open); err != nil {
			return err
		}
	}
	b := newGroupBatch(ft, s, open, fn)
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

// wants tells of a record of open panes whether it may hold what is read. A lookup passes most
// records by without parsing them.
func (s Scan) wants() func(key, record []byte) bool {
	hash := hashKey(s.Prefix)
	return func(_, record []byte) bool {
		if s.Whole {
			if f := filterOf(record); f != nil {
				return f.mayHold(hash)
			}
		}
		return bytes.Contains(record, s.Prefix)
	}
}

// openRows adds up the open panes by row key.
func (r *Reader) openRows(t *foldTable, s Scan, open *groups) error {
	prefix := s.Prefix
	lower := t.prefix(kindOpen)
	var rk []byte
	var bad error
	add := func(window int64, key, partials []byte) {
		rk = t.rowKey(rk[:0], window, key)
		slot, added := open.slot(hashKey(rk), panePair{}, rk)
		if added {
			open.grow()
		}
		if err := open.merge(slot, partials); err != nil {
			bad = err
		}
	}
	err := pick(r.fold.state.store, lower, prefixEnd(lower), s.wants(), func(k, v []byte) bool {
		err := eachOpenEntry(v, func(pair panePair, key, partials []byte) {
			switch {
			case pair.enter < t.closed || len(key) < len(prefix) || string(key[:len(prefix)]) != string(prefix):
			case !t.shape.buckets:
				add(0, key, partials)
			default:
				t.windowsOf(pair, func(w int64) { add(w, key, partials) })
			}
		})
		if err == nil {
			err = bad
		}
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
			return bad == nil && !b.stopped && !b.out.Enough
		})
		if err == nil {
			err = bad
		}
		return err
	}
	if !t.shape.buckets {
		b.out.Sorted = true
		err := scan(append(slices.Clone(base), prefix...))
		b.flush()
		b.out.Sorted = false
		return err
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
		if b.seen[s] {
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
