package local

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/plan"
)

// Options of a Cluster. The zero value is one fold partition.
type Options struct {
	Folds int // table partitions, default 1
	// Tiny makes every fold partition keep next to nothing in memory: flushes of a few rows, caches
	// of a few rows, open panes always spilled.
	Tiny bool
	// Processes that share the source partitions, default 1.
	Processes int
}

// Cluster is an application with all its topics. It belongs to one goroutine.
type Cluster struct {
	plan     *plan.Plan
	folds    int
	tiny     bool
	Wall     int64 // the wall clock, microseconds; the caller moves it
	sources  map[string][]*source
	replayed map[string]*source        // the replayed partition of each stream; it goes with partition 0
	routers  map[string][]*core.Router // by process
	procs    int
	turn     int // source partition n belongs to process (n + turn) modulo procs
	fold     []*foldPart
	// What was published, as a consumer that reads only committed records sees it.
	Results   []core.Output
	Rejects   []core.Reject
	Decisions []core.Decision
}

// source is a source partition: its log, and what route committed of it.
type source struct {
	log       []format.Record
	committed core.Position
	route     *core.RoutePartition
	read      int // records given to route
}

// foldPart is a fold partition: its inputs, its changelog and its local store.
type foldPart struct {
	frames, loop       [][]byte
	frameAt, loopAt    int // read
	frameDone, loopEnd int // committed
	store, changelog   Store
	fold               *core.Fold
}

// New starts a plan over source topics with the given numbers of partitions (1 where none is given).
func New(p *plan.Plan, partitions map[string]int, o Options) (*Cluster, error) {
	c := &Cluster{plan: p, folds: max(1, o.Folds), tiny: o.Tiny, procs: max(1, o.Processes),
		sources: map[string][]*source{}, replayed: map[string]*source{}}
	for _, s := range p.Streams {
		c.replayed[s.Name] = &source{committed: core.Start(0)}
		for range max(1, partitions[s.Name]) {
			c.sources[s.Name] = append(c.sources[s.Name], &source{committed: core.Start(0)})
		}
	}
	for range c.folds {
		c.fold = append(c.fold, &foldPart{store: Store{}, changelog: Store{}})
	}
	return c, c.Restart()
}

// Restart begins again from what was committed: everything in memory is lost.
func (c *Cluster) Restart() error {
	c.routers = map[string][]*core.Router{}
	for _, s := range c.plan.Streams {
		for range c.procs {
			c.routers[s.Name] = append(c.routers[s.Name], core.NewRouter(c.plan, s, c.folds, int32(len(c.sources[s.Name]))))
		}
		for _, n := range c.numbers(s.Name) {
			if err := c.assign(s.Name, n); err != nil {
				return err
			}
		}
	}
	for n := range c.fold {
		if err := c.load(n); err != nil {
			return err
		}
	}
	return nil
}

// numbers lists the source partitions of a stream, the replayed one last.
func (c *Cluster) numbers(stream string) []int32 {
	var list []int32
	for n := range c.sources[stream] {
		list = append(list, int32(n))
	}
	return append(list, core.Replayed)
}

// source is a source partition by its number.
func (c *Cluster) source(stream string, n int32) *source {
	if n == core.Replayed {
		return c.replayed[stream]
	}
	return c.sources[stream][n]
}

// assign gives a source partition to its process, at its committed position.
func (c *Cluster) assign(stream string, n int32) (err error) {
	src := c.source(stream, n)
	src.route, err = c.router(stream, n).Assign(n, src.committed)
	src.read = int(src.committed.Offset)
	return err
}

// router is that of the process which a source partition belongs to.
func (c *Cluster) router(stream string, n int32) *core.Router {
	return c.routers[stream][(max(0, int(n))+c.turn)%c.procs]
}

// load begins with a fold partition at what was committed.
func (c *Cluster) load(n int) (err error) {
	f := c.fold[n]
	if f.fold, err = core.NewFold(c.plan, int32(n), c.folds, f.store); err != nil {
		return fmt.Errorf("partition %d: %w", n, err)
	}
	if c.tiny {
		f.fold.SetLimits(4, 2, 1)
	}
	f.frameAt, f.loopAt = f.frameDone, f.loopEnd
	return nil
}

