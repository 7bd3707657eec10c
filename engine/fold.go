package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	gokastorage "github.com/lovoo/goka/storage"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/storage"
)

// tableState is the name of the fold's state in the store.
const tableState = "fold"

// foldLogic is the stage that owns the tables: it feeds frames and shares to the core's fold
// partitions, and commits their changes, shares and results with the offsets they were made
// from. Only what is committed goes into the store.
type foldLogic struct {
	life    *life
	engine  *Engine
	names   names
	results *resultPartitions

	mu       sync.Mutex
	recovery *recovery
	parts    map[int32]*foldPart
}

// foldPart is an assigned fold partition.
type foldPart struct {
	number int32
	local  *storage.Partition

	mu     sync.Mutex // guards what follows; not held while the store is written
	core   *core.Fold
	frames int64 // next offset of its frames
	loop   int64 // next offset of its loop
	bytes  int   // taken in since the last flush
	rows   int   // changed since then
	over   bool
	failed error      // of the core, which is half way through a record then: none of it may be committed
	moved  *sync.Cond // the core may no longer be stalled, or it is over
}

// errHalfTaken is what is wrong with a core that a panic has left.
var errHalfTaken = errors.New("a record was left half taken")

func newFoldPart(number int32, local *storage.Partition) *foldPart {
	p := &foldPart{number: number, local: local}
	p.moved = sync.NewCond(&p.mu)
	return p
}

func newFoldStage(e *Engine) *stage {
	n := names{e.opts.App}
	s := e.newStage(n.FoldGroup(), false, func(l *life) logic {
		f := &foldLogic{life: l, engine: e, names: n, results: newResultPartitions(e.cluster), parts: map[int32]*foldPart{}}
		e.setFold(f)
		return f
	})
	// A row of a frame becomes a record, a row in memory and one in the store's: half of what route
	// holds is more memory than that.
	s.limit = newFlushLimit(max(leastFlush, e.opts.FlushBytes/2), e.opts.TransactionTimeout)
	s.onCommit = func(f flushRecords, _ flushTimes) {
		e.trimmer.committed(f.offsets)
		e.emitted(f.records)
	}
	return s
}

func (f *foldLogic) graph() *goka.GroupGraph {
	return goka.DefineGroup(goka.Group(f.names.FoldGroup()),
		goka.Input(goka.Stream(f.names.Frames()), new(codec.Bytes), func(ctx goka.Context, msg any) { f.message(ctx, msg, false) }),
		goka.Loop(new(codec.Bytes), func(ctx goka.Context, msg any) { f.message(ctx, msg, true) }),
		goka.Persist(new(codec.Bytes)))
}

// maxStateAge is half of the changelog's delete.retention.ms: local state that is older may have
// missed the deletion of a key whose tombstone is gone.
const maxStateAge = 84 * time.Hour

func (f *foldLogic) table() gokastorage.Builder {
	return func(_ string, p int32) (gokastorage.Storage, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		part := f.parts[p]
		if part == nil {
			return nil, fmt.Errorf("fold partition %d is not assigned", p)
		}
		return f.storageOf(part), nil
	}
}

// storageOf is Goka's storage over a partition's table. f.mu is held.
func (f *foldLogic) storageOf(part *foldPart) *tableStorage {
	return &tableStorage{part: part.local, number: part.number, recovery: f.recovery, maxAge: maxStateAge, log: f.life.log}
}

// assign reads where the assigned partitions stand, and brings their tables there.
func (f *foldLogic) assign(ctx context.Context, s *session) error {
	if err := f.same(ctx); err != nil {
		return err
	}
	claims := s.Claims[f.names.Frames()]
	parts := map[int32]*foldPart{}
	for _, p := range claims {
		parts[p] = newFoldPart(p, f.engine.local().Partition(tableState, p))
	}
	for _, topic := range []string{f.names.Frames(), f.names.FoldLoop()} {
		at, err := f.life.cluster.committed(ctx, f.names.FoldGroup(), topic, claims, f.life.takeOver)
		if err != nil {
			return err
		}
		limits, err := f.life.cluster.bounds(ctx, topic)
		if err != nil {
			return err
		}
		for p, part := range parts {
			from := max(0, at[p].Offset)
			if err := checkStart(topic, p, from, limits[p]); err != nil {
				return err
			}
			s.start(topic, p, from)
			if topic == f.names.Frames() {
				part.frames = from
			} else {
				part.loop = from
			}
		}
	}
	r, err := startRecovery(s.ctx, f.life.cluster, f.names.FoldTable(), claims, time.Second)
	if err != nil {
		return err
	}
	tables := map[int32]*tableStorage{}
	f.mu.Lock()
	f.recovery, f.parts = r, parts // from now on it is told how far the recovery is
	for n, part := range parts {
		tables[n] = f.storageOf(part)
	}
	f.mu.Unlock()
	return r.restore(s.ctx, tables)
}

