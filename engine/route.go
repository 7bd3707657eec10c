package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	gokastorage "github.com/lovoo/goka/storage"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/rejects"
	"penstock/query/plan"
)

// routeLogic is the stage that reads a stream: it feeds the core's router with runs of records
// and commits its frames, decisions and rejects with the positions they were made from.
type routeLogic struct {
	life   *life
	stream *plan.Stream
	names  names
	step   int64 // the smallest pane of any table, microseconds: what idle moves are worth
	ends   *ends
	// stirred tells the keeper of the clocks that rows came. It holds one signal.
	stirred chan struct{}

	mu       sync.Mutex // guards what follows, not what it points to
	all      []int32    // the partitions of the stream's topic
	router   *core.Router
	sources  map[int32]*routeSource // empty when nothing is assigned
	replayed *routeSource           // nil unless partition 0 is assigned
	stopIdle context.CancelFunc
	idleDone chan struct{}
	last     []SourceStatus // what was assigned before; nil once something else is
}

// routeSource is an assigned source partition.
type routeSource struct {
	number int32
	mu     sync.Mutex // one caller of the core at a time
	core   *core.RoutePartition
	over   bool // the session is over: ignore what still comes

	limit atomic.Int64 // end of the partition when last asked
	held  atomic.Bool  // it ran ahead of the others and waits
}

func newRouteStage(e *Engine, s *plan.Stream) *stage {
	n := names{e.opts.App}
	return e.newStage(n.RouteGroup(s.Name), true, func(l *life) logic {
		r := &routeLogic{life: l, stream: s, names: n, step: smallestPane(e.opts.Plan, s), ends: e.ends, stirred: make(chan struct{}, 1), sources: map[int32]*routeSource{}}
		if before := e.route(s); before != nil {
			_, r.last = before.status()
		}
		e.setRoute(s.Name, r)
		return r
	})
}

func smallestPane(p *plan.Plan, s *plan.Stream) int64 {
	step := time.Second.Microseconds()
	for i, t := range core.TablesOf(p, s) {
		if pane := t.Pane.Microseconds(); pane > 0 && (i == 0 || pane < step) {
			step = pane
		}
	}
	return step
}

func (r *routeLogic) topic() string { return r.stream.Options.Topic }

func (r *routeLogic) graph() *goka.GroupGraph {
	return goka.DefineGroup(goka.Group(r.life.stage.group), goka.Input(goka.Stream(r.topic()), new(codec.Bytes), r.message))
}

func (r *routeLogic) table() gokastorage.Builder { return nil }

