package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/storage"
)

// restoreBytes is how much of a partition's changelog is asked for at once, compressed. Up to three
// such pieces of each partition are in memory.
const restoreBytes = 256 << 10

// restore reads the changelog of the assigned partitions up to the recovery's ends, before Goka
// does. Goka takes it record by record, by way of sarama and two calls to the storage each, which
// costs more than all that the store has to do; a batch at a time it is the store that counts. What
// Goka then still reads is what came meanwhile. It knows nothing of this: it finds local state
// that ends where the changelog did.
//
// A reader of committed records does not get past another's open transaction, here as there.
func (r *recovery) restore(ctx context.Context, tables map[int32]*tableStorage) error {
	from := map[int32]kgo.Offset{}
	began, anew, offsets := time.Now(), 0, int64(0)
	for n, t := range tables {
		if err := t.Open(); err != nil {
			return err
		}
		if _, some := t.part.Offset(); !some {
			anew++
		}
		if next := t.next(r.bounds[n]); next < r.end(n) {
			from[n] = kgo.NewOffset().At(next)
			offsets += r.end(n) - next
		}
	}
	if len(from) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(clientOptions(r.cluster.brokers, r.cluster.security, "penstock-restore", r.log),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: from}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last record may be the marker of a transaction
		kgo.FetchMaxPartitionBytes(restoreBytes),
		kgo.FetchMaxBytes(8*restoreBytes))...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	feeds := map[int32]chan []*kgo.Record{}
	for n := range from {
		feed := make(chan []*kgo.Record, 1)
		feeds[n] = feed
		wg.Go(func() {
			if err := tables[n].follow(ctx, feed, r.end(n)); err != nil {
				cancel(fmt.Errorf("restore partition %d: %w", n, err))
			}
		})
	}
	r.feed(ctx, client, feeds, cancel)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	r.log.Info("tables recovered from the changelog", "partitions", len(from), "anew", anew, "offsets", offsets, "took", time.Since(began))
	return nil
}

// feed hands what comes to the partitions until all have reached their ends. It waits for the
// slowest: they share the store.
func (r *recovery) feed(ctx context.Context, client *kgo.Client, feeds map[int32]chan []*kgo.Record, fail func(error)) {
	defer func() {
		for _, feed := range feeds {
			close(feed)
		}
	}()
	for len(feeds) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, p int32, err error) {
			// What goes away by itself franz-go tries again.
			var lost *kgo.ErrDataLoss
			if !transient(err) || errors.As(err, &lost) {
				fail(fmt.Errorf("read %s/%d: %w", topic, p, err))
			}
		})
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			feed := feeds[p.Partition]
			if feed == nil || len(p.Records) == 0 {
				return
			}
			select {
			case feed <- p.Records:
			case <-ctx.Done():
				return
			}
			if p.Records[len(p.Records)-1].Offset >= r.end(p.Partition)-1 {
				close(feed)
				delete(feeds, p.Partition)
			}
		})
	}
}

// next is the first offset of the changelog that the local state does not have.
func (t *tableStorage) next(b bounds) int64 {
	if at, ok := t.part.Offset(); ok {
		return max(at+1, b.Start)
	}
	return b.Start
}

// follow applies what comes below an end.
func (t *tableStorage) follow(ctx context.Context, feed <-chan []*kgo.Record, end int64) error {
	for recs := range feed {
		if ctx.Err() != nil {
			return nil
		}
		for len(recs) > 0 && recs[len(recs)-1].Offset >= end {
			recs = recs[:len(recs)-1] // Goka's: it would take a state beyond the end for another changelog's
		}
		if len(recs) == 0 {
			continue
		}
		err := t.part.ApplyAsOf(func(b *storage.Batch) error {
			for _, rec := range recs {
				switch {
				case rec.Attrs.IsControl() || string(rec.Key) == sentinelKey:
				case rec.Value == nil:
					b.Delete(rec.Key)
				default:
					b.Set(rec.Key, rec.Value)
				}
			}
			return nil
		}, recs[len(recs)-1].Offset, t.asOf)
		if err != nil {
			return err
		}
	}
	return nil
}