// same is an error if a topic that the stage reads on is another than when the engine began: local state
// would be dropped for an empty changelog, for instance.
func (f *foldLogic) same(ctx context.Context) error {
	return f.life.same(ctx, f.names.Frames(), f.names.FoldLoop(), f.names.FoldTable())
}

// begin loads the core's state from the recovered tables.
func (f *foldLogic) begin(ctx context.Context, _ *session) error {
	if err := f.same(ctx); err != nil {
		return err // they were recovered from another changelog
	}
	parts := f.assigned()
	for _, part := range parts {
		fold, err := core.NewFold(f.life.opts.Plan, part.number, f.life.opts.FoldPartitions, part.local)
		if err != nil {
			return stateError("load fold partition %d: %w", part.number, err)
		}
		fold.SetMemory(int(sharesOf(f.life.opts.Memory).fold) / len(parts))
		part.mu.Lock()
		part.core = fold
		part.mu.Unlock()
	}
	return nil
}

func (f *foldLogic) assigned() []*foldPart {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]*foldPart, 0, len(f.parts))
	for _, p := range f.parts {
		list = append(list, p)
	}
	return list
}

func (f *foldLogic) message(ctx goka.Context, msg any, loop bool) {
	f.mu.Lock()
	part := f.parts[ctx.Partition()]
	f.mu.Unlock()
	if part == nil {
		return
	}
	stalled, err := f.feed(part, msg.([]byte), string(ctx.Topic()), ctx.Offset(), loop)
	if err != nil {
		f.life.refuse(ctx, err)
	}
	if stalled {
		f.life.flusher.now()
	}
	f.life.flusher.grown()
}

// feed hands one record to the core, and says of which record an error is.
func (f *foldLogic) feed(part *foldPart, value []byte, topic string, offset int64, loop bool) (stalled bool, err error) {
	at := fmt.Sprintf("fold partition %d: %s/%d @ %d", part.number, topic, part.number, offset)
	err = f.life.guarded(at, func() (err error) {
		if stalled, err = part.take(value, offset, loop); err != nil {
			err = &coreError{fmt.Errorf("%s: %w", at, err)}
		}
		return err
	})
	return stalled, err
}

// take hands one record to the core. A frame waits while the core is stalled, which ends with
// the flushes that are committed meanwhile.
//
// A flush may be waiting for the lock, and come before the stage has ended because of an error. Half of a
// record in the changelog would count twice when the record is read again, or make it one that does not fit.
func (p *foldPart) take(value []byte, offset int64, loop bool) (stalled bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next, feed := &p.frames, p.core.Frame
	if loop {
		next, feed = &p.loop, p.core.Loop
	}
	for !loop && !p.over && p.core.Stalled() {
		p.moved.Wait()
	}
	if p.over || p.failed != nil || offset < *next {
		return false, p.failed
	}
	p.failed = errHalfTaken // unless feed returns
	if p.failed = feed(value); p.failed != nil {
		return false, p.failed
	}
	*next = offset + 1
	p.bytes += len(value)
	p.rows = p.core.Dirty()
	return p.core.Stalled(), nil
}

// rowBytes is what a changed row counts at least. The bytes of a frame say little about what follows from
// them: an entry of a dozen becomes a record, a write and a row in memory, which are hundreds.
const rowBytes = 48

func (f *foldLogic) pending() int {
	n := 0
	for _, p := range f.assigned() {
		p.mu.Lock()
		n += max(p.bytes, p.rows*rowBytes)
		p.mu.Unlock()
	}
	return n
}

// foldWrites is what one partition's part of a flush changes in the store.
type foldWrites struct {
	part   *foldPart
	writes []core.Write
	last   *kgo.Record // its last changelog record: where the store stands afterwards
}

func (f *foldLogic) take() (*work, error) {
	w := &work{}
	var changed []foldWrites
	topic := f.names.FoldTable() // of nearly all records
	for _, p := range f.assigned() {
		c, err := f.takePart(p, topic, w)
		if err != nil {
			return nil, &coreError{fmt.Errorf("fold partition %d: %w", p.number, err)}
		}
		if c.last != nil {
			changed = append(changed, c)
		}
	}
	if len(w.records) == 0 {
		return nil, nil
	}
	w.applied = func() error {
		stalled, err := applyFold(changed)
		if stalled {
			f.life.flusher.now()
		}
		return err
	}
	return w, nil
}

