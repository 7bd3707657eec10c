package engine

import (
	"context"
	"slices"
	"time"

	"penstock/engine/core"
)

// clockKeeper sees to it that time goes on in a stream: it moves the clocks of source partitions
// that have nothing to say, and holds back those that run ahead of the slowest.
//
// Where time is Kafka's, an idle partition's clock is the wall clock less a slack. Where it is a
// column, it follows the highest clock of the stream's partitions less a slack; and when no
// partition has anything to say, that highest clock goes on with the wall clock.
type clockKeeper struct {
	route   *routeLogic
	last    map[int32]int64 // offset of each partition at the last look
	clocks  map[int32]int64 // clocks that have begun, of all partitions
	anchor  int64           // highest clock when last a row came
	since   time.Time       // when that was
	begun   bool
	foreign time.Time // when the positions of other processes were last read
	quiet   bool      // nothing came to any partition here between the last two looks, and none is held
	away    time.Time // when Kafka was last found to be away
	wall    *wallWatch
}

const (
	// keeperEvery is how often the clocks are looked at while rows come, or a move is due and not
	// possible yet. Else the next look is when a move would close a pane, or the next row comes.
	keeperEvery = 100 * time.Millisecond
	// foreignEvery is how often other processes' positions are read.
	foreignEvery = 500 * time.Millisecond
	// quietEvery is after what time it is looked in any case: the machine's clock may have been set.
	quietEvery = 5 * time.Second
	// returnSlack is how long no clock moves by itself after Kafka was away. Producers have kept
	// what they could not send, stamped with the time when they had it, and take a moment to
	// find the broker again: until then every partition looks idle, and what they send would
	// be late. Twice the second or two that clients wait at most between two tries.
	returnSlack = 5 * time.Second
	// leastSlack is how far an idle clock stays behind the wall clock in any case: records that
	// producers have stamped and not yet sent.
	leastSlack = 2 * time.Second
)

func newClockKeeper(r *routeLogic) *clockKeeper {
	k := &clockKeeper{route: r, last: map[int32]int64{}, clocks: map[int32]int64{}, wall: &r.life.stage.wall}
	if g := r.life.currentGroup(); g != nil {
		k.away = g.lastAway()
	}
	if r.life.stage.status().Restarts > 0 {
		k.away = r.life.opts.Clock.Now() // as likely as not that is why the stage begins again
	}
	return k
}

func (k *clockKeeper) run(ctx context.Context) {
	if k.route.life.opts.HoldClocks {
		return
	}
	clock := k.route.life.opts.Clock
	for {
		rows := k.route.stirred
		wait := k.wait(clock.Now())
		if !k.quiet {
			rows = nil // that they come is known: looks are counted by time
		}
		select {
		case <-ctx.Done():
			return
		case <-rows:
		case <-clock.After(wait):
		}
		select {
		case <-k.route.stirred: // of rows that this look sees
		default:
		}
		k.look(ctx, clock.Now())
	}
}

// wait is how long nothing is to be done unless a row comes.
func (k *clockKeeper) wait(now time.Time) time.Duration {
	if !k.quiet {
		return keeperEvery
	}
	least := quietEvery
	if k.route.shared() {
		least = foreignEvery
	}
	to, ok := k.target(now)
	if !ok {
		return least
	}
	step := k.route.step
	for _, s := range k.route.assigned() {
		pos := s.core.Position()
		due := (floorDiv(pos.Clock, step) + 1) * step
		if !pos.Started || due <= to {
			return keeperEvery // it was to be moved, and is not: it is not idle yet, or Kafka is away
		}
		least = min(least, time.Duration(due-to)*time.Microsecond)
	}
	return least
}

func (k *clockKeeper) look(ctx context.Context, now time.Time) {
	sources := k.route.assigned()
	away, known := k.route.ends.lastAway(k.route.topic())
	if away.After(k.away) {
		k.away = away
	}
	if step := k.wall.look(now); step != 0 {
		k.route.life.log.Warn("the clock of this machine was set", "by", step.Round(time.Millisecond), "not_believed", k.wall.doubt.Round(time.Millisecond))
	}
	quiet := k.observe(ctx, sources, now)
	k.hold(sources)
	to, ok := k.target(now)
	if !ok || !known || now.Sub(k.away) < returnSlack {
		return
	}
	moved := false
	for _, s := range quiet {
		if ctx.Err() != nil {
			return
		}
		moved = k.move(ctx, s, to) || moved
	}
	if moved {
		k.route.life.touched() // once: they belong into one flush
	}
}

// answered notes whether Kafka was away when it was asked at a time.
func (k *clockKeeper) answered(asked time.Time, err error) {
	if now := k.route.life.opts.Clock.Now(); err != nil || now.Sub(asked) > slowAnswer {
		k.away = now
	}
}

