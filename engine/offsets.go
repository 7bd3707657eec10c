package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// noOffset is the committed offset of a partition for which none was committed.
const noOffset = -1

// committed returns the committed offset, with its metadata, of every partition of a topic in a
// group, noOffset where there is none. It waits while a transaction that commits one of them is
// open, because starting below what that transaction commits would apply its input twice.
// unstable is called, if not nil, each time that is seen.
func (c *cluster) committed(ctx context.Context, group, topic string, partitions []int32, unstable func(context.Context) error) (map[int32]sourceOffset, error) {
	var b backoff
	for {
		got, err := c.fetchOffsets(ctx, group, topic, partitions)
		if err == nil {
			return got, nil
		}
		if errors.Is(err, kerr.UnstableOffsetCommit) && unstable != nil {
			if uerr := unstable(ctx); uerr != nil {
				c.log.Warn("takeover", "group", group, "err", uerr)
			}
		} else if !transient(err) {
			return nil, err
		}
		if werr := b.wait(ctx); werr != nil {
			return nil, errors.Join(err, werr)
		}
	}
}

// fetchOffsets asks once. It names the partitions: asked for all offsets of a group, a broker
// leaves out the partitions whose first commit is still open, and they would look as if nobody
// had read them.
func (c *cluster) fetchOffsets(ctx context.Context, group, topic string, partitions []int32) (map[int32]sourceOffset, error) {
	got := map[int32]sourceOffset{}
	if len(partitions) == 0 {
		return got, nil
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = group, true
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic, t.Partitions = topic, partitions
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		err, resp.Topics = nil, nil // nobody ever committed in it
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", group, err)
	}
	for _, p := range partitions {
		got[p] = sourceOffset{Topic: topic, Partition: p, Offset: noOffset}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("offset of %s in %s/%d: %w", group, topic, p.Partition, err)
			}
			o := sourceOffset{Topic: topic, Partition: p.Partition, Offset: p.Offset}
			if p.Offset < 0 {
				o.Offset = noOffset
			} else if p.Metadata != nil {
				o.Metadata = *p.Metadata
			}
			got[p.Partition] = o
		}
	}
	return got, nil
}

// commitPlain commits offsets outside a transaction. Kafka takes that only while the group has no
// members; when it has, somebody else has begun already, and that is fine.
func (c *cluster) commitPlain(ctx context.Context, group string, offsets []sourceOffset) error {
	list := kadm.Offsets{}
	for _, o := range offsets {
		list.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: o.Offset, LeaderEpoch: -1, Metadata: o.Metadata})
	}
	err := c.admin.CommitAllOffsets(ctx, group, list)
	if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) {
		return nil
	}
	return err
}

// bounds are the offsets between which a partition has records: [Start, End).
type bounds struct {
	Start, End int64
}

// bounds returns the log start and the high watermark of every partition of a topic.
func (c *cluster) bounds(ctx context.Context, topic string) (map[int32]bounds, error) {
	starts, err := c.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("start offsets of %s: %w", topic, err)
	}
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("end offsets of %s: %w", topic, err)
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", topic, err)
	}
	got := map[int32]bounds{}
	ends.Each(func(e kadm.ListedOffset) {
		s, _ := starts.Lookup(topic, e.Partition)
		got[e.Partition] = bounds{Start: s.Offset, End: e.Offset}
	})
	return got, nil
}

// checkStart reports an offset from which a partition cannot be read on.
func checkStart(topic string, p int32, want int64, b bounds) error {
	if want < b.Start || want > b.End {
		return &LostOffsetError{Topic: topic, Partition: p, Wanted: want, First: b.Start, End: b.End}
	}
	return nil
}

// trimmer deletes the records of frames and loop behind what fold has committed. They are kept
// without limit otherwise: Kafka's retention by age would take unread ones after a long pause.
type trimmer struct {
	cluster *cluster
	every   time.Duration

	mu   sync.Mutex
	next map[string]map[int32]int64 // committed since the last cut
}

func newTrimmer(c *cluster, every time.Duration) *trimmer {
	return &trimmer{cluster: c, every: every, next: map[string]map[int32]int64{}}
}

// committed tells which offsets a transaction has committed.
func (t *trimmer) committed(offsets []sourceOffset) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range offsets {
		if t.next[o.Topic] == nil {
			t.next[o.Topic] = map[int32]int64{}
		}
		t.next[o.Topic][o.Partition] = o.Offset
	}
}

// run cuts from time to time until ctx is done. A cut that fails is made by the next one.
func (t *trimmer) run(ctx context.Context, clock Clock) {
	done := map[string]map[int32]int64{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.After(t.every):
		}
		if err := t.cut(ctx, done); err != nil && ctx.Err() == nil {
			t.cluster.log.Debug("delete records", "err", err)
		}
	}
}

func (t *trimmer) cut(ctx context.Context, done map[string]map[int32]int64) error {
	cut := kadm.Offsets{}
	t.mu.Lock()
	for topic, parts := range t.next {
		for p, at := range parts {
			if at > done[topic][p] {
				cut.AddOffset(topic, p, at, -1)
			}
		}
	}
	t.mu.Unlock()
	if len(cut) == 0 {
		return nil
	}
	resp, err := t.cluster.admin.DeleteRecords(ctx, cut)
	if err != nil {
		return err
	}
	resp.Each(func(r kadm.DeleteRecordsResponse) {
		if r.Err == nil {
			if done[r.Topic] == nil {
				done[r.Topic] = map[int32]int64{}
			}
			o, _ := cut.Lookup(r.Topic, r.Partition)
			done[r.Topic][r.Partition] = o.At
		}
	})
	return resp.Error()
}

// leave takes this process out of a group at once, so that the others need not wait until its
// session times out. Static members do not leave by themselves, which is what makes a restart
// cheap; so it is done only when others are there to take over.
func (c *cluster) leave(ctx context.Context, group, instance string) error {
	groups, err := c.admin.DescribeGroups(ctx, group)
	if err != nil {
		return fmt.Errorf("describe group %s: %w", group, err)
	}
	if g, ok := groups[group]; !ok || g.Err != nil || len(g.Members) < 2 {
		return nil
	}
	return c.leaveGroup(ctx, group, instance)
}
