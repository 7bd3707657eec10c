package core

import (
	"encoding/binary"
	"errors"
	"slices"
)

// limits bound what a fold partition holds in memory and what one flush changes.
type limits struct {
	flushRows int // rows that one flush should change
	cacheRows int // rows a table, or a window, keeps in memory

	cacheBytes int // rows in memory, of all tables; beyond it the largest tables let go of theirs
	openBytes  int // groups of open panes; beyond it the largest are spilled

	frameBytes int // of a record of the loop, or of a closed pane's entries
}

var defaultLimits = limits{flushRows: 50_000, cacheRows: 1 << 17, cacheBytes: 64 << 20, openBytes: 64 << 20, frameBytes: maxFrameBytes}

// SetMemory bounds, roughly, what the partition keeps in memory in bytes. Below a few MiB it takes
// what a flush needs all the same.
func (f *Fold) SetMemory(n int) {
	const rowBytes = 120 // of a row in a cache: key, hash, slot, a few accumulators
	f.SetLimits(min(defaultLimits.flushRows, max(1000, n/6/rowBytes)), defaultLimits.cacheRows, n/3)
	f.cacheBytes = n / 2
}

// SetLimits sets the bounds behind SetMemory one by one: the rows that a flush should change, the
// rows that a table keeps in memory, the bytes of open panes in memory. They change no result.
func (f *Fold) SetLimits(flushRows, cacheRows, openBytes int) {
	f.flushRows, f.cacheRows, f.openBytes = flushRows, cacheRows, openBytes
	for _, t := range f.tables {
		for _, v := range t.views {
			v.rows.limit = f.cacheRows
			for _, tp := range v.tops {
				if tp != nil {
					tp.want = f.topRows(tp.need)
				}
			}
		}
	}
}

// topRows is how many of the best rows are kept where a result needs so many.
func (f *Fold) topRows(need int) int { return 4*need + min(64, f.cacheRows) }

// SetFrameBytes sets from what size on records of shares and of closed panes are split. It
// changes no result.
func (f *Fold) SetFrameBytes(n int) { f.frameBytes = n }

// errStalled is returned by Frame while a pane is half closed.
var errStalled = errors.New("the partition is stalled: commit a flush first")

// Stalled tells that a pane holds more groups than one flush should change. It closes piece by
// piece, one with every flush that is committed; until it has, no frame is taken.
func (f *Fold) Stalled() bool { return f.stalled }

// StalledMark is the metadata with which the offset of a partition's loop is committed by a flush that
// leaves it stalled: not all that follows from the frames it has read is in that flush. The next ones bring the
// rest, shares for other partitions among it, without a frame being read.
const StalledMark = "stalled"

// resume goes on with what a full flush had stopped.
func (f *Fold) resume() error {
	if !f.stalled {
		return nil
	}
	f.changed = true
	return f.closeAll()
}

// closeAll makes what the clocks of all streams allow.
func (f *Fold) closeAll() error {
	stalled := false
	for _, s := range f.plan.Streams {
		if err := f.close(f.streams[s.Name]); err != nil {
			return err
		}
		stalled = stalled || f.stalled
	}
	f.stalled = stalled
	return nil
}

// full tells that the flush being gathered changes as many rows as it should.
func (f *Fold) full() bool { return f.dirty() >= f.flushRows }

// dirty is how many rows the flush being gathered changes.
func (f *Fold) dirty() (n int) {
	for _, t := range f.tables {
		for _, v := range t.views {
			n += len(v.rows.dirty)
		}
	}
	return n
}

// openID names an open pane; openRecord is a flush's record of entries that were left open, which
// goes when the last of its panes has closed.
type openID struct {
	table *foldTable
	enter int64
}

type openRecord struct {
	key  []byte
	left int
}

