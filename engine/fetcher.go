package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/format"
)

// fetcher reads the partitions of one session with franz-go, which takes about half of sarama's CPU
// time a record, and next to nothing while none come: a fetch names only what has changed since the last
// one, and so does its answer. sarama still is the member of the group: it joins, beats and hands out
// partitions. Where a partition is read from and which are assigned comes from its claims; what
// is committed goes through our transactions either way.
type fetcher struct {
	client *kgo.Client
	runs   *runs // nil: messages pass as they are
	fail   func(error)
	same   func(topic string, id kadm.TopicID) error // is told what records came of; nil: anything
	again  func(context.Context, string) error       // the group's hook of that name, or nil
	log    func(msg string, args ...any)
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	claims  map[place]*fetchedClaim
	waiting []*fetchedClaim // started and not read yet
	await   int             // claims of the session that have not started
	late    *time.Timer     // ends the wait for them
}

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// maxFetch is the most that is asked of a partition at once, fetchAhead how many answers may wait for
// its callbacks. Together they bound what it costs in memory.
const (
	maxFetch   = 1 << 20
	fetchAhead = 2
)

// newFetcher connects; nothing is read before the claims start. g.fail is told an error that ends the
// session's processor.
func newFetcher(s *session, g *group) (*fetcher, error) {
	bytes, all := g.fetch, 4*g.fetch
	if g.runs != nil {
		bytes, all = g.runs.fetchBytes(), 4*g.runs.fetch
	}
	opts := append(clientOptions(g.brokers, g.security, "penstock", g.log),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxPartitionBytes(bytes),
		kgo.FetchMaxBytes(max(maxFetch, all)),
		kgo.FetchMaxWait(fetchWait))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	f := &fetcher{client: client, runs: g.runs, fail: g.fail, same: g.hooks.same, again: g.hooks.again, log: g.log.Debug,
		cancel: cancel, done: make(chan struct{}),
		claims: map[place]*fetchedClaim{}, await: s.partitions()}
	go f.run(ctx)
	return f, nil
}

// close ends reading. The claims were stopped before.
func (f *fetcher) close() {
	f.mu.Lock()
	f.await = 0
	if f.late != nil {
		f.late.Stop()
	}
	f.mu.Unlock()
	f.cancel()
	<-f.done
	f.client.Close()
}

// run hands what comes to the claims. It waits for the slowest of them: they share the CPU, and
// one that runs ahead of the others' clocks is paused.
func (f *fetcher) run(ctx context.Context) {
	defer close(f.done)
	for {
		fetches := f.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) { f.failed(ctx, topic, partition, err) })
		if err := f.other(fetches); err != nil {
			f.fail(err)
			return
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			c := f.claim(place{p.Topic, p.Partition})
			if c == nil {
				return
			}
			recs := c.fresh(p.Records)
			if len(recs) == 0 {
				return
			}
			c.high.Store(p.HighWatermark)
			if f.runs != nil {
				f.runs.fetched.Add(recordsBytes(recs))
			}
			select {
			case c.in <- recs:
			case <-c.ctx.Done():
			case <-ctx.Done():
			}
		})
	}
}

// other is an error if records came of another topic than the one of this name that the group knows.
func (f *fetcher) other(fetches kgo.Fetches) error {
	for i := range fetches {
		for _, t := range fetches[i].Topics {
			if f.same == nil {
				continue
			}
			if err := f.same(t.Topic, t.TopicID); err != nil {
				return err
			}
		}
	}
	return nil
}

// unknownTopicWait is how long nothing is read after a topic was not known by its id: franz-go asks again
// at once, thousands of times a second.
const unknownTopicWait = 100 * time.Millisecond

