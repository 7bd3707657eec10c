package core

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"

	"penstock/query/expr"
	"penstock/query/plan"
)

// foldTable is one table in one fold partition. Its rows are apart by where they are in time:
//
//   - open panes: partials whose pane some source partition's clock has not passed. They are in
//     memory; what a flush leaves open is also in the state, as the entries that came (kind o).
//   - views: what closed panes add up to. A table without a window has one view, its rows for
//     ever; a trailing window has one; otherwise each window that is still open has its own.
//   - pane entries of a window (kind p): the closed panes that a window still needs. They are what
//     the changelog holds; a window's rows are local, and are added up again at recovery.
//
// Closing walks from boundary to boundary between panes: at boundary b the pane b-1 enters and
// the pane that falls out of a trailing window leaves. Between two boundaries at which something
// changes, every end of a metric has the same result.
type foldTable struct {
	f       *Fold
	plan    *plan.Table
	id      id
	shape   shape
	metrics []*foldMetric
	changes []*foldMetric // EMIT CHANGES

	known   bool  // the state has it
	closed  int64 // boundary up to which every result was made
	applied int64 // boundary whose panes have entered
	open    map[int64]*openPane
	order   []int64 // open panes in order
	spare   []*groups
	panes   []paneRef // closed panes a window needs, by (leave, enter)
	views   map[int64]*view
	touched map[string]struct{} // window and key of the groups changed since the last flush, for EMIT CHANGES
}

// openPane is the partials that enter with one pane. Its entries that no flush holds yet are in
// fresh; the others are also in the records of kind o, so a pane that takes much memory can be
// spilled: its groups are forgotten, and its entries are read again when it closes.
type openPane struct {
	g       *groups
	fresh   []byte
	hashes  []uint64 // of the keys in fresh
	spilled bool
}

// paneRef names the record of a closed pane's entries.
type paneRef struct {
	leave, enter int64
	part         int64
	stored       bool
}

// view is the rows of one window, or of all time.
type view struct {
	window int64 // index of the window by advance; 0 for the only view
	end    int64 // boundary at which the window ends
	rows   *rowCache
	tops   []*top // by the table's metrics; nil where a metric reads all rows
}

func newFoldTable(f *Fold, t *plan.Table) *foldTable {
	ft := &foldTable{f: f, plan: t, id: idOf(t.Name), open: map[int64]*openPane{}, views: map[int64]*view{}}
	metrics := metricsOf(f.plan, t)
	ft.shape = shapeOf(t, metrics)
	// Until every source partition has a clock no pane is closed, also none before 1970.
	ft.closed = beforeAll / ft.shape.pane
	ft.applied = ft.closed
	for _, m := range metrics {
		fm := newFoldMetric(ft, m)
		if m.Emit == plan.EmitChanges {
			ft.changes = append(ft.changes, fm)
			ft.touched = map[string]struct{}{}
		} else {
			ft.metrics = append(ft.metrics, fm)
		}
	}
	return ft
}

func (t *foldTable) counted() bool { return t.shape.kind != plan.NoWindow }

// begin fixes the first pane: nothing counts before the lowest first clock.
func (t *foldTable) begin(clock int64) {
	t.closed = floorDiv(clock, t.shape.pane)
	t.applied = t.closed
	for _, m := range t.metrics {
		m.next = m.grid.after(clock)
	}
}

// add takes an entry of a frame.
func (t *foldTable) add(p panePair, key, partials, entry []byte) error {
	if p.enter < t.closed && t.f.begunOf(t.plan.Stream) {
		return fmt.Errorf("table %s: an entry of pane %d came after it closed (panes up to %d are closed)", t.plan.Name, p.enter, t.closed)
	}
	o, hash := t.pane(p.enter), hashKey(key)
	if !o.spilled {
		s, added := o.g.slot(hash, panePair{leave: p.leave}, key)
		if added {
			o.g.grow()
		}
		if err := o.g.merge(s, partials); err != nil {
			return fmt.Errorf("table %s: partials of a frame: %w", t.plan.Name, err)
		}
	}
	if entry != nil {
		o.fresh = append(o.fresh, entry...)
		o.hashes = append(o.hashes, hash)
	}
	t.touch(p, key)
	return nil
}

