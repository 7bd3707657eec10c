package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// span is a stretch of a partition: [from, to).
type span struct{ from, to int64 }

// errEnough is what a callback of read returns to end the reading.
var errEnough = errors.New("enough")

// stallLimit is how long a partition may give nothing before its end.
const stallLimit = 60 * time.Second

// read calls fn for the committed records of some partitions of a topic, those of one partition in
// order. It ends where the spans do.
func (a *auditor) read(ctx context.Context, topic string, spans map[int32]span, fn func(*kgo.Record) error) error {
	at := map[int32]kgo.Offset{}
	left := map[int32]int64{}
	for p, s := range spans {
		if s.from < s.to {
			at[p], left[p] = kgo.NewOffset().At(s.from), s.to
		}
	}
	if len(left) == 0 {
		return nil
	}
	opts := append(a.client.Opts(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.FetchMaxPartitionBytes(8<<20))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	defer client.Close()
	for len(left) > 0 {
		limit, cancel := context.WithTimeout(ctx, stallLimit)
		fetches := client.PollFetches(limit)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := fetchError(fetches); err != nil {
			return fmt.Errorf("read %s: %w; still to come: %v", topic, err, left)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			end, wanted := left[r.Partition]
			if wanted && r.Offset < end && !r.Attrs.IsControl() {
				if err := fn(r); errors.Is(err, errEnough) {
					return nil
				} else if err != nil {
					return err
				}
			}
			if wanted && r.Offset >= end-1 {
				delete(left, r.Partition)
				client.PauseFetchPartitions(map[string][]int32{topic: {r.Partition}})
			}
		}
	}
	return nil
}

// fetchError is the first error of a poll that the client does not ride out by itself.
func fetchError(fetches kgo.Fetches) error {
	var first error
	fetches.EachError(func(_ string, p int32, err error) {
		if first == nil && !kerr.IsRetriable(err) {
			first = fmt.Errorf("partition %d: %w", p, err)
		}
	})
	return first
}

// ends are the ends of a topic's partitions, behind transactions that are open. A committed one of another
// process may stand behind one of those, and be seen only when that has ended: who reads up to an end
// waits for it.
func (a *auditor) ends(ctx context.Context, topic string) (map[int32]int64, error) {
	list, err := a.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = list.Error()
	}
	return offsetsOf(topic, list, err)
}

// stableEnds are the ends of what can be read without waiting.
func (a *auditor) stableEnds(ctx context.Context, topic string) (map[int32]int64, error) {
	list, err := a.admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = list.Error()
	}
	return offsetsOf(topic, list, err)
}

// starts are the oldest offsets of a topic's partitions.
func (a *auditor) starts(ctx context.Context, topic string) (map[int32]int64, error) {
	list, err := a.admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = list.Error()
	}
	return offsetsOf(topic, list, err)
}

func offsetsOf(topic string, list kadm.ListedOffsets, err error) (map[int32]int64, error) {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, fmt.Errorf("topic %q does not exist; is --app the application that has run?", topic)
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", topic, err)
	}
	got := map[int32]int64{}
	list.Each(func(o kadm.ListedOffset) { got[o.Partition] = o.Offset })
	return got, nil
}

// whole is everything in a topic, and whether retention has removed its beginning.
func (a *auditor) whole(ctx context.Context, topic string) (spans map[int32]span, cut bool, err error) {
	return a.upTo(ctx, topic, a.ends)
}

// upTo is a topic from its start to the ends that are asked for.
func (a *auditor) upTo(ctx context.Context, topic string, ask func(context.Context, string) (map[int32]int64, error)) (spans map[int32]span, cut bool, err error) {
	starts, err := a.starts(ctx, topic)
	if err != nil {
		return nil, false, err
	}
	ends, err := ask(ctx, topic)
	spans = map[int32]span{}
	for p, end := range ends {
		spans[p] = span{starts[p], end}
		cut = cut || starts[p] > 0
	}
	return spans, cut, err
}

// offset is a committed offset with its metadata; Offset is -1 where there is none.
type offset struct {
	Offset   int64
	Metadata string
}

// committed returns a group's committed offsets. It waits while one of them is in an open transaction.
func (a *auditor) committed(ctx context.Context, group, topic string, partitions map[int32]int64) (map[int32]offset, error) {
	for {
		got, err := a.fetchOffsets(ctx, group, topic, partitions)
		if !kerr.IsRetriable(err) {
			return got, wrap("offsets of group "+group, err)
		}
		if werr := pause(ctx, 50*time.Millisecond); werr != nil {
			return nil, fmt.Errorf("offsets of group %s: %w", group, err)
		}
	}
}

func (a *auditor) fetchOffsets(ctx context.Context, group, topic string, partitions map[int32]int64) (map[int32]offset, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = group, true
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic = topic
	got := map[int32]offset{}
	for p := range partitions {
		t.Partitions = append(t.Partitions, p)
		got[p] = offset{Offset: -1}
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, a.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return got, nil
	}
	if err != nil {
		return nil, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, err
			}
			o := offset{Offset: p.Offset}
			if p.Metadata != nil {
				o.Metadata = *p.Metadata
			}
			got[p.Partition] = o
		}
	}
	return got, nil
}