func (f *foldLogic) takePart(p *foldPart, topic string, w *work) (foldWrites, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := foldWrites{part: p}
	if p.failed != nil {
		return c, p.failed
	}
	out, err := p.core.Take()
	if err != nil || out.Empty() {
		return c, err
	}
	p.bytes, p.rows = 0, 0
	c.writes = out.Writes
	add := func(rec *kgo.Record) *kgo.Record {
		w.records = append(w.records, rec)
		w.bytes += len(rec.Key) + len(rec.Value)
		return rec
	}
	logged := 0
	for i := range out.Writes {
		if !out.Writes[i].Local {
			logged++
		}
	}
	recs := make([]kgo.Record, 0, logged) // one piece of memory
	w.records = slices.Grow(w.records, logged)
	for _, x := range out.Writes {
		if !x.Local {
			recs = append(recs, kgo.Record{Topic: topic, Partition: p.number, Key: x.Key, Value: x.Value})
			c.last = add(&recs[len(recs)-1])
		}
	}
	if c.last == nil {
		return c, fmt.Errorf("a flush of %d changes has none for the changelog", len(out.Writes))
	}
	for _, m := range out.Loop {
		add(&kgo.Record{Topic: f.names.FoldLoop(), Partition: m.Partition, Value: m.Value})
	}
	for _, r := range out.Results {
		// Its Kafka timestamp is when it is published, not the end of its interval: Kafka deletes
		// by timestamp, and results about last year would be gone minutes after they came.
		rec := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}
		if rec.Partition, err = f.results.of(f.life.ctx, rec); err != nil {
			return c, err
		}
		add(rec)
	}
	mark := ""
	if p.core.Stalled() {
		mark = core.StalledMark
	}
	// Both offsets, also an unmoved one: the transaction writes for this partition, and only a
	// committed offset makes Kafka check that it may.
	w.offsets = append(w.offsets,
		sourceOffset{Topic: f.names.Frames(), Partition: p.number, Offset: p.frames, Metadata: f.engine.streamMarks()},
		sourceOffset{Topic: f.names.FoldLoop(), Partition: p.number, Offset: p.loop, Metadata: mark})
	return c, nil
}

// applyFold brings committed changes into the store, and tells whether a partition needs another
// flush to go on.
func applyFold(changed []foldWrites) (stalled bool, err error) {
	for _, c := range changed {
		err = c.part.local.Apply(func(b *storage.Batch) error {
			for _, x := range c.writes {
				switch {
				case x.To != nil:
					b.DeleteRange(x.Key, x.To)
				case x.Value == nil:
					b.Delete(x.Key)
				default:
					b.Set(x.Key, x.Value)
				}
			}
			return nil
		}, c.last.Offset)
		if err != nil {
			return false, fmt.Errorf("store fold partition %d: %w", c.part.number, err)
		}
		c.part.mu.Lock()
		err = c.part.core.Committed()
		stalled = stalled || c.part.core.Stalled()
		c.part.moved.Broadcast()
		c.part.mu.Unlock()
		if err != nil {
			return false, fmt.Errorf("fold partition %d: %w", c.part.number, err)
		}
	}
	return stalled, nil
}

func (f *foldLogic) revoke() {
	for _, p := range f.assigned() {
		p.mu.Lock()
		p.over = true
		p.moved.Broadcast()
		p.mu.Unlock()
	}
}

func (f *foldLogic) release() {
	f.revoke() // lets go of whoever waits, also when the session ended with an error
	f.mu.Lock()
	r := f.recovery
	f.recovery, f.parts = nil, map[int32]*foldPart{}
	f.mu.Unlock()
	if r != nil {
		<-r.done
	}
}

// resultPartitions finds the partition of a result's record as Kafka's own producers do: by the
// murmur2 hash of its key.
type resultPartitions struct {
	cluster *cluster
	counts  map[string]int
	by      kgo.Partitioner
	topics  map[string]kgo.TopicPartitioner
}

func newResultPartitions(c *cluster) *resultPartitions {
	return &resultPartitions{cluster: c, counts: map[string]int{}, by: kgo.StickyKeyPartitioner(nil), topics: map[string]kgo.TopicPartitioner{}}
}

// of returns the partition of a record. One goroutine may call it.
func (r *resultPartitions) of(ctx context.Context, rec *kgo.Record) (int32, error) {
	n, ok := r.counts[rec.Topic]
	if !ok {
		states, err := r.cluster.describeTopics(ctx, []string{rec.Topic})
		if err != nil {
			return 0, err
		}
		if n = states[rec.Topic].partitions; n == 0 {
			return 0, fmt.Errorf("topic %q of results does not exist", rec.Topic)
		}
		r.counts[rec.Topic] = n
		r.topics[rec.Topic] = r.by.ForTopic(rec.Topic)
	}
	return int32(r.topics[rec.Topic].Partition(rec, n)), nil
}