// assign reads where the assigned partitions stand and prepares the core for them.
func (r *routeLogic) assign(ctx context.Context, s *session) error {
	c := r.life.cluster
	claims := s.Claims[r.topic()]
	limits, err := c.bounds(ctx, r.topic())
	if err != nil {
		return err
	}
	for _, p := range claims {
		if _, known := limits[p]; !known { // it is new, and the broker that was asked has not heard of it
			return fmt.Errorf("source partition %s/%d: %w", r.topic(), p, kerr.UnknownTopicOrPartition)
		}
	}
	all := make([]int32, 0, len(limits))
	for p := range limits {
		all = append(all, p)
	}
	at, err := c.committed(ctx, r.life.stage.group, r.topic(), all, r.life.takeOver)
	if err != nil {
		return err
	}
	// The ends once more: that took until the transaction of whoever had the partitions before was over,
	// which may have read what came meanwhile. With the ends from before the topic would look cut.
	if limits, err = c.bounds(ctx, r.topic()); err != nil {
		return err
	}
	// A topic that was made again meanwhile has taken the offsets with it.
	if err := r.life.same(ctx, r.topic(), r.names.Replayed()); err != nil {
		return err
	}
	router := core.NewRouter(r.life.opts.Plan, r.stream, r.life.opts.FoldPartitions, int32(len(all)))
	router.SetFrameBytes(sharesOf(r.life.opts.Memory).frame)
	sources := map[int32]*routeSource{}
	for _, p := range claims {
		pos, joins, err := startPosition(r.topic(), at[p], limits[p])
		if err != nil {
			return err
		}
		s.start(r.topic(), p, pos.Offset)
		part, err := router.Assign(p, pos)
		if err != nil {
			return &StopError{Err: err, State: true}
		}
		if high, ok := highestClock(at); joins && ok {
			part.MoveClock(high, core.DecisionJoin)
			r.life.log.Info("source partition appeared", "stream", r.stream.Name, "partition", p)
		}
		sources[p] = &routeSource{number: p, core: part}
		sources[p].limit.Store(limits[p].End)
	}
	var replayed *routeSource
	if sources[0] != nil {
		if replayed, err = r.assignReplayed(ctx, router); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.router, r.all, r.sources, r.replayed, r.last = router, all, sources, replayed, nil
	return nil
}

// startPosition returns where a partition is read on from. One without a committed offset
// appeared after the application began, because all there were then have one (startGroup).
func startPosition(topic string, at sourceOffset, limits bounds) (pos core.Position, joins bool, err error) {
	if at.Offset == noOffset {
		return core.Start(limits.Start), true, nil
	}
	if err := checkStart(topic, at.Partition, at.Offset, limits); err != nil {
		return pos, false, err
	}
	pos, err = core.ParsePosition(at.Offset, at.Metadata)
	if err != nil {
		return pos, false, stateError("%s/%d: %w", topic, at.Partition, err)
	}
	return pos, false, nil
}

// highestClock returns the highest of the committed clocks.
func highestClock(at map[int32]sourceOffset) (int64, bool) {
	var high int64
	found := false
	for _, o := range at {
		pos, err := core.ParsePosition(o.Offset, o.Metadata)
		if err == nil && pos.Started && (!found || pos.Clock > high) {
			high, found = pos.Clock, true
		}
	}
	return high, found
}

// begin starts to look for idle partitions, and for new ones.
func (r *routeLogic) begin(_ context.Context, s *session) error {
	ctx, stop := context.WithCancel(s.ctx)
	done := make(chan struct{})
	r.mu.Lock()
	r.stopIdle, r.idleDone = stop, done
	r.mu.Unlock()
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		wg.Go(func() { r.life.watched("the clocks", func() { newClockKeeper(r).run(ctx) }) })
		wg.Go(func() { r.watchGrowth(ctx) })
		wg.Go(func() { r.life.watched("replayed rows", func() { r.watchReplayed(ctx) }) })
		wg.Wait()
	}()
	return nil
}

func (r *routeLogic) source(p int32) *routeSource {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sources[p]
}

// assigned returns the assigned source partitions.
func (r *routeLogic) assigned() []*routeSource {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*routeSource, 0, len(r.sources))
	for _, s := range r.sources {
		list = append(list, s)
	}
	return list
}

// message is Goka's callback for a run.
func (r *routeLogic) message(ctx goka.Context, msg any) {
	x, err := r.life.runs.take(msg.([]byte))
	if err != nil {
		r.life.refuse(ctx, err)
	}
	if s := r.source(ctx.Partition()); s != nil {
		if err := r.feed(s, x); err != nil {
			r.life.refuse(ctx, err)
		}
	}
	r.life.runs.done(x)
	select {
	case r.stirred <- struct{}{}:
	default:
	}
	r.life.flusher.grown()
}

// feed gives a run to the core. Any error of it is final.
func (r *routeLogic) feed(s *routeSource, x *run) error {
	where := func() string {
		return fmt.Sprintf("%s/%d, offsets %d to %d", r.topic(), s.number, x.records[0].Offset, x.records[len(x.records)-1].Offset)
	}
	defer r.life.tasks.end(r.life.tasks.begin(where, r.life.opts.Clock.Now()))
	return r.life.guardedAt(where, func() error {
		if err := s.rows(x, latestWall(r.life.began, r.life.opts.Clock.Now())); err != nil {
			return &StopError{Err: err}
		}
		return nil
	})
}

func (s *routeSource) rows(x *run, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	recs, from := x.records, s.core.Position().Offset
	for len(recs) > 0 && recs[0].Offset < from {
		recs = recs[1:] // behind a position that a session started from
	}
	return s.core.Rows(recs, now.UnixMicro())
}

func (r *routeLogic) pending() int {
	r.mu.Lock()
	router := r.router
	r.mu.Unlock()
	if router == nil {
		return 0
	}
	return router.Pending()
}