// takeOpen writes the entries that came since the last flush and whose panes are still open, in
// records of about frameBytes: a broker takes no record beyond a megabyte, and a flush of long texts
// is more.
func (f *Fold) takeOpen() {
	for _, t := range f.tables {
		w := openWriter{t: t}
		for _, enter := range t.order {
			o := t.open[enter]
			for b, hashes := o.fresh, o.hashes; len(hashes) > 0; {
				size, count := f.openPiece(b, len(hashes))
				w.add(enter, b[:size], hashes[:count])
				b, hashes = b[size:], hashes[count:]
			}
			o.fresh, o.hashes = nil, nil
		}
		w.finish()
	}
}

// openPiece returns the size of the entries at the start of b that fit into a record, and how many
// they are, of n.
func (f *Fold) openPiece(b []byte, n int) (size, count int) {
	if len(b) <= f.frameBytes {
		return len(b), n
	}
	r := reader{b: b}
	for count < n && (count == 0 || size < f.frameBytes) {
		r.entry()
		if next := len(b) - len(r.b); count == 0 || next <= defaultMaxRecord {
			size, count = next, count+1
		} else {
			break
		}
	}
	return size, count
}

// openWriter gathers the records of one table.
type openWriter struct {
	t      *foldTable
	b      []byte
	hashes []uint64 // of the keys in b
	rec    *openRecord
	parts  int64
}

func (w *openWriter) add(enter int64, entries []byte, hashes []uint64) {
	f := w.t.f
	if len(w.b) > 0 && len(w.b)+len(entries) > f.frameBytes {
		w.finish()
	}
	if w.rec == nil {
		w.rec = &openRecord{key: w.t.openKey(f.seq, w.parts)}
	}
	w.b = append(binary.AppendUvarint(w.b, uint64(len(hashes))), entries...)
	w.hashes = append(w.hashes, hashes...)
	w.rec.left++
	id := openID{w.t, enter}
	f.records[id] = append(f.records[id], w.rec)
}

// finish ends a record, if there is anything in it.
func (w *openWriter) finish() {
	if w.rec != nil {
		w.t.f.state.put(w.rec.key, append(appendFilter(nil, w.hashes), w.b...))
		w.parts++
	}
	w.b, w.hashes, w.rec = nil, w.hashes[:0], nil
}

// openKey is the key of a flush's record of open panes; those after the first have a number.
func (t *foldTable) openKey(seq, part int64) []byte {
	key := appendOrdered(t.prefix(kindOpen), seq)
	if part > 0 {
		key = appendOrdered(key, part)
	}
	return key
}

// paneClosed lets go of the records that held the entries of a pane while it was open.
func (f *Fold) paneClosed(t *foldTable, enter int64) error {
	id := openID{t, enter}
	for _, r := range f.records[id] {
		f.forget(r)
	}
	delete(f.records, id)
	return nil
}

// forget takes one pane off a record, which goes with its last.
func (f *Fold) forget(r *openRecord) {
	if r.left--; r.left == 0 {
		f.state.delete(r.key, true)
	}
}

// spillLargest forgets the groups of open panes, the largest first, until they fit. It is called
// when every entry is in a record.
func (f *Fold) spillLargest() {
	type sized struct {
		t *foldTable
		o *openPane
		n int
	}
	var list []sized
	total := 0
	for _, t := range f.tables {
		for _, enter := range t.order {
			if o := t.open[enter]; !o.spilled {
				n := o.g.memory()
				list, total = append(list, sized{t, o, n}), total+n
			}
		}
	}
	slices.SortStableFunc(list, func(a, b sized) int { return b.n - a.n })
	for _, x := range list {
		if total <= f.openBytes {
			return
		}
		x.t.spill(x.o)
		total -= x.n
	}
}

// spill forgets the groups of a pane.
func (t *foldTable) spill(o *openPane) {
	o.spilled, o.g = true, nil
}