// observe notes where all partitions stand and returns the assigned ones from which nothing has
// come since the last look.
func (k *clockKeeper) observe(ctx context.Context, sources []*routeSource, now time.Time) []*routeSource {
	var quiet []*routeSource
	active := false
	see := func(p int32, pos core.Position) bool {
		last, seen := k.last[p]
		k.last[p] = pos.Offset
		if pos.Started {
			k.clocks[p] = pos.Clock
		}
		return seen && last == pos.Offset
	}
	own := map[int32]bool{}
	for _, s := range sources {
		own[s.number] = true
		if see(s.number, s.core.Position()) {
			quiet = append(quiet, s)
		} else {
			active = true
		}
	}
	k.quiet = !active && !slices.ContainsFunc(sources, func(s *routeSource) bool { return s.held.Load() })
	if now.Sub(k.foreign) >= foreignEvery {
		k.foreign = now
		for p, pos := range k.route.foreign(ctx, own) {
			if !see(p, pos) {
				active = true
			}
		}
	}
	if active || !k.begun {
		for _, c := range k.clocks {
			if !k.begun || c > k.anchor {
				k.anchor, k.begun = c, true
			}
		}
		k.since = now
	}
	if active && k.begun {
		k.wall.row(time.UnixMicro(k.anchor).Add(k.route.stream.Options.Delay), now)
	}
	return quiet
}

// shared tells whether other processes route partitions of the stream, too.
func (r *routeLogic) shared() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all) > len(r.sources)
}

// foreign returns the positions of the partitions that other processes route. A topic that grows
// is divided anew, so those that there were when this session began are all.
func (r *routeLogic) foreign(ctx context.Context, own map[int32]bool) map[int32]core.Position {
	r.mu.Lock()
	all := r.all
	r.mu.Unlock()
	var others []int32
	for _, p := range all {
		if !own[p] {
			others = append(others, p)
		}
	}
	if len(others) == 0 {
		return nil
	}
	at, err := r.life.cluster.fetchOffsets(ctx, r.life.stage.group, r.topic(), others)
	if err != nil {
		return nil
	}
	got := map[int32]core.Position{}
	for p, o := range at {
		if pos, err := core.ParsePosition(o.Offset, o.Metadata); err == nil {
			got[p] = pos
		}
	}
	return got
}

// target is where the clock of an idle partition belongs now, in microseconds. It is not known
// for a stream with a time column before its first row.
func (k *clockKeeper) target(now time.Time) (int64, bool) {
	s := k.route.stream
	if s.TimeColumn < 0 {
		return k.wall.time(now).Add(-max(s.Options.Delay, s.Options.IdleSlack, leastSlack)).UnixMicro(), true
	}
	if !k.begun {
		return 0, false
	}
	return k.anchor + now.Sub(k.since).Microseconds() - s.Options.IdleSlack.Microseconds(), true
}

// move moves the clock of a partition if that closes a pane and the partition is idle, and tells
// whether it did.
func (k *clockKeeper) move(ctx context.Context, s *routeSource, to int64) bool {
	pos := s.core.Position()
	if pos.Started && floorDiv(to, k.route.step) <= floorDiv(pos.Clock, k.route.step) {
		return false
	}
	l := k.route.life
	asked := l.opts.Clock.Now()
	idle, _, err := l.cluster.drained(ctx, l.topics, k.route.topic(), s.number, pos.Offset)
	k.answered(asked, err)
	if err != nil {
		if ctx.Err() == nil {
			l.log.Debug("idle check", "partition", s.number, "err", err)
		}
		return false
	}
	if !idle || !k.away.Before(asked) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// What has come since was sent after the look at the partition, and is no older than that.
	if s.over || s.core.Position().Offset != pos.Offset {
		return false
	}
	return s.core.MoveClock(to, core.DecisionIdle)
}

// hold pauses the partitions whose clock is further ahead of the slowest than the stream allows,
// and resumes those that are not any more. Nothing waits in a channel meanwhile: sarama would
// stop the fetches of every partition of the same broker.
func (k *clockKeeper) hold(sources []*routeSource) {
	bound := k.route.stream.Options.MaxDrift.Microseconds()
	if bound <= 0 || len(k.clocks) < 2 {
		return
	}
	first := true
	var low int64
	for _, c := range k.clocks {
		if first || c < low {
			low, first = c, false
		}
	}
	g := k.route.life.currentGroup()
	for _, s := range sources {
		c, ok := k.clocks[s.number]
		if ahead := ok && c > low+bound; g != nil && s.held.Swap(ahead) != ahead {
			which := map[string][]int32{k.route.topic(): {s.number}}
			if ahead {
				g.Pause(which)
			} else {
				g.Resume(which)
			}
			k.route.life.stir()
		}
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
