package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"penstock/engine/core"
	"penstock/engine/rejects"
	"penstock/query/plan"
)

// source is a stream's topic, as far as it was routed.
type source struct {
	plan  *plan.Stream
	parts map[int32]*sourcePart
}

type sourcePart struct {
	start int64         // the oldest offset there is
	at    core.Position // how far it was routed
	moves []decision    // by offset, those of one offset in the order in which they were made
	read  int64         // records read again, by earlier audits too

	from, before int64 // behind the checkpoint: where reading begins, and what was read until there
}

// cut tells whether retention has removed records that were routed.
func (p *sourcePart) cut() bool { return p.start > 0 && p.at.Tally.Read > p.read }

func (s *source) numbers() []int32 { return slices.Sorted(maps.Keys(s.parts)) }

// locate notes how far every source partition was routed.
func (a *auditor) locate(ctx context.Context) error {
	var err error
	// Before the positions: the rejects of rows behind those come later.
	if a.rejectEnds, err = a.stableEnds(ctx, rejects.Topic(a.App)); err != nil {
		return err
	}
	a.streams = map[string]*source{}
	for _, s := range a.Plan.Streams {
		starts, err := a.starts(ctx, s.Options.Topic)
		if err != nil {
			return err
		}
		at, err := a.committed(ctx, a.App+"-route-"+s.Name, s.Options.Topic, starts)
		if err != nil {
			return err
		}
		src := &source{plan: s, parts: map[int32]*sourcePart{}}
		for p, o := range at {
			if o.Offset < 0 {
				continue // appeared, and not routed yet
			}
			pos, err := core.ParsePosition(o.Offset, o.Metadata)
			if err != nil {
				return fmt.Errorf("group %s-route-%s: %w", a.App, s.Name, err)
			}
			pos.Tally = pos.Tally.For(core.TablesOf(a.Plan, s))
			src.parts[p] = &sourcePart{start: starts[p], from: starts[p], at: pos}
		}
		if len(src.parts) == 0 {
			return fmt.Errorf("application %q has read nothing of stream %s: group %s-route-%s has no offsets in topic %s",
				a.App, s.Name, a.App, s.Name, s.Options.Topic)
		}
		if err := a.locateReplayed(ctx, src); err != nil {
			return err
		}
		a.streams[s.Name] = src
	}
	return nil
}

// locateReplayed notes how far the replayed rows of a stream were routed, if there were any.
func (a *auditor) locateReplayed(ctx context.Context, src *source) error {
	group := a.App + "-route-" + src.plan.Name
	at, err := a.committed(ctx, group, rejects.Replayed(a.App), map[int32]int64{0: 0})
	if err != nil || at[0].Offset < 0 {
		return err
	}
	pos, err := core.ParsePosition(at[0].Offset, at[0].Metadata)
	if err != nil {
		return fmt.Errorf("group %s: %w", group, err)
	}
	pos.Tally = pos.Tally.For(core.TablesOf(a.Plan, src.plan))
	src.parts[core.Replayed] = &sourcePart{at: pos}
	return nil
}
