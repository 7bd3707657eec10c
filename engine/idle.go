package engine

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// drained tells whether a partition holds no record from an offset on that a reader of committed
// records will ever see: whether between there and the high watermark is nothing but transaction
// markers and records of aborted transactions.
//
// It asks the leader now, with a fetch of its own. The high watermark that a consumer remembers
// is of its last fetch, and stands still while a leader is away; the last stable offset stands
// before an open transaction, whose records are older than this moment and still to come.
//
// next is the offset behind everything that was looked at.
func (c *cluster) drained(ctx context.Context, topics *topicIDs, topic string, partition int32, from int64) (idle bool, next int64, err error) {
	id, err := topics.get(ctx, topic)
	if err != nil {
		return false, from, err
	}
	for next = from; ; {
		part, err := c.fetch(ctx, topic, id, partition, next)
		if err != nil {
			return false, next, fmt.Errorf("fetch %s/%d at %d: %w", topic, partition, next, err)
		}
		if next >= part.HighWatermark {
			return true, next, nil
		}
		if part.LastStableOffset < part.HighWatermark {
			return false, next, nil
		}
		opts := kgo.ProcessFetchPartitionOpts{
			Offset: next, Topic: topic, Partition: partition, IsolationLevel: kgo.ReadCommitted(),
		}
		got, end := kgo.ProcessFetchPartition(opts, part, kgo.DefaultDecompressor(), nil)
		if got.Err != nil {
			return false, next, got.Err
		}
		if len(got.Records) > 0 || end <= next {
			return false, next, nil
		}
		next = end
	}
}

// idleBytes is enough for a few transaction markers. A partition that has records answers with a
// whole batch in any case, and is not idle.
const idleBytes = 4 << 10

// fetch reads a partition from its leader once, without waiting for more to come.
func (c *cluster) fetch(ctx context.Context, topic string, id [16]byte, partition int32, from int64) (*kmsg.FetchResponseTopicPartition, error) {
	leader, err := c.leader(ctx, topic, partition)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID = -1
	req.MaxWaitMillis = 0
	req.MinBytes = 0
	req.MaxBytes = idleBytes
	req.IsolationLevel = 1
	req.SessionID, req.SessionEpoch = 0, -1 // no fetch session
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition = partition
	p.FetchOffset = from
	p.CurrentLeaderEpoch = -1
	p.PartitionMaxBytes = idleBytes
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)

	resp, err := req.RequestWith(ctx, c.client.Broker(int(leader)))
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("the answer has %d topics, expected this one", len(resp.Topics))
	}
	part := &resp.Topics[0].Partitions[0]
	return part, kerr.ErrorForCode(part.ErrorCode)
}

// leader returns the broker that leads a partition now. It asks each time: an idle partition is
// asked for once a second, and a remembered leader may be the one that is gone.
func (c *cluster) leader(ctx context.Context, topic string, partition int32) (int32, error) {
	details, err := c.admin.ListTopics(ctx, topic)
	if err != nil {
		return 0, err
	}
	p, ok := details[topic].Partitions[partition]
	switch {
	case !ok:
		return 0, kerr.UnknownTopicOrPartition
	case p.Err != nil:
		return 0, p.Err
	case p.Leader < 0:
		return 0, kerr.LeaderNotAvailable
	}
	return p.Leader, nil
}
