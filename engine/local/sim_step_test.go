package local

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"penstock/engine/core"
)

// steps is what can happen next. fault tells which are left out of some runs and come often in others.
var steps []stepKind

type stepKind struct {
	name   string
	weight int
	fault  bool
	do     func(*sim) error
}

func init() { steps = allSteps() } // the steps use the list themselves

func allSteps() []stepKind {
	return []stepKind{
		{"produce", 10, false, (*sim).produce},
		{"route", 25, false, (*sim).stepRoute},
		{"replay", 3, false, (*sim).stepReplay},
		{"fold", 30, false, (*sim).stepFold},
		{"take", 25, false, (*sim).stepTake},
		{"resolve", 25, false, (*sim).stepResolve},
		{"rebalance", 3, true, (*sim).stepRebalance},
		{"crash", 6, true, (*sim).stepCrash},
		{"rejoin", 5, false, (*sim).stepRejoin},
		{"restart", 8, false, (*sim).stepRestart},
		{"pause", 4, true, (*sim).stepPause},
		{"wake", 3, false, (*sim).stepWake},
		{"orphan", 2, false, (*sim).stepOrphan},
		{"idle", 5, true, (*sim).stepIdle},
		{"end", 1, true, (*sim).stepEnd},
		{"grow", 1, true, (*sim).stepGrow},
		{"compact", 3, true, (*sim).stepCompact},
		{"trim", 3, true, (*sim).stepTrim},
		{"sync", 4, true, (*sim).stepSync},
		{"lose", 1, true, (*sim).stepLose},
		{"time", 6, false, (*sim).stepTime},
	}
}

// step draws one and does it. A process that crashes while it works has crashed.
func (s *sim) step() error {
	at := s.r.IntN(s.chances.total)
	for i := range steps {
		if at -= s.chances.weights[i]; at < 0 {
			s.event("%s", steps[i].name)
			return steps[i].do(s)
		}
	}
	return nil
}

func one[T any](r *rand.Rand, list []T) (x T, ok bool) {
	if len(list) == 0 {
		return x, false
	}
	return list[r.IntN(len(list))], true
}

// sessions lists the sessions of processes that run; kind 'r' route, 'f' fold, 0 all.
func (s *sim) sessions(kind byte) []*session {
	var list []*session
	for _, p := range s.procs {
		if !p.alive || p.paused {
			continue
		}
		for _, g := range s.groups {
			x := p.sessions[g]
			if x != nil && (kind == 0 || (kind == 'r') == (g.stream != nil)) {
				list = append(list, x)
			}
		}
	}
	return list
}

// guard turns a crash in the middle of something into the crash of its process.
func (s *sim) guard(p *proc, err error) error {
	if errors.Is(err, errCrashed) {
		return s.crash(p)
	}
	return err
}

func (s *sim) produce() error {
	st, _ := one(s.r, s.streams)
	for range 1 + s.r.IntN(20) {
		if len(st.todo) == 0 {
			return nil
		}
		row := st.todo[0]
		st.todo = st.todo[1:]
		p := row.partition % len(st.log)
		row.record.Offset = st.end[p]
		st.log[p] = append(st.log[p], row.record)
		st.end[p]++
		if s.r.IntN(12) == 0 {
			st.end[p] += 1 + int64(s.r.IntN(2)) // markers, aborted records
		}
	}
	return nil
}

// stepReplay: rows that had been rejected are replayed.
func (s *sim) stepReplay() error {
	st, _ := one(s.r, s.streams)
	for range 1 + s.r.IntN(8) {
		if len(st.replays) == 0 {
			return nil
		}
		rec := st.replays[0].record
		st.replays = st.replays[1:]
		rec.Offset = st.replayedEnd
		st.replayed = append(st.replayed, rec)
		st.replayedEnd += 1 + int64(s.r.IntN(2)) // markers, rows of other streams
	}
	return nil
}

func (s *sim) stepRoute() error {
	x, ok := one(s.r, s.sessions('r'))
	if !ok || len(x.claims) == 0 {
		return nil
	}
	n, _ := one(s.r, x.claims)
	_, err := x.feedRoute(n, 1+s.r.IntN(30))
	return err
}

func (s *sim) stepFold() error {
	x, ok := one(s.r, s.sessions('f'))
	if !ok || len(x.folds) == 0 {
		return nil
	}
	f, _ := one(s.r, x.folds)
	_, err := x.feedFold(f, s.r.IntN(3) == 0, 1+s.r.IntN(6))
	return err
}

func (s *sim) stepTake() error {
	if x, ok := one(s.r, s.sessions(0)); ok {
		return x.take()
	}
	return nil
}

func (s *sim) stepResolve() error {
	if x, ok := one(s.r, s.sessions(0)); ok {
		return s.guard(x.proc, x.resolve())
	}
	return nil
}