func (t *foldTable) pane(enter int64) *openPane {
	if o := t.open[enter]; o != nil {
		return o
	}
	o := &openPane{}
	if n := len(t.spare); n > 0 {
		o.g, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		o.g = newGroups(partialAccs(t.plan, t.counted()), true)
	}
	t.open[enter] = o
	i := sort.Search(len(t.order), func(i int) bool { return t.order[i] >= enter })
	t.order = append(t.order, 0)
	copy(t.order[i+1:], t.order[i:])
	t.order[i] = enter
	return o
}

// close makes every result up to the clocks.
func (t *foldTable) close(clock int64) error {
	target := floorDiv(clock, t.shape.pane)
	for _, m := range t.metrics {
		if last := m.grid.upTo(target * t.shape.pane); m.next <= last {
			if err := t.segment(m, last); err != nil {
				return err
			}
		}
	}
	for {
		next := t.nextEvent()
		if last := min(next-1, target); last > t.closed {
			if err := t.emit(t.closed, last); err != nil {
				return err
			}
			t.closed = last
			if err := t.dropEnded(); err != nil {
				return err
			}
		}
		if next > target {
			return nil
		}
		if done, err := t.apply(next); err != nil || !done {
			return err
		}
		t.applied = next
	}
}

// nextEvent is the first boundary beyond applied at which the contents change.
func (t *foldTable) nextEvent() int64 {
	next := int64(math.MaxInt64)
	if len(t.order) > 0 {
		next = t.order[0] + 1
	}
	if t.trailing() && len(t.panes) > 0 {
		next = min(next, t.panes[0].leave+t.shape.width+1)
	}
	if t.shape.buckets {
		for _, v := range t.views {
			for _, b := range [2]int64{v.end, v.end + 1} {
				if b > t.applied {
					next = min(next, b)
				}
			}
		}
	}
	return max(next, t.applied+1)
}

func (t *foldTable) trailing() bool { return t.shape.kind != plan.NoWindow && !t.shape.buckets }

// apply moves the contents to boundary b: panes leave, then the pane before b enters. It stops
// half way, to go on when a flush was committed, if that changes more rows than one flush should
// hold: what has entered is then in the rows, and what has not is still an open pane's entries.
func (t *foldTable) apply(b int64) (done bool, err error) {
	if t.trailing() {
		if done, err := t.evict(b); err != nil || !done {
			return false, err
		}
	}
	o := t.open[b-1]
	if o == nil {
		return true, nil
	}
	if !o.spilled && o.g.len() > t.f.flushRows {
		t.spill(o)
	}
	if o.spilled {
		done, err = t.enterSpilled(b, o)
	} else {
		done, err = true, t.enterGroups(b, o)
	}
	if err != nil || !done {
		return false, err
	}
	delete(t.open, b-1)
	t.order = t.order[1:]
	if !o.spilled {
		o.g.reset()
		t.spare = append(t.spare, o.g)
		return true, t.f.paneClosed(t, b-1)
	}
	return true, nil
}

// enterGroups adds the partials of a pane in memory to the views.
func (t *foldTable) enterGroups(b int64, o *openPane) error {
	for s := range int32(o.g.len()) {
		t.want(b, o.g.panes[s].leave, o.g.hashes[s], o.g.key(s))
	}
	if err := t.fetch(); err != nil {
		return err
	}
	kept := keeper{}
	var partials []byte
	for s := range int32(o.g.len()) {
		partials = o.g.encode(partials[:0], s)
		if err := t.enter(b, o.g.panes[s].leave, o.g.hashes[s], o.g.key(s), partials, kept, true); err != nil {
			return err
		}
	}
	t.keep(b-1, kept)
	return nil
}

// keeper gathers the entries of a closed pane that a window needs again, by the pane they leave with.
type keeper map[int64][]byte

// enter adds one group's partials to the views, and keeps them where a window needs them again.
// whole tells that the pane enters within one flush.
func (t *foldTable) enter(b, leave int64, hash uint64, key, partials []byte, kept keeper, whole bool) error {
	if t.needed(leave, b, whole) {
		kept[leave] = appendEntry(kept[leave], panePair{b - 1, leave}, key, partials)
	}
	return t.addToViews(b, leave, hash, key, partials)
}

