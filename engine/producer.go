package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producer makes the transactions of one stage: what a flush writes together with the offsets it
// was made from. One goroutine uses it at a time.
//
// A transaction is, in this order:
//
//  1. the records, to explicit partitions, all acknowledged by all in-sync replicas;
//  2. AddOffsetsToTxn and TxnOffsetCommit, with member id, generation and instance id, so that
//     Kafka refuses a process whose partitions are with another one now;
//  3. EndTxn.
//
// The order is what makes takeover safe. A process that was paused between 1 and 2 is refused at
// 2. One that was paused between 2 and 3 had written everything before the rebalance was over, so
// the next owner's recovery, which waits for open transactions and reads the offsets with
// RequireStable, finds either all of it or nothing. Were a record written after 2, it could reach
// the log behind the point where the next owner stops reading.
//
// franz-go has a session type for this, but only for its own consumer groups; ours belong to
// sarama and Goka, hence the two requests by hand.
type producer struct {
	client  *kgo.Client
	options []kgo.Opt // of the client
	group   string
	id      string
	timeout time.Duration
	topics  *topicIDs
	limits  map[string]int // of a batch, where they are not maxBatchBytes; by topic
	broken  bool
}

// flushRecords is what one transaction holds.
type flushRecords struct {
	records []*kgo.Record // at least one; Partition has to be set. Their offsets are filled in.
	offsets []sourceOffset
}

// sourceOffset is the next offset to read of a partition, with what has to be remembered there.
type sourceOffset struct {
	Topic     string
	Partition int32
	Offset    int64
	// Metadata is at most 4,096 bytes (offset.metadata.max.bytes).
	Metadata string
}

// flushTimes is where the time of a transaction went.
type flushTimes struct {
	Records, Offsets, Commit time.Duration
}

// Total returns the whole.
func (t flushTimes) Total() time.Duration { return t.Records + t.Offsets + t.Commit }

// errBroken is returned by a producer that has failed before.
var errBroken = errors.New("this producer has failed and has to be made again")

// openProducer returns a producer whose transactional id is initialised: what a process of the
// same instance left open is aborted, and that process, if it still lives, is fenced. It must
// run before joining the group, so that the offsets read there are settled.
func openProducer(ctx context.Context, o Options, group string, topics *topicIDs, log *slog.Logger) (*producer, error) {
	id := names{o.App}.Transaction(group, o.InstanceID)
	opts := append(clientOptions(o.Brokers, o.Security, "penstock-"+group, log),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(o.TransactionTimeout),
		// All records of a flush are handed over at once and then flushed, so that lingering
		// only keeps the first ones from leaving in a batch of their own.
		kgo.ProducerLinger(time.Second),
		kgo.MaxBufferedRecords(1<<20),
	)
	p := &producer{options: opts, group: group, id: id, timeout: o.TransactionTimeout, topics: topics}
	return p, p.connect(ctx)
}

// connect makes the client, with batches as large as is known that topics take.
func (p *producer) connect(ctx context.Context) error {
	limits := p.topics.batchLimits()
	client, err := kgo.NewClient(append(slices.Clip(p.options),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 { return int32(batchLimit(limits, topic)) }))...)
	if err != nil {
		return fmt.Errorf("producer of %s: %w", p.group, err)
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return fmt.Errorf("initialise transactional id %s: %w", p.id, err)
	}
	p.client, p.limits = client, limits
	return nil
}

// close ends the producer. A transaction that is open stays so until the next producer of the
// same id begins, or a takeover, or its timeout. Closing twice is fine.
func (p *producer) close() { p.client.Close() }

