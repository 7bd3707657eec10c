package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"penstock/query/plan"
)

// The state begins with one record of everything small, written in every flush: the version, how
// keys are spread, the flush's number, then streams, tables and owned metrics by name.
//
// Format 3 has filters in the records of open panes; one of format 2 is read as it is.
const stateVersion = 3

// localSeqKey holds the number of the last flush whose local rows are in the store. When it is
// not that of the last flush, the partition was recovered from the changelog, and local rows are
// added up again.
var localSeqKey = []byte{'l'}

func (f *Fold) meta() []byte {
	b := []byte{stateVersion}
	b = appendString(b, KeyHash)
	b = binary.AppendUvarint(b, uint64(f.partitions))
	b = binary.AppendVarint(b, f.seq)
	b = binary.AppendUvarint(b, uint64(len(f.plan.Streams)))
	for _, s := range f.plan.Streams {
		b = f.streams[s.Name].append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(f.tables)))
	for _, t := range f.tables {
		b = t.appendMeta(b)
	}
	b = binary.AppendUvarint(b, uint64(len(f.owners)))
	for _, m := range f.plan.Metrics {
		if o := f.owners[m.Name]; o != nil {
			b = o.append(b)
		}
	}
	return b
}

func (t *foldTable) appendMeta(b []byte) []byte {
	b = appendString(b, t.plan.Name)
	b = appendString(b, plan.Fingerprint(t.plan))
	b = binary.AppendVarint(b, t.closed)
	b = binary.AppendVarint(b, t.shape.pane)
	b = binary.AppendUvarint(b, uint64(len(t.metrics)+len(t.changes)))
	for _, m := range t.all() {
		b = appendString(b, m.plan.Name)
		b = appendString(b, plan.MetricFingerprint(m.plan))
		b = binary.AppendVarint(b, m.next)
	}
	return b
}

// all lists the table's metrics, those that EMIT CHANGES behind the others.
func (t *foldTable) all() []*foldMetric { return slices.Concat(t.metrics, t.changes) }

func (f *Fold) load() error {
	b, err := f.state.store.Get([]byte{kindMeta})
	if err != nil || b == nil {
		f.fresh = err == nil
		return err
	}
	f.loading = true
	defer func() { f.loading = false }()
	if err := f.loadMeta(b); err != nil {
		return err
	}
	for _, t := range f.tables {
		if err := t.loadOpen(); err != nil {
			return err
		}
		if err := t.loadPanes(); err != nil {
			return err
		}
	}
	f.spillLargest()
	if err := f.loadShares(); err != nil {
		return err
	}
	if err := f.loadLocal(); err != nil {
		return err
	}
	f.loading, f.changed = false, true
	// A flush may have been the last before a stalled pane had closed.
	return f.closeAll()
}

func (f *Fold) loadMeta(b []byte) error {
	r := reader{b: b}
	if v := r.byte(); v != stateVersion && v != 2 {
		return fmt.Errorf("the state has format %d, this program reads %d", v, stateVersion)
	}
	hash, partitions := string(r.bytes()), int(r.uvarint())
	if r.err == nil && (hash != KeyHash || partitions != f.partitions) {
		return fmt.Errorf("the state was written with %d table partitions (keys by %s), but %d (by %s) are asked for; "+
			"their number is fixed for an application's life", partitions, hash, f.partitions, KeyHash)
	}
	f.seq = r.varint()
	for range r.count() {
		s := f.streams[string(r.bytes())]
		if s == nil {
			s = &sources{parts: map[int32]*source{}} // a stream that the query file no longer has
		}
		s.read(&r)
	}
	for range r.count() {
		if err := f.loadTableMeta(&r); err != nil {
			return err
		}
	}
	for _, t := range f.tables {
		if !t.known && f.begunOf(t.plan.Stream) {
			return plan.AddedError(t.plan.ShownName(), "stream "+t.plan.Stream.Name+" is already being read")
		}
	}
	for range r.count() {
		readOwner(f.owners[string(r.bytes())], &r)
	}
	if r.err != nil {
		return stateError("partition", []byte{kindMeta}, r.err)
	}
	return nil
}

// loadTableMeta reads what appendMeta wrote. State that was made by another definition is refused:
// to go on from it would mix the two.
func (f *Fold) loadTableMeta(r *reader) error {
	t := f.byName[string(r.bytes())]
	definition := string(r.bytes())
	closed, pane := r.varint(), r.varint()
	known := map[string]metricMeta{}
	for range r.count() {
		name := string(r.bytes())
		known[name] = metricMeta{definition: string(r.bytes()), next: r.varint()}
	}
	if t == nil || r.err != nil {
		return nil
	}
	switch {
	case definition != plan.Fingerprint(t.plan):
		return plan.ChangedError(t.plan.ShownName())
	case pane != t.shape.pane:
		return plan.PaneError(t.plan, pane)
	}
	t.closed, t.applied = closed, closed
	t.known = true
	for _, m := range t.all() {
		meta, ok := known[m.plan.Name]
		switch {
		case ok && meta.definition != plan.MetricFingerprint(m.plan):
			return plan.ChangedError("metric " + m.plan.Name)
		case !ok && f.begunOf(t.plan.Stream):
			return plan.AddedError("metric "+m.plan.Name, t.plan.ShownName()+" already has rows")
		}
		m.next = meta.next
	}
	return nil
}

