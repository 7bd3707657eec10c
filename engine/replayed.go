package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/rejects"
)

// Replayed rows are on a topic of the application, <app>-replayed, in one partition for all streams;
// a header says which stream a row is of. Each stream's route group reads it as core.Replayed, in
// the process that has partition 0 of the stream's topic: so no assignment of its own is needed,
// and the frames with its rows are behind those of partition 0 (see core.Replayed for why). Its
// offset is committed in the transactions of the group like those of the other partitions.
//
// Somebody replays rows once in a while, so nobody waits for them with an open fetch: the end of
// the topic is asked for with those of the streams' topics (ends.go), once a second, and what is new is read
// by a client of its own.

// assignReplayed prepares to read replayed rows, beside partition 0.
func (r *routeLogic) assignReplayed(ctx context.Context, router *core.Router) (*routeSource, error) {
	c, topic := r.life.cluster, r.names.Replayed()
	at, err := c.committed(ctx, r.life.stage.group, topic, []int32{0}, r.life.takeOver)
	if err != nil {
		return nil, err
	}
	limits, err := c.bounds(ctx, topic) // after it: see assign
	if err != nil {
		return nil, err
	}
	pos, _, err := startPosition(topic, at[0], limits[0])
	if err != nil {
		return nil, err
	}
	part, err := router.Assign(core.Replayed, pos)
	if err != nil {
		return nil, &StopError{Err: err, State: true}
	}
	s := &routeSource{number: core.Replayed, core: part}
	s.limit.Store(limits[0].End)
	return s, nil
}

// replayedSource is where replayed rows go, nil when partition 0 is elsewhere.
func (r *routeLogic) replayedSource() *routeSource {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.replayed
}

// watchReplayed reads what is replayed until ctx is done.
func (r *routeLogic) watchReplayed(ctx context.Context) {
	s := r.replayedSource()
	if s == nil {
		return
	}
	for {
		asked := r.ends.next()
		err := r.readReplayed(ctx, s)
		var lost *LostOffsetError
		var stop *StopError
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &lost), errors.As(err, &stop):
			r.life.fail(err)
			return
		case err != nil:
			r.life.log.Debug("replayed rows", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-asked:
		}
	}
}

// readReplayed reads the replayed rows that are there now.
func (r *routeLogic) readReplayed(ctx context.Context, s *routeSource) error {
	topic := r.names.Replayed()
	from := s.core.Position().Offset
	if at := r.ends.of(topic); at != nil && from >= at[0] {
		return nil
	}
	// A replay that is under way is behind this end, and waited for by the second.
	end, err := r.life.cluster.committedEnd(ctx, topic)
	if err != nil {
		return err
	}
	s.limit.Store(end)
	if from >= end {
		return nil
	}
	own := map[int32]bool{}
	for _, x := range r.assigned() {
		own[x.number] = true
	}
	lead := core.LeadOf(r.foreign(ctx, own))
	return r.life.cluster.readSpan(ctx, topic, from, end, func(recs []*kgo.Record, next int64) error {
		return r.replay(s, recs, next, lead)
	})
}

// replay routes what was read of the topic up to an offset.
func (r *routeLogic) replay(s *routeSource, recs []*kgo.Record, next int64, lead core.Lead) error {
	var rows []format.Record
	for _, rec := range recs {
		x, err := rejects.Of(rec)
		if err != nil {
			return stopf("topic %s, offset %d: %w", rec.Topic, rec.Offset, err)
		}
		if x.Stream == r.stream.Name {
			rows = append(rows, format.Record{Offset: rec.Offset, Time: x.Time.UnixMilli(), Key: rec.Key, Value: rec.Value})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	r.mu.Lock()
	router := r.router
	r.mu.Unlock()
	if len(rows) > 0 {
		if err := router.Replay(rows, lead, r.life.opts.Clock.Now().UnixMicro()); err != nil {
			return &StopError{Err: err}
		}
	}
	s.core.Skip(next)
	r.life.touched()
	return nil
}

// committedEnd is the end of the committed records of a topic with one partition.
func (c *cluster) committedEnd(ctx context.Context, topic string) (int64, error) {
	ends, err := c.admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("end offset of %s: %w", topic, err)
	}
	end, _ := ends.Lookup(topic, 0)
	return end.Offset, nil
}

// readSpan gives fn the committed records of partition 0 of a topic from an offset up to another, in
// batches, each with the offset behind it. It returns when fn was given the end.
func (c *cluster) readSpan(ctx context.Context, topic string, from, end int64, fn func(recs []*kgo.Record, next int64) error) error {
	if from >= end {
		return nil
	}
	client, err := kgo.NewClient(append(clientOptions(c.brokers, c.security, "penstock", c.log),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(from)}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	for from < end {
		fetches := client.PollRecords(ctx, maxRun)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := spanError(topic, fetches); err != nil {
			return err
		}
		var recs []*kgo.Record
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset >= end {
				return
			}
			from = r.Offset + 1
			if !r.Attrs.IsControl() {
				recs = append(recs, r)
			}
		})
		if err := fn(recs, from); err != nil {
			return err
		}
	}
	return nil
}

// spanError is the first error of a poll that the client does not ride out by itself.
func spanError(topic string, fetches kgo.Fetches) error {
	var first error
	fetches.EachError(func(_ string, p int32, err error) {
		var lost *kgo.ErrDataLoss
		switch {
		case first != nil || kerr.IsRetriable(err):
		case errors.Is(err, kerr.OffsetOutOfRange), errors.As(err, &lost):
			first = &LostOffsetError{Topic: topic, Partition: p}
		default:
			first = fmt.Errorf("read %s: %w", topic, err)
		}
	})
	return first
}
