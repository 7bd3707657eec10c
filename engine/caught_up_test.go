package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
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

// TestCaughtUpWaitsForStalledPanes: the last pane holds more groups than one flush should change, so fold has
// committed the frames that close it long before it has closed.
func TestCaughtUpWaitsForStalledPanes(t *testing.T) {
	brokers := testBroker(t)
	ctx := testContext(t, time.Minute)
	c := testCluster(t, ctx, brokers)
	app := "stalled"
	p := bindText(t, app, `
CREATE STREAM orders (time TIMESTAMP, client_id BIGINT, amount BIGINT) WITH (topic = 'orders', format = 'csv', timestamp = 'time');
CREATE METRIC BEST AS SELECT client_id, SUM(amount) AS total FROM orders WINDOW TUMBLING (SIZE 1 SECOND)
  GROUP BY client_id ORDER BY total DESC LIMIT 1 EMIT FINAL;`)
	topic := p.Streams[0].Options.Topic
	makeTopic(t, ctx, c, topic, 1)
	rows := make([]*kgo.Record, 150_000) // seven flushes
	for i := range rows {
		rows[i] = value(topic, 0, fmt.Sprintf("2016-03-22 20:25:28,%d,%d", i, i))
	}
	if err := c.write(ctx, rows...); err != nil {
		t.Fatal(err)
	}
	e := testEngine(t, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 1, Memory: LeastMemory, ExitWhenCaughtUp: true, HoldClocks: true})
	if err := e.Run(ctx); err != nil {
		t.Fatal(err)
	}
	lines := published(t, ctx, brokers, p)
	if len(lines) != 1 || !strings.Contains(lines[0], "149999") {
		t.Errorf("published %v, expected the window with client 149999", lines)
	}
}
