package core

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"penstock/query/plan"
	"penstock/query/row"
)

// Fold is one fold partition: it merges frames into the rows of its tables, closes panes when
// the clocks have passed them, sends its shares of every metric's results to the partitions that
// own the metrics, and publishes the results of those it owns itself.
//
// It is a state machine without goroutines, disk or clock: Frame and Loop take records in the
// order of their topics, Take returns what one transaction has to hold, Committed is called when
// that is durable. In between, more records may be taken. After an error it is of no more use.
type Fold struct {
	plan       *plan.Plan
	number     int32
	partitions int
	maxRecord  int
	state      *overlay
	loading    bool // rows may be in the store
	fresh      bool // the partition began with this life: nothing was in the store

	streams map[string]*sources
	tables  []*foldTable
	byName  map[string]*foldTable
	owners  map[string]*owner
	seq     int64 // of the last flush
	stalled bool  // a pane is half closed: it goes on when the flush is committed
	limits
	records map[openID][]*openRecord
	loop    map[int32][][]byte
	results []Output
	changed bool // since the last Take

	vals      []row.Value
	sortBuf   []byte
	scratches map[*foldTable]*groups
}

// Output is a record of a result.
type Output struct {
	Topic      string
	Key, Value []byte // a nil value: the row of EMIT CHANGES is gone
	Time       int64  // the record's timestamp, milliseconds
}

// FoldFlush is what one transaction of fold holds. All of it belongs to the receiver.
type FoldFlush struct {
	Writes  []Write
	Loop    []Message
	Results []Output
}

// Empty tells whether nothing happened since the last Take.
func (f *FoldFlush) Empty() bool { return len(f.Writes)+len(f.Loop)+len(f.Results) == 0 }

const defaultMaxRecord = 900 << 10

// NewFold restores a fold partition from its state.
func NewFold(p *plan.Plan, number int32, partitions int, store Store) (*Fold, error) {
	ids := map[id]string{}
	for _, t := range p.Tables {
		if other, ok := ids[idOf(t.Name)]; ok {
			return nil, fmt.Errorf("tables %s and %s have the same key in the state; rename one of them", other, t.Name)
		}
		ids[idOf(t.Name)] = t.Name
	}
	f := newFold(p, number, partitions, store)
	return f, f.load()
}

func newFold(p *plan.Plan, number int32, partitions int, store Store) *Fold {
	f := &Fold{plan: p, number: number, partitions: partitions, maxRecord: defaultMaxRecord, state: newOverlay(store),
		streams: map[string]*sources{}, byName: map[string]*foldTable{}, owners: map[string]*owner{},
		limits: defaultLimits, records: map[openID][]*openRecord{}, loop: map[int32][][]byte{}, scratches: map[*foldTable]*groups{}}
	for _, s := range p.Streams {
		f.streams[s.Name] = &sources{stream: s, parts: map[int32]*source{}}
	}
	for _, t := range p.Tables {
		ft := newFoldTable(f, t)
		f.tables, f.byName[t.Name] = append(f.tables, ft), ft
	}
	for _, m := range p.Metrics {
		if m.Emit != plan.EmitChanges && partitionOf(hashKey([]byte(m.Name)), partitions) == number {
			f.owners[m.Name] = newOwner(f, m)
		}
	}
	return f
}

// home tells whether the row of a table without GROUP BY is in this partition.
func (f *Fold) home() bool { return partitionOf(emptyKeyHash, f.partitions) == f.number }

func (f *Fold) sourcesOf(s *plan.Stream) *sources { return f.streams[s.Name] }

func (f *Fold) begunOf(s *plan.Stream) bool { return f.streams[s.Name].begun }

// scratch is a place to decode one row of a table.
func (f *Fold) scratch(t *foldTable) *groups {
	g := f.scratches[t]
	if g == nil {
		g = t.newRows()
		f.scratches[t] = g
	}
	return g
}

// newRows is memory for rows of the table.
func (t *foldTable) newRows() *groups {
	if t.trailing() {
		return newGroups(trailingAccs(t.plan.Aggs), false)
	}
	return newGroups(partialAccs(t.plan, t.counted()), false)
}

// Frame takes a record of the frames topic, unless the partition is Stalled. The value is not kept.
func (f *Fold) Frame(value []byte) error {
	if f.stalled {
		return errStalled
	}
	f.changed = true
	r := reader{b: value}
	name, named, err := r.frameHeader()
	if err != nil {
		return fmt.Errorf("frame: %w", err)
	}
	src := f.streams[name]
	if src == nil {
		return fmt.Errorf("frame of stream %s, which the query file does not have", name)
	}
	src.named = max(src.named, named)
	for r.bool() {
		if err := f.entries(&r); err != nil {
			return err
		}
	}
	for range r.count() {
		a := r.advance()
		if r.err != nil {
			break
		}
		if err := src.apply(&a); err != nil {
			return err
		}
	}
	if r.err != nil {
		return fmt.Errorf("frame of stream %s: %w", name, r.err)
	}
	return f.close(src)
}