// failed looks at the error of a partition. Nearly all of them tell of something franz-go retries.
func (f *fetcher) failed(ctx context.Context, topic string, partition int32, err error) {
	var lost *kgo.ErrDataLoss
	if errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &lost) {
		f.fail(&LostOffsetError{Topic: topic, Partition: partition})
		return
	}
	f.log("fetch", "topic", topic, "partition", partition, "err", err)
	if !errors.Is(err, kerr.UnknownTopicID) || f.again == nil {
		return
	}
	// A broker that has not heard of a new topic yet says so too.
	if err := f.again(ctx, topic); final(err) {
		f.fail(err)
		return
	}
	select {
	case <-time.After(unknownTopicWait):
	case <-ctx.Done():
	}
}

func (f *fetcher) claim(p place) *fetchedClaim {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.claims[p]
}

// pause ends reading of partitions; what was fetched already still comes.
func (f *fetcher) pause(partitions map[string][]int32) { f.client.PauseFetchPartitions(partitions) }

// resume goes on with them. A fetch that is under way does not ask for them, and when the other
// partitions have nothing to say it ends only when the broker has waited long enough. To set an offset
// ends it. An answer with records behind that offset may be on its way through run: what then comes twice
// is passed over there (fresh).
func (f *fetcher) resume(partitions map[string][]int32) {
	f.client.ResumeFetchPartitions(partitions)
	at := map[string]map[int32]kgo.EpochOffset{}
	for topic, list := range partitions {
		for _, p := range list {
			if c := f.claim(place{topic, p}); c != nil {
				if at[topic] == nil {
					at[topic] = map[int32]kgo.EpochOffset{}
				}
				at[topic][p] = kgo.EpochOffset{Epoch: -1, Offset: c.next.Load()}
			}
		}
	}
	f.client.SetOffsets(at)
}

// fetchedClaim is a claim of sarama's whose messages are what the fetcher reads, or runs of it.
type fetchedClaim struct {
	sarama.ConsumerGroupClaim
	ctx    context.Context // of the claim: over when stop is called or the session ends
	cancel context.CancelFunc
	in     chan []*kgo.Record
	out    chan *sarama.ConsumerMessage
	high   atomic.Int64
	next   atomic.Int64 // offset behind the last record that came
	done   chan struct{}
	size   int64 // of the answer that runs are being made of; the pump's
}

// recordsBytes is about what the records of an answer take: they are all about as long.
func recordsBytes(recs []*kgo.Record) int64 {
	const record = 176 // a kgo.Record, which an answer is unpacked to
	return int64(len(recs)) * (record + int64(len(recs[0].Key)+len(recs[0].Value)))
}

// fresh are the records that have not come before. run calls it, for one answer after another.
//
// It is not enough that callbacks pass over what is behind their position: the pump may put an answer and
// its repetition into the same run.
func (c *fetchedClaim) fresh(recs []*kgo.Record) []*kgo.Record {
	next := c.next.Load()
	for len(recs) > 0 && recs[0].Offset < next {
		recs = recs[1:]
	}
	if len(recs) > 0 {
		c.next.Store(recs[len(recs)-1].Offset + 1)
	}
	return recs
}

// fill adds records of the answer at hand to a run, and returns those for which it has no room.
func (c *fetchedClaim) fill(r *runs, x *run, recs []*kgo.Record) (rest []*kgo.Record) {
	if rest = x.fill(recs); len(rest) == 0 {
		r.fetched.Add(-c.size)
	}
	return rest
}