func (s *sim) stepRebalance() error {
	g, _ := one(s.r, s.groups)
	return s.rebalance(g)
}

// rebalance begins a new generation of a group: those who can finish what they do, transactions of
// those who cannot are ended, and the partitions are dealt anew.
func (s *sim) rebalance(g *group) error {
	for _, p := range s.procs {
		x := p.sessions[g]
		if x == nil || p.paused {
			continue // one that is stopped does not know, and goes on later
		}
		if x.gen == g.gen && s.r.IntN(s.chances.cleanup+1) > 0 {
			if err := s.guard(p, x.cleanup()); err != nil {
				return err
			}
		}
		x.abandon()
		x.end()
	}
	g.gen++
	if g.stream != nil {
		g.parts = len(g.stream.log)
	}
	for len(g.open) > 0 { // the takeover, and what readers of stable offsets wait for
		g.open[0].abort()
	}
	members := s.members()
	if len(members) == 0 {
		return nil
	}
	claims := make([][]int32, len(members))
	for n := range g.parts {
		i := s.r.IntN(len(members))
		claims[i] = append(claims[i], int32(n))
	}
	s.event("generation %d of %s: %v", g.gen, g.name, claims)
	for i, p := range members {
		if err := s.guard(p, s.join(p, g, claims[i])); err != nil {
			return fmt.Errorf("process %d, %s: %w", p.id, g.name, err)
		}
	}
	return nil
}

// abandon leaves a flush on its way to itself.
func (x *session) abandon() {
	if x.flight != nil {
		x.flight.tx.abort()
		x.flight = nil
	}
}

// members draws which processes are in a group: not always all.
func (s *sim) members() []*proc {
	var list []*proc
	for _, p := range s.procs {
		if p.alive && !p.paused {
			list = append(list, p)
		}
	}
	if s.faults && len(list) > 1 && s.r.IntN(4) == 0 {
		i := s.r.IntN(len(list))
		list = append(list[:i:i], list[i+1:]...)
	}
	return list
}

func (s *sim) stepCrash() error {
	p, _ := one(s.r, s.procs)
	if !p.alive {
		return nil
	}
	return s.crash(p)
}

// crash ends a process. What it had on its way to the broker may have arrived, or is left open.
func (s *sim) crash(p *proc) error {
	s.crashes++
	s.event("crash %d", p.id)
	for _, g := range s.groups {
		x := p.sessions[g]
		if x == nil || x.flight == nil {
			continue
		}
		tx := x.flight.tx
		switch s.r.IntN(3) {
		case 0:
			if err := tx.commit(); err != nil && !errors.Is(err, errFenced) {
				return err
			}
		case 1:
			tx.abort()
		}
	}
	p.alive, p.paused = false, false
	clear(p.sessions)
	return p.disk.crash(s.r)
}

// stepOrphan: the coordinator gets the last word of a process that is gone.
func (s *sim) stepOrphan() error {
	for _, g := range s.groups {
		for _, tx := range g.open {
			if p := tx.owner.proc; p.alive && p.sessions[g] == tx.owner {
				continue
			}
			if s.r.IntN(2) == 0 {
				tx.abort()
				return nil
			}
			if err := tx.commit(); !errors.Is(err, errFenced) {
				return err
			}
			return nil
		}
	}
	return nil
}

// stepRejoin: a process whose session ended, by a fault or because it was replaced, joins again.
func (s *sim) stepRejoin() error {
	g, _ := one(s.r, s.groups)
	for _, p := range s.procs {
		if x := p.sessions[g]; p.alive && !p.paused && (x == nil || x.gen != g.gen) {
			return s.rebalance(g)
		}
	}
	return nil
}