// Rebalance moves every source partition to the next process, which begins at what the one
// before committed when it let go, and every fold partition to one that recovers it from its changelog.
func (c *Cluster) Rebalance() error {
	for _, s := range c.plan.Streams {
		c.FlushRoute(s.Name)
		for _, n := range c.numbers(s.Name) {
			c.router(s.Name, n).Revoke(n)
		}
	}
	c.turn++
	for _, s := range c.plan.Streams {
		for _, n := range c.numbers(s.Name) {
			if err := c.assign(s.Name, n); err != nil {
				return err
			}
		}
	}
	for n, f := range c.fold {
		if err := c.FlushFold(n, 0, true); err != nil {
			return err
		}
		f.store = maps.Clone(f.changelog)
		if err := c.load(n); err != nil {
			return err
		}
	}
	return nil
}

// Reader reads the tables of a fold partition, as committed.
func (c *Cluster) Reader(fold int) (*core.Reader, error) {
	return core.NewReader(c.plan, int32(fold), c.folds, c.fold[fold].store)
}

// Lose empties the local store of a fold partition and recovers it from the changelog.
func (c *Cluster) Lose(fold int) error {
	c.fold[fold].store = maps.Clone(c.fold[fold].changelog)
	return c.Restart()
}

// Folds returns the number of fold partitions.
func (c *Cluster) Folds() int { return c.folds }

// Append adds a record to a source partition. Its offset is set.
func (c *Cluster) Append(stream string, partition int, r format.Record) {
	s := c.sources[stream][partition]
	r.Offset = int64(len(s.log))
	s.log = append(s.log, r)
}

// Read gives route up to n records of a source partition, and returns how many there were.
func (c *Cluster) Read(stream string, partition, n int) (int, error) {
	s := c.sources[stream][partition]
	n = min(n, len(s.log)-s.read)
	if n == 0 {
		return 0, nil
	}
	err := s.route.Rows(s.log[s.read:s.read+n], c.Wall)
	s.read += n
	return n, err
}

// AppendReplayed adds a record to the replayed partition of a stream. Its offset is set.
func (c *Cluster) AppendReplayed(stream string, r format.Record) {
	s := c.replayed[stream]
	r.Offset = int64(len(s.log))
	s.log = append(s.log, r)
}

// Replay gives route up to n replayed records of a stream, and returns how many there were.
func (c *Cluster) Replay(stream string, n int) (int, error) {
	s := c.replayed[stream]
	n = min(n, len(s.log)-s.read)
	if n == 0 {
		return 0, nil
	}
	others := map[int32]core.Position{}
	for p, src := range c.sources[stream] {
		others[int32(p)] = src.committed
	}
	err := c.router(stream, core.Replayed).Replay(s.log[s.read:s.read+n], core.LeadOf(others), c.Wall)
	s.read += n
	return n, err
}

// FlushRoute commits what route has gathered of a stream.
func (c *Cluster) FlushRoute(stream string) {
	for _, r := range c.routers[stream] {
		flush := r.Take()
		for n, pos := range flush.Positions {
			c.source(stream, n).committed = reread(pos)
		}
		for _, m := range flush.Frames {
			f := c.fold[m.Partition]
			f.frames = append(f.frames, m.Value)
		}
		c.Rejects = append(c.Rejects, flush.Rejects...)
		c.Decisions = append(c.Decisions, flush.Decisions...)
	}
}

// reread passes a position through the form in which it is committed.
func reread(p core.Position) core.Position {
	q, err := core.ParsePosition(p.Offset, p.Metadata())
	if err != nil {
		panic(err)
	}
	return q
}

// Feed gives a fold partition up to n records of its frames and loop.
func (c *Cluster) Feed(fold, n int) error {
	f := c.fold[fold]
	for ; n > 0 && f.frameAt < len(f.frames) && !f.fold.Stalled(); n-- {
		if err := f.fold.Frame(f.frames[f.frameAt]); err != nil {
			return err
		}
		f.frameAt++
	}
	for ; n > 0 && f.loopAt < len(f.loop); n-- {
		if err := f.fold.Loop(f.loop[f.loopAt]); err != nil {
			return err
		}
		f.loopAt++
	}
	return nil
}