func (f *Fold) entries(r *reader) error {
	name := string(r.bytes())
	t := f.byName[name]
	n := r.entryCount()
	for range n {
		before := r.b
		pair, key, partials := r.entry()
		if r.err != nil {
			break
		}
		if t == nil {
			continue // a table that the query file no longer has
		}
		if err := t.add(pair, key, partials, before[:len(before)-len(r.b)]); err != nil {
			return err
		}
	}
	if r.err != nil {
		return fmt.Errorf("frame: entries of table %s: %w", name, r.err)
	}
	return nil
}

// close makes what the clocks of a stream allow.
func (f *Fold) close(src *sources) error {
	f.stalled = false
	clock, ok := src.clock()
	if !ok {
		return nil
	}
	if !src.begun {
		src.begun = true
		first := src.firstClock()
		for _, t := range f.tables {
			if t.plan.Stream == src.stream {
				t.begin(first)
			}
		}
	}
	next := clock
	for _, t := range f.tables {
		if t.plan.Stream != src.stream {
			continue
		}
		if err := t.close(clock); err != nil {
			return err
		}
		f.stalled = f.stalled || t.closed < floorDiv(clock, t.shape.pane)
		for _, m := range t.metrics {
			next = min(next, m.next)
		}
	}
	src.forget(next)
	return f.publish()
}

func (f *Fold) publish() error {
	for _, m := range f.plan.Metrics {
		if o := f.owners[m.Name]; o != nil {
			if err := o.publish(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Changed tells whether there is something to take.
func (f *Fold) Changed() bool { return f.changed }

// Take ends the current flush and begins the next. Only one flush may be on its way.
func (f *Fold) Take() (*FoldFlush, error) {
	out := &FoldFlush{}
	if !f.changed {
		return out, nil
	}
	f.changed = false
	f.seq++
	for _, t := range f.tables {
		if err := t.takeChanges(); err != nil {
			return nil, err
		}
	}
	f.takeOpen()
	f.spillLargest()
	f.state.locals = slices.Grow(f.state.locals, f.dirty()+len(f.state.current)+2) // and two more records below
	for _, t := range f.tables {
		for _, v := range t.views {
			f.state.locals = v.rows.take(f.state.locals)
		}
		for i := range t.panes {
			t.panes[i].stored = true
		}
	}
	for _, o := range f.owners {
		o.take()
	}
	f.state.put([]byte{kindMeta}, f.meta())
	f.state.locals = append(f.state.locals, Write{Key: localSeqKey, Value: binary.AppendVarint(nil, f.seq), Local: true})
	out.Writes = f.state.take()
	for owner, list := range f.loop {
		for _, v := range list {
			out.Loop = append(out.Loop, Message{Partition: owner, Value: v})
		}
	}
	sort.SliceStable(out.Loop, func(i, j int) bool { return out.Loop[i].Partition < out.Loop[j].Partition })
	f.loop = map[int32][][]byte{}
	out.Results, f.results = f.results, nil
	return out, nil
}

// Committed tells that the last flush is in the store.
func (f *Fold) Committed() error {
	f.state.committed()
	for _, t := range f.tables {
		for _, v := range t.views {
			if err := v.rows.committed(); err != nil {
				return err
			}
		}
	}
	if err := f.shrinkRows(f.cacheBytes); err != nil {
		return err
	}
	return f.resume()
}

// Tally returns what became of a stream's records, by source partition, as far as this fold
// partition has applied it.
func (f *Fold) Tally(stream string) map[int32]Tally {
	out := map[int32]Tally{}
	s := f.streams[stream]
	for n, p := range s.parts {
		out[n] = p.tally.For(TablesOf(f.plan, s.stream))
	}
	return out
}

// Progress tells how far this partition is with a stream: the lowest clock of its source
// partitions, and whether the results of every metric it owns are published up to that clock.
func (f *Fold) Progress(stream string) (clock int64, published bool) {
	clock, ok := f.streams[stream].clock()
	if !ok {
		return noTime, false
	}
	for _, o := range f.owners {
		if o.plan.Read.Table.Stream.Name == stream && (!o.started || o.next <= o.grid.upTo(clock)) {
			if o.started || o.grid.after(f.streams[stream].firstClock()) <= clock {
				return clock, false
			}
		}
	}
	return clock, true
}
