package local

import (
	"errors"
	"fmt"
	"slices"

	"penstock/engine/core"
	"penstock/engine/format"
)

// A process of the simulator does what the engine does in one: it is a member of the groups, reads
// where its partitions were committed, catches its stores up from the changelog, gathers flushes
// and commits them in transactions, one on its way at a time, and after any error forgets what is
// in memory and begins again.

type proc struct {
	id       int
	alive    bool
	paused   bool // stopped by the system; it knows nothing of what happens meanwhile
	disk     disk
	sessions map[*group]*session
}

// session is an assignment of partitions in one generation of a group.
type session struct {
	sim    *sim
	proc   *proc
	group  *group
	gen    int
	claims []int32
	router *core.Router // route
	folds  []*foldSession
	flight *flight
}

type foldSession struct {
	number       int32
	fold         *core.Fold
	store        localStore
	frames, loop int64 // next offsets
	flushes      int
}

// rest makes the core give back what it only keeps to be quick, every now and then: whether a flush
// is on its way or not, that must change nothing. No draw decides, so that seeds stay what they are.
func (f *foldSession) rest(when int) error {
	if f.flushes%5 != when {
		return nil
	}
	return f.fold.Rest()
}

// flight is a flush on its way.
type flight struct {
	tx      *txn
	applied func() error // what the process does when it has the acknowledgement
}

// errCrashed ends what a process was doing.
var errCrashed = errors.New("crashed")

// join begins a session with the given partitions.
func (s *sim) join(p *proc, g *group, claims []int32) error {
	x := &session{sim: s, proc: p, group: g, gen: g.gen, claims: claims}
	p.sessions[g] = x
	if g.stream != nil {
		return x.beginRoute()
	}
	return x.beginFold()
}

func (x *session) beginRoute() error {
	s, st := x.sim, x.group.stream
	x.router = core.NewRouter(s.plan, st.plan, s.folds, int32(x.group.parts))
	x.router.SetFrameBytes(s.frameBytes)
	if slices.Contains(x.claims, 0) {
		x.claims = append(x.claims, core.Replayed)
	}
	for _, n := range x.claims {
		at := x.group.at(n)
		if at.known {
			pos, err := core.ParsePosition(at.offset, at.metadata)
			if err != nil {
				return err
			}
			if _, err := x.router.Assign(n, pos); err != nil {
				return err
			}
			continue
		}
		part, err := x.router.Assign(n, core.Start(0))
		if err != nil {
			return err
		}
		if high, ok := x.group.highestClock(); ok {
			part.MoveClock(high, core.DecisionJoin)
		}
	}
	return nil
}

// highestClock is the highest of the committed clocks.
func (g *group) highestClock() (high int64, ok bool) {
	for _, at := range g.offsets[:g.parts] {
		if !at.known {
			continue
		}
		pos, err := core.ParsePosition(at.offset, at.metadata)
		if err == nil && pos.Started && (!ok || pos.Clock > high) {
			high, ok = pos.Clock, true
		}
	}
	return high, ok
}

func (x *session) beginFold() error {
	for _, n := range x.claims {
		at := x.group.offsets[n]
		f := &foldSession{number: n, frames: at.offset, loop: at.loop, store: x.proc.disk.part(n)}
		if err := x.recover(f); err != nil {
			return err
		}
		if err := x.sim.checkStore(f.number, f.store); err != nil {
			return fmt.Errorf("recovered: %w", err)
		}
		var err error
		if f.fold, err = core.NewFold(x.sim.plan, n, x.sim.folds, f.store); err != nil {
			return fmt.Errorf("load fold partition %d: %w", n, err)
		}
		f.fold.SetFrameBytes(x.sim.frameBytes)
		if x.sim.tiny {
			f.fold.SetLimits(x.sim.limits[0], x.sim.limits[1], x.sim.limits[2])
		}
		x.folds = append(x.folds, f)
	}
	return nil
}

// retention is how long compaction keeps a tombstone.
const retention = 1000 * 1_000_000