// commit makes one transaction of records and offsets, under the generation of m. After any
// error the producer is broken: whether the transaction took place is not known then, only the
// next producer of the same id and the offsets it reads tell.
func (p *producer) commit(ctx context.Context, m member, f flushRecords) (flushTimes, error) {
	if p.broken {
		return flushTimes{}, errBroken
	}
	if len(f.records) == 0 {
		// franz-go ends a transaction without records by doing nothing.
		return flushTimes{}, errors.New("a transaction needs a record")
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	var times flushTimes
	err := p.fit(ctx, f.records)
	if err == nil {
		times, err = p.transact(ctx, m, f)
	}
	if err != nil {
		p.broken = true
		return times, fmt.Errorf("transaction of %s: %w", p.group, p.refused(ctx, f.records, err))
	}
	return times, nil
}

func (p *producer) transact(ctx context.Context, m member, f flushRecords) (flushTimes, error) {
	var t flushTimes
	at := time.Now()
	lap := func() time.Duration {
		d := time.Since(at)
		at = at.Add(d)
		return d
	}
	if err := p.client.BeginTransaction(); err != nil {
		return t, fmt.Errorf("begin: %w", err)
	}
	err := p.send(ctx, f.records)
	t.Records = lap()
	if err != nil {
		return t, fmt.Errorf("write: %w", err)
	}
	err = p.sendOffsets(ctx, m, f.offsets)
	t.Offsets = lap()
	if err != nil {
		return t, err
	}
	err = p.client.EndTransaction(ctx, kgo.TryCommit)
	t.Commit = lap()
	if err != nil {
		return t, fmt.Errorf("commit: %w", err)
	}
	return t, nil
}

// awaited is what is on its way to one topic.
type awaited struct {
	topic string
	left  atomic.Int64
	done  func(*kgo.Record, error)
}

// send writes the records and waits for all of them. The first error is the one that counts, the
// others follow from it. It comes with the topics that have not acknowledged everything.
func (p *producer) send(ctx context.Context, recs []*kgo.Record) error {
	var mu sync.Mutex
	var first error
	var all []*awaited
	var to *awaited
	for _, r := range recs {
		if to == nil || to.topic != r.Topic {
			if to = awaitedOf(all, r.Topic); to == nil {
				x := &awaited{topic: r.Topic}
				x.done = func(_ *kgo.Record, err error) {
					if err == nil {
						x.left.Add(-1)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if first == nil {
						first = err
					}
				}
				to, all = x, append(all, x)
			}
		}
		to.left.Add(1)
		p.client.Produce(ctx, r, to.done)
	}
	err := p.client.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	if first != nil {
		err = first
	}
	if err == nil {
		return nil
	}
	var left []string
	for _, x := range all {
		if n := x.left.Load(); n > 0 {
			left = append(left, fmt.Sprintf("%d records of topic %s", n, x.topic))
		}
	}
	return fmt.Errorf("%s are not acknowledged: %w", strings.Join(left, ", "), err)
}

// awaitedOf returns what is on its way to a topic, nil when nothing is.
func awaitedOf(all []*awaited, topic string) *awaited {
	for _, x := range all {
		if x.topic == topic {
			return x
		}
	}
	return nil
}

// sendOffsets adds the offsets to the transaction.
func (p *producer) sendOffsets(ctx context.Context, m member, offsets []sourceOffset) error {
	if len(offsets) == 0 {
		return nil
	}
	id, epoch, err := p.client.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("producer id: %w", err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = p.id, id, epoch, m.Group
	err = settle(ctx, func() error {
		resp, err := add.RequestWith(ctx, p.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return fmt.Errorf("add offsets: %w", err)
	}
	req, err := p.offsetRequest(ctx, m, offsets)
	if err != nil {
		return err
	}
	req.ProducerID, req.ProducerEpoch = id, epoch
	err = settle(ctx, func() error { return offsetError(req.RequestWith(ctx, p.client)) })
	if err != nil {
		return staleError(m, err)
	}
	return nil
}

func (p *producer) offsetRequest(ctx context.Context, m member, offsets []sourceOffset) (*kmsg.TxnOffsetCommitRequest, error) {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID = p.id
	req.Group, req.MemberID, req.Generation = m.Group, m.ID, m.Generation
	if m.Instance != "" {
		req.InstanceID = kmsg.StringPtr(m.Instance)
	}
	at := map[string]int{}
	for _, o := range offsets {
		i, ok := at[o.Topic]
		if !ok {
			// Newer brokers take the topic's id, older ones its name; the client's version
			// negotiation comes after this, so both are given.
			id, err := p.topics.get(ctx, o.Topic)
			if err != nil {
				return nil, err
			}
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic, t.TopicID = o.Topic, id
			i = len(req.Topics)
			at[o.Topic] = i
			req.Topics = append(req.Topics, t)
		}
		part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset = o.Partition, o.Offset
		part.Metadata = kmsg.StringPtr(o.Metadata)
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
	}
	return req, nil
}

// offsetError returns the first error of a TxnOffsetCommit.
func offsetError(resp *kmsg.TxnOffsetCommitResponse, err error) error {
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, part := range t.Partitions {
			if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
				return fmt.Errorf("%s/%d: %w", t.Topic, part.Partition, err)
			}
		}
	}
	return nil
}

// staleError makes the refusals that mean "you are not the owner any more" a StaleError.
func staleError(m member, err error) error {
	for _, e := range []error{kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.FencedInstanceID, kerr.RebalanceInProgress} {
		if errors.Is(err, e) {
			return &StaleError{Group: m.Group, Generation: m.Generation, Err: err}
		}
	}
	return fmt.Errorf("commit offsets: %w", err)
}

// settle repeats a request while the coordinator is busy with the end of the transaction before,
// or moving. Those are the only errors of a transaction that are worth a second try in place.
func settle(ctx context.Context, try func() error) error {
	for {
		err := try()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kerr.ConcurrentTransactions), errors.Is(err, kerr.CoordinatorLoadInProgress),
			errors.Is(err, kerr.CoordinatorNotAvailable), errors.Is(err, kerr.NotCoordinator),
			errors.Is(err, kerr.UnknownTopicOrPartition):
		default:
			return err
		}
		t := time.NewTimer(5 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}
