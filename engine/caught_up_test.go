package engine

import (
	"fmt"
	"testing"
	"time"
)

// slowPolls is the machine's clock, but whoever waits for things to come far enough looks seldom, so that
// much happens in between.
type slowPolls struct{ wallClock }

func (slowPolls) After(d time.Duration) <-chan time.Time {
	if d == catchUpEvery {
		d *= 6
	}
	return time.After(d)
}

// TestCaughtUpLeavesNoFrames: the clocks of idle partitions pass the end of a pane all the time while a
// process finds out that it is caught up. When it has ended, fold has read every frame that route sent.
func TestCaughtUpLeavesNoFrames(t *testing.T) {
	brokers := testBroker(t)
	ctx := testContext(t, time.Minute)
	c := testCluster(t, ctx, brokers)
	for i := range 2 {
		app := fmt.Sprintf("caught%d", i)
		p := bindText(t, app, `
CREATE STREAM orders (time TIMESTAMP, amount BIGINT) WITH (topic = 'orders', format = 'csv');
CREATE METRIC N AS SELECT COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 20 MILLISECONDS) EMIT FINAL;`)
		topic := p.Streams[0].Options.Topic
		makeTopic(t, ctx, c, topic, 2)
		row := value(topic, 0, "2026-01-01 00:00:00,5")
		row.Timestamp = time.Now().Add(-10 * time.Second) // its partition is idle since then
		if err := c.write(ctx, row); err != nil {
			t.Fatal(err)
		}
		e := testEngine(t, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 2, ExitWhenCaughtUp: true, Clock: slowPolls{}})
		if err := e.Run(ctx); err != nil {
			t.Fatal(err)
		}
		n := names{app}
		at, err := c.fetchOffsets(ctx, n.FoldGroup(), n.Frames(), []int32{0, 1})
		if err != nil {
			t.Fatal(err)
		}
		frames := readAll(t, ctx, brokers, n.Frames(), true)
		if len(frames) != 2 {
			t.Fatalf("frames in %d partitions, expected 2", len(frames))
		}
		for partition, recs := range frames {
			unread := 0
			for _, r := range recs {
				if r.Offset >= at[partition].Offset {
					unread++
				}
			}
			if unread > 0 {
				t.Errorf("%d of %d frames in partition %d were not read", unread, len(recs), partition)
			}
		}
	}
}
