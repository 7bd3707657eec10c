package script

import (
	"context"
	"math/rand/v2"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/local"
	"penstock/query/plan"
	"penstock/query/row"
)

// localTarget is the dataflow in this process, with a clock that only the test moves.
type localTarget struct {
	plan       *plan.Plan
	c          *local.Cluster
	around     Circumstances
	rand       *rand.Rand
	partitions map[string]int
}

// farFuture is the wall clock of a test that says no NOW: no row is ahead of it.
const farFuture = int64(4_000_000_000) * row.Second

func newLocalTarget(p *plan.Plan, s *settings, around Circumstances) (*localTarget, error) {
	t := &localTarget{plan: p, around: around, partitions: map[string]int{}}
	for _, st := range p.Streams {
		t.partitions[st.Name] = partitionsOf(s, st.Name, around)
	}
	c, err := local.New(p, t.partitions, local.Options{Folds: around.Folds, Tiny: around.Tiny, Processes: around.Processes})
	if err != nil {
		return nil, err
	}
	t.c, c.Wall = c, farFuture
	if s.hasNow {
		c.Wall = s.now
	}
	if around.Seed != 0 {
		t.rand = rand.New(rand.NewPCG(around.Seed, 41))
	}
	return t, nil
}

// partitionsOf is how many partitions the topic of a stream has in a test.
func partitionsOf(s *settings, stream string, around Circumstances) int {
	n := max(1, s.partitions[stream])
	if s.anyPartitions {
		n = max(n, around.Spread)
	}
	return n
}

func (t *localTarget) Insert(_ context.Context, stream string, partition int, r format.Record) error {
	t.c.Append(stream, partition, r)
	return nil
}

// randomSteps is how many random steps come before everything is read.
const randomSteps = 40

func (t *localTarget) Settle(context.Context) error {
	if t.rand != nil {
		if err := t.c.Shuffle(t.rand, randomSteps, t.around.CrashShare); err != nil {
			return err
		}
	}
	for t.around.Tiny {
		n, err := t.crumb()
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	return t.c.Settle()
}

// crumb reads one record of every source partition, each in a flush of its own.
func (t *localTarget) crumb() (n int, err error) {
	for _, s := range t.plan.Streams {
		for p := range t.partitions[s.Name] {
			got, err := t.c.Read(s.Name, p, 1)
			if err != nil {
				return 0, err
			}
			n += got
			t.c.FlushRoute(s.Name)
			for f := range t.c.Folds() {
				if err := t.c.Feed(f, 1); err != nil {
					return 0, err
				}
				if err := t.c.FlushFold(f, 0, true); err != nil {
					return 0, err
				}
			}
		}
	}
	return n, nil
}

func (t *localTarget) Advance(ctx context.Context, stream string, partition int, to int64) error {
	if err := t.Settle(ctx); err != nil {
		return err
	}
	// The decision is flushed before anything can crash: an engine would only take it again.
	if t.c.MoveClock(stream, partition, to, core.DecisionIdle) {
		t.c.FlushRoute(stream)
	}
	return t.Settle(ctx)
}

func (t *localTarget) End(ctx context.Context) error {
	if err := t.Settle(ctx); err != nil {
		return err
	}
	return t.c.End()
}

// Fault drives the dataflow to the point that a command names, and lets it fail there.
func (t *localTarget) Fault(ctx context.Context, c *command) error {
	switch c.kind {
	case restart:
		if err := t.Settle(ctx); err != nil {
			return err
		}
		return t.c.Restart()
	case loseStore:
		if err := t.Settle(ctx); err != nil {
			return err
		}
		for f := range t.c.Folds() {
			if err := t.c.Lose(f); err != nil {
				return err
			}
		}
		return nil
	case rebalance:
		return t.c.Rebalance()
	}
	return t.crash(c)
}

// crash crashes before or after the commit of a stage: what the stages before it did is committed.
func (t *localTarget) crash(c *command) error {
	for _, s := range t.plan.Streams {
		for p := range t.partitions[s.Name] {
			if _, err := t.c.Read(s.Name, p, 1<<20); err != nil {
				return err
			}
		}
		if c.ofFold || !c.beforeCommit {
			t.c.FlushRoute(s.Name)
		}
	}
	for f := range t.c.Folds() {
		if !c.ofFold {
			break
		}
		if err := t.c.Feed(f, 1<<20); err != nil {
			return err
		}
		if err := t.c.FlushFold(f, 0, !c.beforeCommit); err != nil {
			return err
		}
	}
	return t.c.Restart()
}

func (t *localTarget) State(context.Context) (*state, error) {
	s := &state{results: t.c.Results, rejects: t.c.Rejects, decisions: t.c.Decisions, tally: map[string]core.Tally{}}
	var readers []*core.Reader
	for f := range t.c.Folds() {
		r, err := t.c.Reader(f)
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
	}
	for _, st := range t.plan.Streams {
		var sum core.Tally
		for _, one := range readers[0].Tally(st.Name) {
			sum.Add(one)
		}
		s.tally[st.Name] = sum
	}
	s.table = func(tab *plan.Table) ([]keyed, error) { return tableRows(tab, readers) }
	s.clock = func(stream string) (us int64, some bool) {
		for p := range t.partitions[stream] {
			if pos := t.c.Position(stream, p); pos.Started && (!some || pos.Clock > us) {
				us, some = pos.Clock, true
			}
		}
		return us, some
	}
	return s, nil
}

func (t *localTarget) Close() error { return nil }
