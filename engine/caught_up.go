package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"penstock/engine/core"
	"penstock/query/plan"
)

// errCaughtUp is why Run ends when everything is caught up.
var errCaughtUp = errors.New("caught up")

// catchUp returns when everything that could be read when it was called is in the results. Then
// the input counts as ended, which is a decision: all clocks of a stream move to the end of the
// last window or interval that holds a row, and what that closes is published as well.
//
// It looks at what is committed, not at this process's memory, so it is the same for one process
// and for several.
func (e *Engine) catchUp(ctx context.Context) error {
	if err := e.endStreams(ctx); err != nil {
		return err
	}
	return e.settleFold(ctx)
}

// finish is catchUp for a process that ends then. Its routes are ended, by endRoutes, before it waits for
// fold: they go on reading, and moving the clocks of idle partitions, and the frames of what they commit
// last would have no reader left.
func (e *Engine) finish(ctx context.Context, endRoutes func()) error {
	if err := e.endStreams(ctx); err != nil {
		return err
	}
	endRoutes()
	return e.settleFold(ctx)
}

// endStreams waits until what there is now of all streams is read, and ends their input.
func (e *Engine) endStreams(ctx context.Context) error {
	ends := map[*plan.Stream]map[int32]bounds{}
	for _, s := range e.opts.Plan.Streams {
		b, err := e.cluster.bounds(ctx, s.Options.Topic)
		if err != nil {
			return err
		}
		ends[s] = b
	}
	replayed, err := e.cluster.committedEnd(ctx, names{e.opts.App}.Replayed())
	if err != nil {
		return err
	}
	for _, s := range e.opts.Plan.Streams {
		if err := e.endStream(ctx, s, ends[s], replayed); err != nil {
			return err
		}
	}
	return nil
}

// awaitReaders waits until those who read only what is committed see what is on the topics of
// results and rejects. Kafka answers the end of a transaction, and moves the group's offsets, before it has
// written the markers to every other partition, so that who reads as soon as we have ended would miss
// the last results. An open transaction of somebody else's may hold them back for longer.
func (e *Engine) awaitReaders(ctx context.Context) error {
	topics := []string{names{e.opts.App}.Rejects()}
	for _, t := range resultTopics(e.opts.Plan) {
		topics = append(topics, t.name)
	}
	ends, err := e.cluster.admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("end offsets of the results: %w", err)
	}
	giveUp := e.opts.Clock.After(readersTimeout)
	return e.poll(ctx, func() (bool, error) {
		select {
		case <-giveUp:
			e.log.Warn("the last results cannot be read yet: a transaction on their topic is open")
			return true, nil
		default:
		}
		seen, err := e.cluster.admin.ListCommittedOffsets(ctx, topics...)
		if err == nil {
			err = seen.Error()
		}
		if err != nil {
			return false, fmt.Errorf("committed offsets of the results: %w", err)
		}
		behind := false
		ends.Each(func(end kadm.ListedOffset) {
			at, _ := seen.Lookup(end.Topic, end.Partition)
			behind = behind || at.Offset < end.Offset
		})
		return !behind, nil
	})
}

// readersTimeout is as long as a transaction stays open that nobody ends, and a little.
const readersTimeout = 15 * time.Second

// catchUpEvery is how often it is looked whether things have come far enough.
const catchUpEvery = 50 * time.Millisecond

// poll asks until the answer is yes. Errors that go away are asked past.
func (e *Engine) poll(ctx context.Context, ask func() (bool, error)) error {
	for {
		ok, err := ask()
		if ok {
			return nil
		}
		// An offset that is gone is for the stage to report, which knows what it means.
		if err != nil && !transient(err) && !errors.Is(err, kerr.OffsetOutOfRange) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.opts.Clock.After(catchUpEvery):
		}
	}
}