// enterSpilled adds the entries of a spilled pane to the views, record by record, until the
// flush is full. A record's entries and the rows they changed are written by the same flush, so
// that after a crash no entry counts twice.
func (t *foldTable) enterSpilled(b int64, o *openPane) (done bool, err error) {
	id := openID{t, b - 1}
	for len(t.f.records[id]) > 0 {
		if t.f.full() {
			return false, nil
		}
		rec := t.f.records[id][0]
		if err := t.enterRecord(b, rec); err != nil {
			return false, err
		}
		t.f.records[id] = t.f.records[id][1:]
	}
	delete(t.f.records, id)
	if err := t.wantEntries(b, o.fresh, len(o.hashes)); err != nil {
		return false, err
	}
	kept := keeper{}
	r := reader{b: o.fresh}
	for range o.hashes {
		pair, key, partials := r.entry()
		if r.err != nil {
			return false, r.err
		}
		if err := t.enter(b, pair.leave, hashKey(key), key, partials, kept, false); err != nil {
			return false, err
		}
	}
	t.keep(b-1, kept)
	return true, nil
}

// enterRecord adds a record's entries of the pane before b, and takes them out of the record.
func (t *foldTable) enterRecord(b int64, rec *openRecord) error {
	v, err := t.f.state.get(rec.key)
	if err != nil {
		return err
	}
	kept := keeper{}
	var rest []byte
	err = eachOpenPane(v, func(enter int64, n int, entries []byte) error {
		if enter != b-1 {
			rest = append(binary.AppendUvarint(rest, uint64(n)), entries...)
			return nil
		}
		if err := t.wantEntries(b, entries, n); err != nil {
			return err
		}
		r := reader{b: entries}
		for range n {
			pair, key, partials := r.entry()
			if err := t.enter(b, pair.leave, hashKey(key), key, partials, kept, false); err != nil {
				return err
			}
		}
		return r.err
	})
	if err != nil {
		return stateError("table "+t.plan.Name, rec.key, err)
	}
	t.keep(b-1, kept)
	if rec.left > 1 {
		t.f.state.put(rec.key, rest)
	}
	t.f.forget(rec)
	return nil
}

// eachOpenPane walks over a record of open panes: for each pane a count and its entries. A count
// of none is followed by the record's filter.
func eachOpenPane(v []byte, fn func(enter int64, n int, entries []byte) error) error {
	r := reader{b: v}
	for len(r.b) > 0 {
		n := r.count() // an entry has a byte at least
		if n == 0 {
			r.bytes()
		}
		start := r.b
		var enter int64
		for range n {
			pair, _, _ := r.entry()
			enter = pair.enter
		}
		if r.err != nil {
			return r.err
		}
		if n > 0 {
			if err := fn(enter, n, start[:len(start)-len(r.b)]); err != nil {
				return err
			}
		}
	}
	return r.err
}

// eachOpenEntry walks over a record of open panes entry by entry.
func eachOpenEntry(v []byte, fn func(pair panePair, key, partials []byte)) error {
	r := reader{b: v}
	for len(r.b) > 0 {
		n := r.count()
		if n == 0 {
			r.bytes()
		}
		for range n {
			pair, key, partials := r.entry()
			if r.err != nil {
				return r.err
			}
			fn(pair, key, partials)
		}
	}
	return r.err
}

// eachEntry calls fn for the groups of an open pane: from memory, or where it is spilled entry by entry.
func (t *foldTable) eachEntry(enter int64, o *openPane, fn func(pair panePair, key, partials []byte) error) error {
	if !o.spilled {
		var partials []byte
		for s := range int32(o.g.len()) {
			partials = o.g.encode(partials[:0], s)
			if err := fn(panePair{enter, o.g.panes[s].leave}, o.g.key(s), partials); err != nil {
				return err
			}
		}
		return nil
	}
	each := func(n int, entries []byte) error {
		r := reader{b: entries}
		for range n {
			pair, key, partials := r.entry()
			if r.err != nil {
				return r.err
			}
			if err := fn(pair, key, partials); err != nil {
				return err
			}
		}
		return nil
	}
	for _, rec := range t.f.records[openID{t, enter}] {
		v, err := t.f.state.get(rec.key)
		if err != nil {
			return err
		}
		err = eachOpenPane(v, func(e int64, n int, entries []byte) error {
			if e != enter {
				return nil
			}
			return each(n, entries)
		})
		if err != nil {
			return stateError("table "+t.plan.Name, rec.key, err)
		}
	}
	return each(len(o.hashes), o.fresh)
}