// recover catches a store up with its changelog, from its own offset or from nothing. It may be
// interrupted; what was applied stays.
func (x *session) recover(f *foldSession) error {
	s, log := x.sim, x.sim.changelog[f.number]
	log.append(entry{key: []byte(sentinel), value: []byte{}})
	end := log.next
	from, ok := f.store.Offset()
	if ok && (from >= end || s.wall-f.store.Written() > retention/2) {
		if err := f.store.Wipe(); err != nil {
			return err
		}
		ok = false
	}
	asOf := f.store.Written()
	if !ok {
		from, asOf = -1, s.wall
	}
	s.event("recover %d part %d from %d of %d, wall %d asOf %d", x.proc.id, f.number, from, end, s.wall/1e6, asOf/1e6)
	var batch []core.Write
	last := from
	limit := 1 + s.r.IntN(200)
	apply := func() error {
		if last == from {
			return nil
		}
		err := f.store.Apply(batch, last, asOf)
		batch, from = nil, last
		return err
	}
	for {
		e, ok := log.read(last + 1)
		if !ok {
			break
		}
		last = e.offset
		if string(e.key) != sentinel {
			batch = append(batch, core.Write{Key: e.key, Value: e.value})
		}
		if len(batch) >= limit {
			if err := apply(); err != nil {
				return err
			}
			if s.faults && s.r.IntN(40) == 0 {
				return errCrashed
			}
		}
	}
	if last < end-1 {
		return fmt.Errorf("changelog %d: recovered to %d, it ends at %d", f.number, last, end)
	}
	asOf = s.wall
	return apply()
}

const sentinel = "\x00recovery"

// feed hands route some records of one partition.
func (x *session) feedRoute(n int32, count int) (int, error) {
	s, st := x.sim, x.group.stream
	part := x.router.Partition(n)
	pos := part.Position().Offset
	log, end := st.records(n)
	i, _ := slices.BinarySearchFunc(log, pos, func(r format.Record, at int64) int { return int(r.Offset - at) })
	recs := log[i:min(len(log), i+count)]
	if len(recs) == 0 {
		if pos < end && s.r.IntN(2) == 0 {
			part.Skip(end)
		}
		return 0, nil
	}
	// Route may keep nothing of what it is lent.
	lent := make([]format.Record, len(recs))
	for k, r := range recs {
		lent[k] = r
		lent[k].Value, lent[k].Key = slices.Clone(r.Value), slices.Clone(r.Key)
	}
	var err error
	if n == core.Replayed {
		err = x.router.Replay(lent, x.lead(), s.wall)
	} else {
		err = part.Rows(lent, s.wall)
	}
	for k := range lent {
		scribble(lent[k].Value)
		scribble(lent[k].Key)
	}
	return len(recs), err
}

// lead is the highest clock of the others, as committed; sometimes nobody has looked.
func (x *session) lead() core.Lead {
	if x.sim.r.IntN(3) == 0 {
		return core.Lead{}
	}
	high, ok := x.group.highestClock()
	return core.Lead{Clock: high, Started: ok}
}

func scribble(b []byte) {
	for i := range b {
		b[i] = 0xAA
	}
}

// feedFold hands a fold partition some records of its frames or its loop.
func (x *session) feedFold(f *foldSession, loop bool, count int) (int, error) {
	topic, next, feed := x.sim.frames[f.number], &f.frames, f.fold.Frame
	if loop {
		topic, next, feed = x.sim.loop[f.number], &f.loop, f.fold.Loop
	}
	if *next < topic.start && x.gen != x.group.gen { // others went on and deleted what they had read
		x.abandon()
		x.end()
		return 0, nil
	}
	n := 0
	for ; n < count; n++ {
		e, ok := topic.read(*next)
		if !ok || !loop && f.fold.Stalled() {
			break
		}
		value := slices.Clone(e.value)
		if err := feed(value); err != nil {
			return n, fmt.Errorf("fold partition %d, %s @ %d: %w", f.number, topic.name, e.offset, err)
		}
		scribble(value)
		*next = e.offset + 1
	}
	return n, nil
}

// take ends the flush that was gathered and puts it into a transaction.
func (x *session) take() error {
	if x.flight != nil {
		return nil
	}
	tx := &txn{group: x.group, gen: x.gen, owner: x}
	var err error
	if x.group.stream != nil {
		x.takeRoute(tx)
	} else {
		err = x.takeFold(tx)
	}
	if x.flight != nil {
		x.group.open = append(x.group.open, tx)
	}
	return err
}

