package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

// aClaim is a claim as sarama hands it out, but for its messages.
type aClaim struct {
	topic     string
	partition int32
	closed    bool
}

func (c *aClaim) Topic() string                            { return c.topic }
func (c *aClaim) Partition() int32                         { return c.partition }
func (c *aClaim) InitialOffset() int64                     { return 0 }
func (c *aClaim) HighWaterMarkOffset() int64               { return 0 }
func (c *aClaim) Messages() <-chan *sarama.ConsumerMessage { return nil }
func (c *aClaim) AsyncClose()                              { c.closed = true }

func sendOne(t *testing.T, ctx context.Context, c *cluster, topic string, partition int32) {
	t.Helper()
	if err := c.write(ctx, &kgo.Record{Topic: topic, Partition: partition, Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
}

// TestResumedPartitionIsReadAtOnce: a partition that had waited is not kept waiting by a fetch of the
// others that has nothing to answer.
func TestResumedPartitionIsReadAtOnce(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, 30*time.Second)
		c := testCluster(t, ctx, brokers)
		topic := app + "-rows"
		makeTopic(t, ctx, c, topic, 2)
		g := &group{brokers: brokers, fetch: 1 << 20, log: testLog()}
		f, err := newFetcher(&session{ctx: ctx, Claims: map[string][]int32{topic: {0, 1}}}, g)
		if err != nil {
			t.Fatal(err)
		}
		defer f.close()
		var claims [2]*fetchedClaim
		for p := range claims {
			own := &aClaim{topic: topic, partition: int32(p)}
			claims[p] = f.start(ctx, own)
			defer claims[p].stop()
			if !own.closed {
				t.Error("sarama reads the partition, too")
			}
		}
		next := [2]int64{}
		send := func(p int32) { sendOne(t, ctx, c, topic, p) }
		read := func(p int32) {
			t.Helper()
			for {
				select {
				case m := <-claims[p].Messages():
					if m.Offset != next[p] {
						t.Fatalf("partition %d: offset %d, expected %d", p, m.Offset, next[p])
					}
					next[p]++
					return
				case <-ctx.Done():
					t.Fatalf("partition %d: nothing comes", p)
				}
			}
		}
		send(0)
		read(0)
		best := time.Hour
		for range 3 {
			f.pause(map[string][]int32{topic: {1}})
			send(0) // the fetch that follows does not ask for partition 1
			read(0)
			send(1)
			began := time.Now()
			f.resume(map[string][]int32{topic: {1}})
			read(1)
			best = min(best, time.Since(began))
		}
		if best > fetchWait/2 {
			t.Errorf("a resumed partition was read %v later at best", best)
		}
	})
}

// TestRecordsComeOnce: a resume may have records read again that are still on their way to the claim. The
// pump would put both into one run, whose callback looks only at where the run begins.
func TestRecordsComeOnce(t *testing.T) {
	answer := func(from, to int64) (recs []*kgo.Record) {
		for at := from; at < to; at++ {
			recs = append(recs, &kgo.Record{Offset: at})
		}
		return recs
	}
	c := &fetchedClaim{}
	c.next.Store(10)
	var got []int64
	for _, recs := range [][]*kgo.Record{answer(10, 13), answer(10, 13), answer(10, 15), nil, answer(12, 13), answer(17, 18)} {
		for _, r := range c.fresh(recs) {
			got = append(got, r.Offset)
		}
	}
	if want := []int64{10, 11, 12, 13, 14, 17}; !slices.Equal(got, want) {
		t.Errorf("%v came, expected %v", got, want)
	}
	if next := c.next.Load(); next != 18 {
		t.Errorf("read on from %d, expected 18", next)
	}
}