// endStream waits until a stream has been read up to ends, and its replayed rows too, moves its clocks to their last place,
// and waits until that is committed.
func (e *Engine) endStream(ctx context.Context, s *plan.Stream, ends map[int32]bounds, replayed int64) error {
	var last int64
	some := false
	err := e.poll(ctx, func() (bool, error) {
		at, err := e.positions(ctx, s, ends)
		if err != nil {
			return false, err
		}
		done, err := e.readUpTo(ctx, s, at, ends)
		if !done || err != nil {
			return false, err
		}
		at[core.Replayed], err = e.replayedPosition(ctx, s)
		if err != nil || at[core.Replayed].Offset < replayed {
			return false, err
		}
		last, some = core.EndOfInput(slices.Collect(maps.Values(at)))
		return true, nil
	})
	if err != nil || !some {
		return err
	}
	return e.poll(ctx, func() (bool, error) {
		// Again each time: a partition that was taken over meanwhile has to be moved, too.
		if r := e.route(s); r != nil {
			for _, src := range r.assigned() {
				src.end(last)
			}
			r.life.touched()
		}
		at, err := e.positions(ctx, s, ends)
		if err != nil {
			return false, err
		}
		for _, pos := range at {
			if !pos.Started || pos.Clock < last {
				return false, nil
			}
		}
		return true, nil
	})
}

// end moves the partition's clock to the end of the input, once.
func (s *routeSource) end(at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pos := s.core.Position(); s.over || pos.Started && pos.Clock >= at {
		return
	}
	s.core.MoveClock(at, core.DecisionEnd)
}

// positions returns the committed positions of a stream.
func (e *Engine) positions(ctx context.Context, s *plan.Stream, ends map[int32]bounds) (map[int32]core.Position, error) {
	all := make([]int32, 0, len(ends))
	for p := range ends {
		all = append(all, p)
	}
	at, err := e.cluster.fetchOffsets(ctx, names{e.opts.App}.RouteGroup(s.Name), s.Options.Topic, all)
	if err != nil {
		return nil, err
	}
	got := map[int32]core.Position{}
	for p, o := range at {
		if o.Offset == noOffset {
			got[p] = core.Start(ends[p].Start)
			continue
		}
		pos, err := core.ParsePosition(o.Offset, o.Metadata)
		if err != nil {
			return nil, err
		}
		got[p] = pos
	}
	return got, nil
}

// replayedPosition is the committed position of a stream's replayed partition.
func (e *Engine) replayedPosition(ctx context.Context, s *plan.Stream) (core.Position, error) {
	n := names{e.opts.App}
	at, err := e.cluster.fetchOffsets(ctx, n.RouteGroup(s.Name), n.Replayed(), []int32{0})
	if err != nil || at[0].Offset == noOffset {
		return core.Start(0), err
	}
	return core.ParsePosition(at[0].Offset, at[0].Metadata)
}

// readUpTo tells whether all partitions were read as far as they went, or all that is missing
// are transaction markers.
func (e *Engine) readUpTo(ctx context.Context, s *plan.Stream, at map[int32]core.Position, ends map[int32]bounds) (bool, error) {
	for p, b := range ends {
		if at[p].Offset >= b.End {
			continue
		}
		idle, next, err := e.cluster.drained(ctx, e.topics, s.Options.Topic, p, at[p].Offset)
		if err != nil || !idle && next < b.End {
			return false, err
		}
	}
	return true, nil
}

// topicDone tells whether a group has committed everything in a topic.
func (e *Engine) topicDone(ctx context.Context, group, topic string) (bool, error) {
	limits, err := e.cluster.bounds(ctx, topic)
	if err != nil {
		return false, err
	}
	all := make([]int32, 0, len(limits))
	for p := range limits {
		all = append(all, p)
	}
	at, err := e.cluster.fetchOffsets(ctx, group, topic, all)
	if err != nil {
		return false, err
	}
	for p, b := range limits {
		if at[p].Offset != noOffset && at[p].Offset < b.Start {
			return false, nil // they were removed unread, which the stage is about to say
		}
		from := max(at[p].Offset, b.Start)
		if from >= b.End {
			continue
		}
		if idle, _, err := e.cluster.drained(ctx, e.topics, topic, p, from); !idle || err != nil {
			return false, err
		}
	}
	return true, nil
}