func (s *sim) stepRestart() error {
	for _, p := range s.procs {
		if p.alive {
			continue
		}
		p.alive = true
		s.event("restart %d", p.id)
		for _, g := range s.groups {
			for _, tx := range append([]*txn(nil), g.open...) {
				if tx.owner.proc == p {
					tx.abort()
				}
			}
			if s.r.IntN(5) > 0 {
				if err := s.rebalance(g); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return nil
}

func (s *sim) stepPause() error {
	p, _ := one(s.r, s.procs)
	if p.alive && !p.paused {
		p.paused = true
		g, _ := one(s.r, s.groups)
		if s.r.IntN(2) == 0 { // past its session timeout
			return s.rebalance(g)
		}
	}
	return nil
}

func (s *sim) stepWake() error {
	for _, p := range s.procs {
		p.paused = false
	}
	return nil
}

// stepIdle moves the clock of a partition: to where the others are, or by wall time.
func (s *sim) stepIdle() error {
	x, ok := one(s.r, s.sessions('r'))
	if !ok || len(x.claims) == 0 {
		return nil
	}
	st := x.group.stream
	to := s.wall - int64(s.r.IntN(30))*1_000_000
	if high, ok := x.group.highestClock(); st.plan.TimeColumn >= 0 {
		if !ok {
			return nil
		}
		to = high + int64(s.r.IntN(40)-20)*1_000_000
	}
	if s.r.IntN(s.chances.leap) == 0 {
		to += int64(s.r.IntN(3000)) * 1_000_000
	}
	n, _ := one(s.r, x.claims)
	if n == core.Replayed {
		return nil
	}
	moved := x.router.Partition(n).MoveClock(to, core.DecisionIdle)
	s.event("idle %d to %d: %t", n, to, moved)
	return nil
}

// stepEnd: the input seems to be over, and then it is not.
func (s *sim) stepEnd() error {
	x, ok := one(s.r, s.sessions('r'))
	if !ok || len(x.claims) == 0 {
		return nil
	}
	var all []core.Position
	for _, n := range x.claims {
		all = append(all, x.router.Partition(n).Position())
	}
	if to, ok := core.EndOfInput(all); ok {
		for _, n := range x.claims {
			if n != core.Replayed {
				x.router.Partition(n).MoveClock(to, core.DecisionEnd)
			}
		}
	}
	return nil
}

// stepGrow: a source partition appears, which the group sees at its next generation.
func (s *sim) stepGrow() error {
	st, _ := one(s.r, s.streams)
	if len(st.log) < len(st.group.offsets) {
		st.grow()
		return s.rebalance(st.group)
	}
	return nil
}

func (s *sim) stepCompact() error {
	t, _ := one(s.r, s.changelog)
	t.compact(t.start+s.r.Int64N(t.next-t.start+1), s.wall, retention)
	return nil
}

// stepTrim deletes what was committed of frames and loop, and what all partitions of the group
// stand behind.
func (s *sim) stepTrim() error {
	n := s.r.IntN(s.folds)
	at := s.groups[len(s.groups)-1].offsets[n]
	s.frames[n].trim(at.offset)
	s.loop[n].trim(at.loop)
	return nil
}

func (s *sim) stepSync() error {
	p, _ := one(s.r, s.procs)
	if p.alive {
		return p.disk.sync()
	}
	return nil
}

// stepLose empties the disk of a process that is down.
func (s *sim) stepLose() error {
	for _, p := range s.procs {
		if !p.alive {
			for n := range s.folds {
				if err := p.disk.part(int32(n)).Wipe(); err != nil {
					return err
				}
			}
			return p.disk.sync()
		}
	}
	return nil
}

func (s *sim) stepTime() error {
	s.wall += int64(s.r.IntN(3_000_000))
	if s.r.IntN(30) == 0 {
		s.wall += retention/3 + s.r.Int64N(retention)
	}
	return nil
}

// finish ends the faults, gives everybody everything, ends the input, and waits until nothing is
// left to do.
func (s *sim) finish() error {
	s.faults = false
	for _, p := range s.procs {
		p.alive, p.paused = true, false
	}
	for more := true; more; {
		more = false
		for _, st := range s.streams {
			more = more || len(st.todo) > 0
		}
		if err := s.produce(); err != nil {
			return err
		}
		if err := s.stepReplay(); err != nil {
			return err
		}
	}
	for _, g := range s.groups {
		if err := s.rebalance(g); err != nil {
			return err
		}
	}
	if err := s.settle(); err != nil {
		return err
	}
	for _, st := range s.streams {
		var all []core.Position
		var parts []*core.RoutePartition
		for _, p := range s.procs {
			if x := p.sessions[st.group]; x != nil {
				for _, n := range x.claims {
					part := x.router.Partition(n)
					if all = append(all, part.Position()); n != core.Replayed {
						parts = append(parts, part)
					}
				}
			}
		}
		if to, ok := core.EndOfInput(all); ok {
			for _, part := range parts {
				part.MoveClock(to, core.DecisionEnd)
			}
		}
	}
	return s.settle()
}

// settle works until nothing is left to do.
func (s *sim) settle() error {
	for round := range 5000 {
		moved := false
		for _, x := range s.sessions(0) {
			did, err := x.work()
			if err != nil {
				return err
			}
			moved = moved || did
		}
		if !moved && round > 2 {
			return nil
		}
	}
	return errors.New("it does not come to an end")
}

// work does everything that a session can do, once.
func (x *session) work() (moved bool, err error) {
	if x.group.stream != nil {
		for _, n := range x.claims {
			got, err := x.feedRoute(n, 1<<20)
			if err != nil {
				return false, err
			}
			moved = moved || got > 0
		}
	}
	for _, f := range x.folds {
		for _, loop := range []bool{false, true} {
			got, err := x.feedFold(f, loop, 1<<20)
			if err != nil {
				return false, err
			}
			moved = moved || got > 0
		}
		moved = moved || f.fold.Stalled()
	}
	if err := x.take(); err != nil {
		return false, err
	}
	return moved || x.flight != nil, x.resolve()
}