// start begins to read a claim from its initial offset. stop has to be called.
func (f *fetcher) start(ctx context.Context, inner sarama.ConsumerGroupClaim) *fetchedClaim {
	// sarama's own reading of the partition ends here, before it began, or at the first record.
	if own, ok := inner.(interface{ AsyncClose() }); ok {
		own.AsyncClose()
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &fetchedClaim{ConsumerGroupClaim: inner, ctx: ctx, cancel: cancel,
		in: make(chan []*kgo.Record, fetchAhead), out: make(chan *sarama.ConsumerMessage), done: make(chan struct{})}
	c.next.Store(inner.InitialOffset())
	if f.runs == nil {
		go c.pass()
	} else {
		go c.pump(f.runs)
	}
	f.add(c)
	return c
}

// lateClaim is how long the other claims wait for those that have not started: sarama holds back one
// whose partition has no leader until it has.
const lateClaim = 100 * time.Millisecond

// add begins to read a claim, together with the others of the session: one that came when a fetch
// was already under way would wait until that is answered.
func (f *fetcher) add(c *fetchedClaim) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.claims[place{c.Topic(), c.Partition()}] = c
	f.waiting = append(f.waiting, c)
	if f.late == nil {
		f.late = time.AfterFunc(lateClaim, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.await = 0
			f.consumeLocked()
		})
	}
	f.await--
	f.consumeLocked()
}

// consumeLocked begins to read the claims that wait, unless others are waited for.
func (f *fetcher) consumeLocked() {
	if f.await > 0 || len(f.waiting) == 0 {
		return
	}
	from := map[string]map[int32]kgo.Offset{}
	for _, c := range f.waiting {
		if from[c.Topic()] == nil {
			from[c.Topic()] = map[int32]kgo.Offset{}
		}
		from[c.Topic()][c.Partition()] = kgo.NewOffset().At(c.InitialOffset())
	}
	f.waiting = nil
	f.client.AddConsumePartitions(from)
}

// Messages implements sarama.ConsumerGroupClaim. The channel closes when the claim's does.
func (c *fetchedClaim) Messages() <-chan *sarama.ConsumerMessage { return c.out }

// HighWaterMarkOffset implements sarama.ConsumerGroupClaim.
func (c *fetchedClaim) HighWaterMarkOffset() int64 { return c.high.Load() }

// stop ends the claim and waits for its goroutine.
func (c *fetchedClaim) stop() {
	c.cancel()
	<-c.done
}

// pass offers the records one by one.
func (c *fetchedClaim) pass() {
	defer close(c.done)
	defer close(c.out)
	for {
		var recs []*kgo.Record
		select {
		case recs = <-c.in:
		case <-c.ctx.Done():
			return
		}
		for _, r := range recs {
			m := &sarama.ConsumerMessage{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}
			select {
			case c.out <- m:
			case <-c.ctx.Done():
				return
			}
		}
	}
}

// pump gathers whatever is there into one run and offers it; while nobody takes it, the run
// grows. So runs are long when the engine is busy and short, and at once there, when it is not.
func (c *fetchedClaim) pump(r *runs) {
	defer close(c.done)
	defer close(c.out)
	var rest []*kgo.Record
	for {
		if len(rest) == 0 {
			select {
			case rest = <-c.in:
			case <-c.ctx.Done():
				return
			}
			c.size = recordsBytes(rest)
		}
		x := &run{topic: c.Topic(), partition: c.Partition(), records: r.slice()}
		rest = c.fill(r, x, rest)
		// The callback may fetch the run as soon as the message is out, so it is registered before;
		// it may still grow until then, because only this goroutine touches it.
		out := &sarama.ConsumerMessage{Topic: x.topic, Partition: x.partition, Value: r.put(x)}
		for sent := false; !sent; {
			more := c.in
			if len(rest) > 0 || len(x.records) >= maxRun {
				more = nil
			}
			out.Offset = x.records[len(x.records)-1].Offset
			select {
			case c.out <- out:
				sent = true
			case m := <-more:
				c.size = recordsBytes(m)
				rest = c.fill(r, x, m)
			case <-c.ctx.Done():
				return
			}
		}
	}
}

// fill adds records to a run while it has room, and returns the others.
func (x *run) fill(recs []*kgo.Record) (rest []*kgo.Record) {
	n := min(len(recs), maxRun-len(x.records))
	for _, r := range recs[:n] {
		x.records = append(x.records, format.Record{Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value})
	}
	return recs[n:]
}