func (x *session) takeRoute(tx *txn) {
	s, g := x.sim, x.group
	flush := x.router.Take()
	if flush.Empty() {
		return
	}
	done := &routed{stream: g.stream.plan.Name, at: map[int32]appliedAt{}}
	last := map[int32]int{} // the part of a split frame that has the offsets
	for i, m := range flush.Frames {
		last[m.Partition] = i
	}
	for i, m := range flush.Frames {
		e := entry{value: m.Value}
		if last[m.Partition] == i {
			e.flush = done
		}
		tx.write(s.frames[m.Partition], e)
	}
	tx.apply = func() error { return s.routeCommitted(g, flush, done) }
	x.flight = &flight{tx: tx, applied: func() error { return nil }}
}

func (x *session) takeFold(tx *txn) error {
	s := x.sim
	type part struct {
		f            *foldSession
		writes       []core.Write
		last         int64
		frames, loop int64
	}
	var parts []part
	var results []core.Output
	for _, f := range x.folds {
		out, err := f.fold.Take()
		if err != nil {
			return fmt.Errorf("fold partition %d: take: %w", f.number, err)
		}
		if out.Empty() {
			continue
		}
		p := part{f: f, writes: out.Writes, last: -1, frames: f.frames, loop: f.loop}
		for _, w := range out.Writes {
			if !w.Local {
				p.last = tx.write(s.changelog[f.number], entry{key: w.Key, value: w.Value})
			}
		}
		if p.last < 0 {
			return fmt.Errorf("fold partition %d: a flush has nothing for the changelog", f.number)
		}
		for _, m := range out.Loop {
			tx.write(s.loop[m.Partition], entry{value: m.Value})
		}
		results = append(results, out.Results...)
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil
	}
	tx.apply = func() error {
		for _, p := range parts {
			if err := s.foldCommitted(p.f.number, p.writes, p.frames, p.loop); err != nil {
				return err
			}
		}
		return s.publish(results)
	}
	applied := func() error {
		for _, p := range parts {
			if s.faults && s.r.IntN(60) == 0 {
				return errCrashed // some partitions have the flush, others do not
			}
			if err := p.f.store.Apply(p.writes, p.last, s.wall); err != nil {
				return err
			}
			if err := s.checkApplied(p.f); err != nil {
				return err
			}
			p.f.flushes++
			if err := p.f.rest(1); err != nil {
				return err
			}
			if err := p.f.fold.Committed(); err != nil {
				return fmt.Errorf("fold partition %d: committed: %w", p.f.number, err)
			}
			if err := p.f.rest(3); err != nil {
				return err
			}
		}
		return nil
	}
	x.flight = &flight{tx: tx, applied: applied}
	return nil
}

// resolve ends the flush on its way. Everything but an acknowledged commit ends the session.
func (x *session) resolve() error {
	f := x.flight
	if f == nil {
		return nil
	}
	s := x.sim
	x.flight = nil
	outcome := 0
	if s.faults {
		outcome = s.r.IntN(s.chances.resolve)
	}
	switch outcome {
	case 1: // some step of it failed, and it was aborted
		s.event("abort %s proc %d", x.group.name, x.proc.id)
		f.tx.abort()
		x.end()
		return nil
	case 2: // committed, but nobody says so: what is in memory cannot be trusted
		s.event("lost ack %s proc %d", x.group.name, x.proc.id)
		err := f.tx.commit()
		x.end()
		if errors.Is(err, errFenced) {
			return nil
		}
		return err
	}
	err := f.tx.commit()
	if errors.Is(err, errFenced) {
		s.event("fenced %s proc %d", x.group.name, x.proc.id)
		s.fenced++
		x.end()
		return nil
	}
	if err != nil {
		return err
	}
	s.event("commit %s proc %d", x.group.name, x.proc.id)
	return f.applied()
}

// end forgets the session: its process begins again at the next rebalance.
func (x *session) end() {
	if x.proc.sessions[x.group] == x {
		delete(x.proc.sessions, x.group)
	}
}

// cleanup is what a member does when its session is over: it finishes the flush in flight and
// makes a last one.
func (x *session) cleanup() error {
	for range 2 {
		if err := x.resolve(); err != nil {
			return err
		}
		if x.proc.sessions[x.group] != x {
			return nil
		}
		if err := x.take(); err != nil {
			return err
		}
	}
	return x.resolve()
}
