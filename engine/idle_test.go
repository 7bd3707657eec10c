package engine

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestDrained(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		ids := newTopicIDs(c)
		makeTopic(t, ctx, c, app+"-src", 1)
		check := func(what string, from int64, want bool, wantNext int64) {
			t.Helper()
			var idle bool
			var next int64
			var err error
			// A topic is in the metadata of Apache Kafka before its leader serves it.
			eventually(t, ctx, what, func() bool {
				idle, next, err = c.drained(ctx, ids, app+"-src", 0, from)
				return err == nil || !transient(err)
			})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if idle != want || want && next != wantNext {
				t.Errorf("%s: idle %v up to %d, expected %v up to %d", what, idle, next, want, wantNext)
			}
		}
		check("empty", 0, true, 0)
		if err := c.write(ctx, value(app+"-src", 0, "a"), value(app+"-src", 0, "b")); err != nil {
			t.Fatal(err)
		}
		check("two unread", 0, false, 0)
		check("one unread", 1, false, 0)
		check("all read", 2, true, 2)

		client, err := kgo.NewClient(append(clientOptions(brokers, nil, "t", testLog()), kgo.TransactionalID(app+"-someone"))...)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		transaction := func(end kgo.TransactionEndTry) {
			t.Helper()
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := client.ProduceSync(ctx, value(app+"-src", 0, "t")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			check("a transaction is open", 2, false, 0)
			if err := client.EndTransaction(ctx, end); err != nil {
				t.Fatal(err)
			}
		}
		transaction(kgo.TryAbort) // record 2, marker 3
		eventually(t, ctx, "the abort marker is written", func() bool {
			idle, next, err := c.drained(ctx, ids, app+"-src", 0, 2)
			return err == nil && idle && next == 4
		})
		check("behind an aborted record", 2, true, 4)
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(ctx, value(app+"-src", 0, "t")).FirstErr(); err != nil { // record 4
			t.Fatal(err)
		}
		if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil { // marker 5
			t.Fatal(err)
		}
		check("a committed record", 2, false, 0)
		eventually(t, ctx, "the commit marker is written", func() bool {
			idle, next, err := c.drained(ctx, ids, app+"-src", 0, 5)
			return err == nil && idle && next == 6
		})
	})
}
