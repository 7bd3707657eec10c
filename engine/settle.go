package engine

import (
	"context"
	"fmt"
	"strings"

	"penstock/engine/core"
	"penstock/query/plan"
)

// What tests of query files do with a running engine: wait until it has done everything there is to
// do, end its input, and move a clock as if a partition had been idle.

// Settle returns when everything that could be read when it was called is committed, in the tables
// and in what was published. It waits for a Run that has only begun. Clocks stay where they are.
func (e *Engine) Settle(ctx context.Context) error {
	if err := e.awaitRunning(ctx); err != nil {
		return err
	}
	for _, s := range e.opts.Plan.Streams {
		ends, err := e.cluster.bounds(ctx, s.Options.Topic)
		if err != nil {
			return err
		}
		err = e.poll(ctx, func() (bool, error) {
			at, err := e.positions(ctx, s, ends)
			if err != nil {
				return false, err
			}
			return e.readUpTo(ctx, s, at, ends)
		})
		if err != nil {
			return err
		}
	}
	return e.settleFold(ctx)
}

// settleFold waits until fold has committed what route sent it, and readers can see it. Frames
// before loop: a transaction of fold commits the shares it sends with the offsets of the frames they
// come from, so when all frames are committed and no partition is stalled, no new share appears.
func (e *Engine) settleFold(ctx context.Context) error {
	n := names{e.opts.App}
	for _, done := range []func() (bool, error){
		func() (bool, error) { return e.topicDone(ctx, n.FoldGroup(), n.Frames()) },
		func() (bool, error) { return e.flowing(ctx) },
		func() (bool, error) { return e.topicDone(ctx, n.FoldGroup(), n.FoldLoop()) },
	} {
		if err := e.poll(ctx, done); err != nil {
			return err
		}
	}
	return e.awaitReaders(ctx)
}

// flowing tells that no fold partition is stalled by what was last committed.
func (e *Engine) flowing(ctx context.Context) (bool, error) {
	n := names{e.opts.App}
	all := make([]int32, e.opts.FoldPartitions)
	for i := range all {
		all[i] = int32(i)
	}
	at, err := e.cluster.fetchOffsets(ctx, n.FoldGroup(), n.FoldLoop(), all)
	if err != nil {
		return false, err
	}
	for _, o := range at {
		if o.Metadata == core.StalledMark {
			return false, nil
		}
	}
	return true, nil
}

func (e *Engine) awaitRunning(ctx context.Context) error {
	return e.poll(ctx, func() (bool, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.state == "stopped" {
			return false, fmt.Errorf("the engine has stopped")
		}
		return e.state == "running", nil
	})
}

// EndInput settles and ends the input, as Options.ExitWhenCaughtUp does, and goes on running.
func (e *Engine) EndInput(ctx context.Context) error {
	if err := e.awaitRunning(ctx); err != nil {
		return err
	}
	return e.catchUp(ctx)
}

// MoveClock decides that a source partition that this process routes is idle up to a time in
// microseconds, and returns when that is committed and settled. A move that passes no end of an
// interval changes nothing, nor does one back.
func (e *Engine) MoveClock(ctx context.Context, stream string, partition int32, to int64) error {
	if err := e.Settle(ctx); err != nil {
		return err
	}
	for _, s := range e.opts.Plan.Streams {
		if !strings.EqualFold(s.Name, stream) {
			continue
		}
		var pos core.Position
		moved := false
		err := e.poll(ctx, func() (bool, error) {
			r := e.route(s)
			if r == nil {
				return false, nil
			}
			for _, src := range r.assigned() {
				if src.number == partition {
					pos, moved = src.idle(to)
					r.life.touched()
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil || !moved {
			return err
		}
		return e.awaitClock(ctx, s, partition, pos.Clock)
	}
	return fmt.Errorf("no stream %q", stream)
}

// awaitClock waits until a clock is committed, and what it closed is published.
func (e *Engine) awaitClock(ctx context.Context, s *plan.Stream, partition int32, clock int64) error {
	err := e.poll(ctx, func() (bool, error) {
		at, err := e.positions(ctx, s, map[int32]bounds{partition: {}})
		return at[partition].Started && at[partition].Clock >= clock, err
	})
	if err != nil {
		return err
	}
	return e.settleFold(ctx)
}

// idle moves the partition's clock by a decision.
func (s *routeSource) idle(to int64) (core.Position, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := !s.over && s.core.MoveClock(to, core.DecisionIdle)
	return s.core.Position(), moved
}