// needed tells whether a closed pane's entries are read again: to take them out of a trailing
// window, or to add up a window after recovery. A pane that does not enter within one flush is
// needed also by the window that ends with it, which a crash may find half full.
func (t *foldTable) needed(leave, b int64, whole bool) bool {
	switch {
	case t.shape.kind == plan.NoWindow:
		return false
	case t.shape.buckets:
		end := t.lastWindowEnd(leave)
		return end > b || end == b && !whole
	}
	return leave+t.shape.width >= b
}

// lastWindowEnd is the boundary at which the last window that holds a pane ends.
func (t *foldTable) lastWindowEnd(pane int64) int64 {
	return floorDiv(pane, t.shape.stride)*t.shape.stride + t.shape.width
}

// addToViews adds one group's partials to every view that holds their pane.
func (t *foldTable) addToViews(b, leave int64, hash uint64, key, partials []byte) error {
	if !t.shape.buckets {
		if t.trailing() && leave+t.shape.width < b {
			return nil // it left before it entered
		}
		return t.addTo(t.onlyView(), leave, hash, key, partials)
	}
	for w := floorDiv(leave, t.shape.stride); w*t.shape.stride+t.shape.width > leave; w-- {
		if w*t.shape.stride+t.shape.width < b {
			break // ended; every earlier one has too
		}
		if err := t.addTo(t.bucket(w), leave, hash, key, partials); err != nil {
			return err
		}
	}
	return nil
}

func (t *foldTable) addTo(v *view, leave int64, hash uint64, key, partials []byte) error {
	s, err := v.rows.slot(hash, key)
	if err != nil {
		return err
	}
	if t.trailing() {
		for _, a := range v.rows.g.accs {
			if partials, err = a.(trailer).enter(int(s), leave, partials); err != nil {
				return err
			}
		}
	} else if err = v.rows.g.merge(s, partials); err != nil {
		return err
	}
	return t.changed(v, s)
}

