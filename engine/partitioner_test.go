package engine

import (
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/broker/kafkatest"
)

// TestPartitionerDoesNotMatter: the same keyed orders, put into partitions as Java's clients do (murmur2),
// as Goka's and sarama's do (FNV-1a), all into one and in turns, lead to the same results. Nothing but the
// offsets that a result was made from tells the difference.
func TestPartitionerDoesNotMatter(t *testing.T) {
	const partitions = 3
	murmur := kgo.StickyKeyPartitioner(nil).ForTopic("orders")
	ways := []struct {
		name string
		of   func(rec *kgo.Record, i int) int
	}{
		{"murmur2", func(rec *kgo.Record, _ int) int { return murmur.Partition(rec, partitions) }},
		{"fnv", func(rec *kgo.Record, _ int) int {
			h := fnv.New32a()
			_, _ = h.Write(rec.Key)
			return int(h.Sum32() % partitions)
		}},
		{"one", func(*kgo.Record, int) int { return 1 }},
		{"turns", func(_ *kgo.Record, i int) int { return i % partitions }},
	}
	ctx := testContext(t, time.Minute)
	brokers := testBroker(t)
	c := testCluster(t, ctx, brokers)
	orders := orderLog(rand.New(rand.NewPCG(7, 8)), 3000, 1)[0]
	var want []string
	for _, way := range ways {
		app := kafkatest.Unique(t, "t")
		p := ownTopics(exampleplan(t, "orders/orders_event_time.sql"), app)
		topic := p.Streams[0].Options.Topic
		makeTopic(t, ctx, c, topic, partitions)
		var recs []*kgo.Record
		used := map[int32]bool{}
		for i, r := range orders {
			rec := &kgo.Record{Topic: topic, Value: r.Value, Timestamp: time.UnixMilli(r.Time)}
			if fields := strings.Split(string(r.Value), ","); len(fields) > 2 {
				rec.Key = []byte(fields[2]) // the client
			}
			rec.Partition = int32(way.of(rec, i))
			used[rec.Partition] = true
			recs = append(recs, rec)
		}
		if want := partitions; way.name != "one" && len(used) != want {
			t.Fatalf("%s: %d partitions are used, expected %d", way.name, len(used), want)
		}
		if err := c.write(ctx, recs...); err != nil {
			t.Fatal(err)
		}
		o := Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 4, ExitWhenCaughtUp: true, StateDir: filepath.Join(t.TempDir(), way.name)}
		if err := testEngine(t, o).Run(ctx); err != nil {
			t.Fatal(err)
		}
		got := published(t, ctx, brokers, p)
		for i, line := range got {
			got[i], _, _ = strings.Cut(line, `,"offsets":`)
		}
		slices.Sort(got)
		if want == nil {
			want = got
		}
		if len(got) < 20 {
			t.Fatalf("%s: only %d results", way.name, len(got))
		}
		compareLines(t, got, want)
	}
}
