package engine

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/storage"
)

// Restore brings a table to where its changelog ended when the recovery began, over markers,
// aborted records and deletions, and again from where it stood; Goka has nothing left to do.
func TestRestore(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		topic := app + "-table"
		makeTopic(t, ctx, c, topic, 2)
		store, err := storage.Open(t.TempDir(), storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		client, err := kgo.NewClient(append(clientOptions(brokers, nil, "t", testLog()), kgo.TransactionalID(app+"-someone"))...)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		transaction := func(end kgo.TransactionEndTry, recs ...*kgo.Record) {
			t.Helper()
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := client.ProduceSync(ctx, recs...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := client.EndTransaction(ctx, end); err != nil {
				t.Fatal(err)
			}
		}
		put := func(partition int32, key, value string) *kgo.Record {
			return &kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: []byte(value)}
		}
		restore := func() { t.Helper(); restoreTables(t, ctx, c, topic, store) }
		expect := func(partition int32, key, want string) {
			t.Helper()
			got, err := store.Partition("t", partition).Get([]byte(key))
			if err != nil || string(got) != want {
				t.Errorf("%s of partition %d is %q, %v, expected %q", key, partition, got, err, want)
			}
		}
		transaction(kgo.TryCommit, put(0, "a", "1"), put(0, "b", "1"), put(1, "c", "1"))
		transaction(kgo.TryAbort, put(0, "a", "no"), put(1, "d", "no"))
		restore()
		expect(0, "a", "1")
		expect(0, "b", "1")
		expect(1, "c", "1")
		expect(1, "d", "")
		expect(0, sentinelKey, "")
		gone := put(0, "b", "")
		gone.Value = nil
		transaction(kgo.TryCommit, put(0, "a", "2"), gone)
		restore()
		expect(0, "a", "2")
		expect(0, "b", "")
		expect(1, "c", "1")
	})
}

// restoreTables restores both partitions and does what Goka then does with them.
func restoreTables(t *testing.T, ctx context.Context, c *cluster, topic string, store *storage.Store) {
	t.Helper()
	r, err := startRecovery(ctx, c, topic, []int32{0, 1}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[int32]*tableStorage{}
	for _, n := range []int32{0, 1} {
		tables[n] = &tableStorage{part: store.Partition("t", n), number: n, recovery: r, log: testLog()}
	}
	if err := r.restore(ctx, tables); err != nil {
		t.Fatal(err)
	}
	for n, table := range tables {
		if at, _ := table.part.Offset(); at != r.end(n)-1 {
			t.Errorf("partition %d is at %d, expected %d", n, at, r.end(n)-1)
		}
		if err := table.Open(); err != nil { // Goka's, which must not drop it
			t.Fatal(err)
		}
		if _, ok := table.part.Offset(); !ok {
			t.Errorf("partition %d was dropped", n)
		}
		if err := table.MarkRecovered(); err != nil {
			t.Fatal(err)
		}
	}
	<-r.done
}