// changed marks a row as written and tells the kept tops.
func (t *foldTable) changed(v *view, s int32) error {
	v.rows.touch(s)
	for i, m := range t.metrics {
		if tp := v.tops[i]; tp != nil {
			if err := tp.update(m, v, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *foldTable) onlyView() *view {
	v := t.views[0]
	if v == nil {
		kind, local, accs := byte(kindClosed), false, partialAccs(t.plan, false)
		if t.trailing() {
			kind, local, accs = kindWindow, true, trailingAccs(t.plan.Aggs)
		}
		v = t.newView(0, t.prefix(kind), local, accs)
	}
	return v
}

func (t *foldTable) bucket(w int64) *view {
	v := t.views[w]
	if v == nil {
		v = t.newView(w, appendOrdered(t.prefix(kindWindow), w), true, partialAccs(t.plan, true))
		v.end = w*t.shape.stride + t.shape.width
	}
	return v
}

func (t *foldTable) newView(w int64, prefix []byte, local bool, accs []expr.Acc) *view {
	v := &view{window: w, rows: newRowCache(t.f.state, prefix, local, t.counted(), t.f.loading || !local && !t.f.fresh, accs, t.f.cacheRows)}
	for _, m := range t.metrics {
		v.tops = append(v.tops, m.newTop())
	}
	t.views[w] = v
	return v
}

func (t *foldTable) prefix(kind byte) []byte { return append([]byte{kind}, t.id[:]...) }

// evict takes the panes out of the trailing window that are before it at boundary b, as many as
// one flush should hold.
func (t *foldTable) evict(b int64) (done bool, err error) {
	first := b - t.shape.width
	n := 0
	for n < len(t.panes) && t.panes[n].leave < first {
		n++
	}
	if n == 0 {
		return true, nil
	}
	if n == len(t.panes) { // nothing stays: forget the rows at once
		for _, p := range t.panes {
			t.f.state.delete(t.paneKey(p), p.stored)
		}
		t.panes = t.panes[:0]
		t.dropView(t.onlyView())
		return true, nil
	}
	for ; n > 0; n-- {
		if t.f.full() {
			return false, nil
		}
		if err := t.evictPane(t.panes[0]); err != nil {
			return false, err
		}
		t.panes = t.panes[1:]
	}
	return true, nil
}

func (t *foldTable) evictPane(p paneRef) error {
	key := t.paneKey(p)
	b, err := t.f.state.get(key)
	if err != nil {
		return err
	}
	v := t.onlyView()
	for r := (reader{b: b}); len(r.b) > 0 && r.err == nil; {
		if _, k, _ := r.entry(); r.err == nil {
			v.rows.want(hashKey(k), k)
		}
	}
	if err := v.rows.fetch(); err != nil {
		return err
	}
	r := reader{b: b}
	for len(r.b) > 0 && r.err == nil {
		pair, k, partials := r.entry()
		if r.err != nil {
			break
		}
		s, err := v.rows.slot(hashKey(k), k)
		if err != nil {
			return err
		}
		for _, a := range v.rows.g.accs {
			if partials, err = a.(trailer).leave(int(s), pair.leave, partials); err != nil {
				return stateError("table "+t.plan.Name, key, err)
			}
		}
		if err := t.changed(v, s); err != nil {
			return err
		}
	}
	if r.err != nil {
		return stateError("table "+t.plan.Name, key, r.err)
	}
	t.f.state.delete(key, p.stored)
	return nil
}

// dropEnded forgets the windows that have ended, and the panes that only they needed.
func (t *foldTable) dropEnded() error {
	if !t.shape.buckets {
		return nil
	}
	dropped := false
	for _, w := range slices.Sorted(maps.Keys(t.views)) {
		v := t.views[w]
		if v.end <= t.closed {
			if err := t.takeWindowChanges(v); err != nil {
				return err
			}
			t.dropView(v)
			dropped = true
		}
	}
	if !dropped {
		return nil
	}
	kept := t.panes[:0]
	for _, p := range t.panes {
		if t.lastWindowEnd(p.leave) > t.closed {
			kept = append(kept, p)
			continue
		}
		t.f.state.delete(t.paneKey(p), p.stored)
	}
	t.panes = kept
	return nil
}

func (t *foldTable) dropView(v *view) {
	if v.rows.stored || v.rows.writes { // also when the flush in flight is the first to hold its rows
		t.f.state.locals = append(t.f.state.locals, Write{Key: v.rows.prefix, To: prefixEnd(v.rows.prefix), Local: true})
	}
	delete(t.views, v.window)
}

// keep remembers the entries of a closed pane, in records of about maxFrameBytes; one of more than
// defaultMaxRecord holds a single entry.
func (t *foldTable) keep(enter int64, kept keeper) {
	for leave, entries := range kept {
		part := t.nextPart(leave, enter)
		for start := entries; len(start) > 0; part++ {
			r := reader{b: start}
			n := 0
			for len(r.b) > 0 && n < t.f.frameBytes {
				if r.entry(); n > 0 && len(start)-len(r.b) > defaultMaxRecord {
					break
				}
				n = len(start) - len(r.b)
			}
			ref := paneRef{leave: leave, enter: enter, part: part}
			t.f.state.put(t.paneKey(ref), append([]byte(nil), start[:n]...))
			t.insertPane(ref)
			start = start[n:]
		}
	}
}

// nextPart is the number of the next record of a pane's entries.
func (t *foldTable) nextPart(leave, enter int64) int64 {
	i := t.findPane(paneRef{leave: leave, enter: enter, part: math.MaxInt64})
	if i > 0 && t.panes[i-1].leave == leave && t.panes[i-1].enter == enter {
		return t.panes[i-1].part + 1
	}
	return 0
}

// findPane is the place of the first record that is not before ref.
func (t *foldTable) findPane(ref paneRef) int {
	return sort.Search(len(t.panes), func(i int) bool {
		p := t.panes[i]
		return p.leave > ref.leave || p.leave == ref.leave && (p.enter > ref.enter || p.enter == ref.enter && p.part >= ref.part)
	})
}

func (t *foldTable) insertPane(ref paneRef) {
	t.panes = slices.Insert(t.panes, t.findPane(ref), ref)
}

func (t *foldTable) paneKey(p paneRef) []byte {
	k := appendOrdered(t.prefix(kindPane), p.leave)
	k = appendOrdered(k, p.enter)
	return appendOrdered(k, p.part)
}