func (r *routeLogic) take() (*work, error) {
	r.mu.Lock()
	router := r.router
	r.mu.Unlock()
	flush := router.Take()
	if flush.Empty() {
		return nil, nil
	}
	w := &work{}
	add := func(rec *kgo.Record) {
		w.records = append(w.records, rec)
		w.bytes += len(rec.Key) + len(rec.Value)
	}
	for _, f := range flush.Frames {
		add(&kgo.Record{Topic: r.names.Frames(), Partition: f.Partition, Value: f.Value})
	}
	for _, d := range flush.Decisions {
		add(&kgo.Record{Topic: r.names.Decisions(), Key: []byte(d.Key()), Value: d.Value()})
	}
	for i := range flush.Rejects {
		rec, err := r.reject(&flush.Rejects[i])
		if err != nil {
			return nil, err
		}
		add(rec)
	}
	w.applied = r.tellRejects(w.records[len(w.records)-len(flush.Rejects):])
	for p, pos := range flush.Positions {
		o := sourceOffset{Offset: pos.Offset, Metadata: pos.Metadata()}
		if o.Topic, o.Partition = r.place(p); p != core.Replayed || pos.Offset > 0 {
			w.offsets = append(w.offsets, o)
		}
	}
	return w, nil
}

// tellRejects tells who wants to know of the rejects of a flush, when it is committed.
func (r *routeLogic) tellRejects(records []*kgo.Record) func() error {
	tell := r.life.opts.OnRejects
	if tell == nil || len(records) == 0 {
		return nil
	}
	return func() error {
		const few = 10
		rows := make([]rejects.Row, min(few, len(records)))
		for i := range rows {
			rows[i], _ = rejects.Of(records[i]) // what reject wrote
		}
		tell(rows, len(records))
		return nil
	}
}

// place is where the records of a source partition are.
func (r *routeLogic) place(p int32) (topic string, partition int32) {
	if p == core.Replayed {
		return r.names.Replayed(), 0
	}
	return r.topic(), p
}

// reject is a rejected row as a record. One that is larger than the topic takes is cut: a source topic
// may take more, and no row of it stops the stream.
func (r *routeLogic) reject(x *core.Reject) (*kgo.Record, error) {
	out := rejects.Row{
		Place: rejects.Place{Stream: x.Stream, Offset: x.Record.Offset}, Time: time.UnixMilli(x.Record.Time),
		Kind: x.Kind, Column: x.Column, Reason: x.Reason, Tables: strings.Join(x.Tables, ","), Definition: core.DefinitionOf(r.stream),
	}
	out.Topic, out.Partition = r.place(x.Partition)
	rec := &kgo.Record{Topic: r.names.Rejects(), Key: x.Record.Key, Value: x.Record.Value, Headers: out.Headers()}
	limits := r.life.topics.batchLimits()
	limit := batchLimit(limits, rec.Topic)
	if limits[rec.Topic] == 0 && recordBytes(rec) > limit {
		if err := r.life.topics.askLimits(r.life.ctx, rec.Topic); err != nil {
			return nil, fmt.Errorf("a rejected row of %d bytes: %w", len(rec.Value), err)
		}
		limit = batchLimit(r.life.topics.batchLimits(), rec.Topic)
	}
	if recordBytes(rec) > limit {
		out.Length = len(rec.Key) + len(rec.Value)
		rec.Headers = out.Headers()
		cut := func(b []byte) []byte { return b[:max(0, len(b)-max(0, recordBytes(rec)-limit))] }
		rec.Value = cut(rec.Value)
		rec.Key = cut(rec.Key)
	}
	return rec, nil
}

func (r *routeLogic) revoke() {
	r.mu.Lock()
	stop, done := r.stopIdle, r.idleDone
	r.stopIdle = nil
	r.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
	all := r.assigned()
	if s := r.replayedSource(); s != nil {
		all = append(all, s)
	}
	for _, s := range all {
		s.mu.Lock()
		s.over = true
		s.mu.Unlock()
	}
}

func (r *routeLogic) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life.ctx.Err() != nil {
		return // the end, not a rebalance: Status goes on to say how far it came
	}
	for _, s := range r.sources {
		r.last = append(r.last, s.status())
	}
	r.sources = map[int32]*routeSource{}
}

// status returns where the assigned partitions stand and, while none is assigned because Kafka is
// away or the group rebalances, where those stood that were.
func (r *routeLogic) status() (now, before []SourceStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sources {
		now = append(now, s.status())
	}
	byNumber := func(a, b SourceStatus) int { return int(a.Partition - b.Partition) }
	slices.SortFunc(now, byNumber)
	if len(now) == 0 {
		before = slices.SortedFunc(slices.Values(r.last), byNumber)
	}
	return now, before
}