// FlushFold commits what a fold partition did. With commit false the transaction is lost
// (the caller restarts); between what was taken and its commit, more is fed.
func (c *Cluster) FlushFold(fold int, feed int, commit bool) error {
	f := c.fold[fold]
	frameAt, loopAt := f.frameAt, f.loopAt
	flush, err := f.fold.Take()
	if err != nil {
		return err
	}
	if err := c.Feed(fold, feed); err != nil || !commit {
		return err
	}
	f.frameDone, f.loopEnd = frameAt, loopAt
	for _, w := range flush.Writes {
		if !w.Local {
			f.changelog.Apply([]core.Write{w})
		}
	}
	f.store.Apply(flush.Writes)
	for _, m := range flush.Loop {
		to := c.fold[m.Partition]
		to.loop = append(to.loop, m.Value)
	}
	c.Results = append(c.Results, flush.Results...)
	return f.fold.Committed()
}

// Settle reads, routes, folds and publishes until nothing is left to do.
func (c *Cluster) Settle() error {
	for moved := true; moved; {
		moved = false
		for _, s := range c.plan.Streams {
			for n := range c.sources[s.Name] {
				got, err := c.Read(s.Name, n, 1<<20)
				if err != nil {
					return err
				}
				moved = moved || got > 0
			}
			got, err := c.Replay(s.Name, 1<<20)
			if err != nil {
				return err
			}
			moved = moved || got > 0
			c.FlushRoute(s.Name)
		}
		for n, f := range c.fold {
			if err := c.Feed(n, 1<<30); err != nil {
				return err
			}
			moved = moved || f.fold.Changed()
			if err := c.FlushFold(n, 0, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// MoveClock moves the clock of a source partition by a decision.
func (c *Cluster) MoveClock(stream string, partition int, to int64, kind string) bool {
	return c.sources[stream][partition].route.MoveClock(to, kind)
}

// End ends the input as --exit-when-caught-up does: when everything is read, all clocks of a
// stream move to the end of the last window of any metric that holds a row.
func (c *Cluster) End() error {
	if err := c.Settle(); err != nil {
		return err
	}
	for _, s := range c.plan.Streams {
		var all []core.Position
		for _, n := range c.numbers(s.Name) {
			all = append(all, c.source(s.Name, n).route.Position())
		}
		to, ok := core.EndOfInput(all)
		if !ok {
			continue
		}
		for n := range c.sources[s.Name] {
			c.MoveClock(s.Name, n, to, core.DecisionEnd)
		}
		c.FlushRoute(s.Name)
	}
	return c.Settle()
}

// Fold returns a fold partition's state machine, for what it tells about itself.
func (c *Cluster) Fold(n int) *core.Fold { return c.fold[n].fold }

// Shuffle does n random steps: reads, flushes, feeds in any order, and now and then a crash.
// crash is the chance of one per step. Everything it does is drawn from r.
func (c *Cluster) Shuffle(r *rand.Rand, n int, crash float64) error {
	for range n {
		if err := c.step(r, crash); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) step(r *rand.Rand, crash float64) error {
	if r.Float64() < crash {
		if r.IntN(3) == 0 {
			return c.Lose(r.IntN(c.folds))
		}
		return c.Restart()
	}
	s := c.plan.Streams[r.IntN(len(c.plan.Streams))].Name
	fold := r.IntN(c.folds)
	switch r.IntN(6) {
	case 0, 1:
		if r.IntN(8) == 0 {
			_, err := c.Replay(s, 1+r.IntN(10))
			return err
		}
		_, err := c.Read(s, r.IntN(len(c.sources[s])), 1+r.IntN(40))
		return err
	case 2:
		c.FlushRoute(s)
	case 3, 4:
		return c.Feed(fold, 1+r.IntN(5))
	case 5:
		commit := r.Float64() >= crash
		if err := c.FlushFold(fold, r.IntN(4), commit); err != nil || commit {
			return err
		}
		return c.Restart()
	}
	return nil
}

// Streams lists the streams' names.
func (c *Cluster) Streams() []string { return slices.Sorted(maps.Keys(c.sources)) }

// Position is where route stands in a source partition, flushed or not.
func (c *Cluster) Position(stream string, partition int) core.Position {
	return c.sources[stream][partition].route.Position()
}