// metricMeta is what the state holds of a metric.
type metricMeta struct {
	definition string
	next       int64
}

// loadOpen reads the entries of panes that were open.
func (t *foldTable) loadOpen() error {
	lower := t.prefix(kindOpen)
	var bad error
	err := t.f.state.store.Scan(lower, prefixEnd(lower), func(k, v []byte) bool {
		bad = t.loadOpenRecord(bytes.Clone(k), v)
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	clear(t.touched) // these changes were published by the flush that held them
	return err
}

func (t *foldTable) loadOpenRecord(key, v []byte) error {
	rec := &openRecord{key: key}
	err := eachOpenPane(v, func(enter int64, n int, entries []byte) error {
		if enter < t.closed {
			return nil
		}
		rec.left++
		id := openID{t, enter}
		t.f.records[id] = append(t.f.records[id], rec)
		r := reader{b: entries}
		for range n {
			pair, k, partials := r.entry()
			if err := t.add(pair, k, partials, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return stateError("table "+t.plan.Name, key, err)
	}
	if rec.left == 0 {
		t.f.state.delete(key, true)
	}
	return nil
}

// loadPanes finds the closed panes that windows still need, and the windows that are open.
func (t *foldTable) loadPanes() error {
	lower := t.prefix(kindPane)
	err := t.f.state.store.Scan(lower, prefixEnd(lower), func(k, _ []byte) bool {
		k = k[len(lower):]
		t.insertPane(paneRef{leave: ordered(k), enter: ordered(k[8:]), part: ordered(k[16:]), stored: true})
		return true
	})
	if err != nil {
		return err
	}
	if !t.shape.buckets {
		t.onlyView().unknown()
		return nil
	}
	for _, p := range t.panes {
		for w := floorDiv(p.leave, t.shape.stride); w*t.shape.stride+t.shape.width > max(p.leave, t.closed); w-- {
			t.bucket(w).unknown()
		}
	}
	return nil
}

// unknown tells the kept tops of a view that the store has rows they have not seen.
func (v *view) unknown() {
	v.rows.stored, v.rows.complete = true, false
	for _, tp := range v.tops {
		if tp != nil {
			tp.bar = []byte{}
		}
	}
}

func (f *Fold) loadShares() error {
	for _, o := range f.owners {
		lower := append([]byte{kindShare}, o.id[:]...)
		var bad error
		err := f.state.store.Scan(lower, prefixEnd(lower), func(k, v []byte) bool {
			from := int(binary.BigEndian.Uint32(k[len(lower):]))
			r := reader{b: v}
			run := shareRun{first: r.varint(), last: r.varint(), rows: append([]byte(nil), r.bytes()...), stored: true}
			if r.err != nil || from >= len(o.queues) {
				bad = stateError("metric "+o.plan.Name, k, errShort)
				return false
			}
			o.queues[from] = append(o.queues[from], run)
			return true
		})
		if err == nil {
			err = bad
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// loadLocal adds the local rows up again when they are not of the last flush.
func (f *Fold) loadLocal() error {
	b, err := f.state.store.Get(localSeqKey)
	if err != nil {
		return err
	}
	r := reader{b: b}
	if b != nil && r.varint() == f.seq && r.err == nil {
		return nil
	}
	f.changed = true
	for _, t := range f.tables {
		if t.shape.kind == 0 {
			continue
		}
		if err := t.rebuild(); err != nil {
			return fmt.Errorf("rebuild the windows of table %s: %w", t.plan.Name, err)
		}
	}
	return nil
}

// rebuild makes the rows of the windows again from the entries of their panes.
func (t *foldTable) rebuild() error {
	p := t.prefix(kindWindow)
	t.f.state.locals = append(t.f.state.locals, Write{Key: p, To: prefixEnd(p), Local: true})
	t.f.loading = false
	for _, v := range t.views {
		delete(t.views, v.window)
	}
	for _, ref := range t.panes {
		key := t.paneKey(ref)
		b, err := t.f.state.get(key)
		if err != nil {
			return err
		}
		r := reader{b: b}
		for len(r.b) > 0 && r.err == nil {
			pair, k, partials := r.entry()
			if r.err != nil {
				break
			}
			// One boundary later than the last applied: windows that ended take no more.
			if err := t.addToViews(t.rebuildBoundary(), pair.leave, hashKey(k), k, partials); err != nil {
				return err
			}
		}
		if r.err != nil {
			return stateError("table "+t.plan.Name, key, r.err)
		}
	}
	return nil
}

// rebuildBoundary is the boundary whose contents are rebuilt. A window that ends at the closed
// boundary was dropped after its result was made.
func (t *foldTable) rebuildBoundary() int64 {
	if t.shape.buckets {
		return t.closed + 1
	}
	return t.closed
}
