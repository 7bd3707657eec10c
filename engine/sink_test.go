//go:build !race

package engine

// Not under the race detector: what is bounded here is memory, and transactions of one second.

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"penstock/engine/format"
	"penstock/query/plan"
)

const sinkFile = `
CREATE STREAM orders (at TIMESTAMP, id BIGINT, v BIGINT) WITH (topic = 'orders', format = 'csv', timestamp = 'at');
CREATE TABLE each AS SELECT id, SUM(v) AS v FROM orders GROUP BY id;
CREATE METRIC total AS SELECT COUNT(*) AS n, SUM(v) AS v FROM each EMIT EVERY 5 SECONDS;
`

// sinkLog makes rows of as many groups, so that nothing is added up before it reaches the tables.
func sinkLog(rows, partitions int) [][]format.Record {
	log := make([][]format.Record, partitions)
	at := time.Date(2016, 3, 22, 20, 25, 20, 0, time.UTC)
	for i := range rows {
		when := at.Add(time.Duration(i) * time.Millisecond / 5)
		line := fmt.Sprintf("%s,%d,%d", when.Format("2006-01-02 15:04:05.000"), i, i%7)
		log[i%partitions] = append(log[i%partitions], format.Record{Time: when.UnixMilli(), Value: []byte(line)})
	}
	return log
}

// unwritable makes a broker refuse, or not answer, what an application writes, its results only or
// all of it, until the returned function is called.
func unwritable(c *kfake.Cluster, p *plan.Plan, all, hold bool) (over func()) {
	results := p.Metrics[0].Topic
	if !hold {
		f := kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1}
		if all {
			// What the application writes is in transactions, what the test writes is not.
			f.When = func(req kmsg.Request) bool { return req.(*kmsg.ProduceRequest).TransactionID != nil }
		} else {
			f.Topic = results
		}
		return c.Fault(f).Remove
	}
	release := make(chan struct{})
	c.ControlKey(kmsg.Produce.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-release:
			c.DropControl()
			return nil, nil, false
		default:
		}
		c.KeepControl()
		for _, t := range req.(*kmsg.ProduceRequest).Topics {
			if t.Topic == results || t.TopicID == c.TopicInfo(results).TopicID {
				c.SleepControl(func() { <-release })
			}
		}
		return nil, nil, false
	})
	return sync.OnceFunc(func() { close(release) })
}

// TestUnwritable: while Kafka takes nothing for the results, or nothing at all, what a process holds
// stays within its bounds, and what it reads waits. When Kafka takes it again all of it is there once.
func TestUnwritable(t *testing.T) {
	for _, x := range []struct {
		name      string
		all, hold bool
		restarts  int // of a stage; without anything that can be written it waits in its second life
	}{{"results refused", false, false, 3}, {"results not answered", false, true, 3}, {"everything refused", true, false, 1}} {
		t.Run(x.name, func(t *testing.T) { testUnwritable(t, x.all, x.hold, x.restarts) })
	}
}

func testUnwritable(t *testing.T, all, hold bool, tries int) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	ctx := testContext(t, time.Minute)
	p := bindText(t, "t", sinkFile)
	c := testCluster(t, ctx, broker.ListenAddrs())
	source, topic := p.Streams[0].Options.Topic, p.Metrics[0].Topic
	makeTopic(t, ctx, c, source, 2)
	log := sinkLog(60_000, 2)
	part := func(from, to int) [][]format.Record { return [][]format.Record{log[0][from:to], log[1][from:to]} }
	load(t, ctx, c, source, part(0, 1000))
	said := &lines{}
	o := Options{Brokers: broker.ListenAddrs(), App: "t", Plan: p, FoldPartitions: 2, TransactionTimeout: time.Second, HoldClocks: true,
		StateDir: filepath.Join(t.TempDir(), "state"), FlushBytes: 64 << 10, FlushInterval: 20 * time.Millisecond,
		Memory: LeastMemory, Logger: slog.New(slog.NewTextHandler(said, nil))}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(running) }()
	eventually(t, ctx, "the first rows are read", func() bool { return len(e.Status().Streams[0].Partitions) == 2 && ended(e) && written(e) > 0 })
	load(t, ctx, c, source, part(1000, 1001))
	before := len(published(t, ctx, o.Brokers, p))
	over := unwritable(broker, p, all, hold)
	load(t, ctx, c, source, part(1001, len(log[0])))
	eventually(t, ctx, "tries", func() bool {
		checkHeld(t, e)
		return restarts(e) >= tries
	})
	if after := len(published(t, ctx, o.Brokers, p)); after > before {
		t.Errorf("%d results while nothing can be written, %d before", after, before)
	}
	over()
	eventually(t, ctx, "all is read", func() bool { return ended(e) })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if want := topic; !said.has("stage begins again", "are not acknowledged", want) && !all {
		t.Errorf("the log does not say that %s cannot be written:\n%s", want, said.String())
	}
	o.ExitWhenCaughtUp = true
	if err := testEngine(t, o).Run(ctx); err != nil {
		t.Fatal(err)
	}
	compareLines(t, published(t, ctx, o.Brokers, p), expected(t, p, "orders", log))
}

// restarts is how often a stage of an engine has begun again, the one that did most.
func restarts(e *Engine) (n int) {
	for _, s := range e.Status().Stages {
		n = max(n, s.Restarts)
	}
	return n
}

// checkHeld compares what an engine holds with the bounds that it has.
func checkHeld(t *testing.T, e *Engine) {
	t.Helper()
	for _, u := range e.Memory() {
		bound := u.Bound
		switch u.Component {
		case "flushes":
			bound = LeastMemory / 8
		case "frames", "route partials":
			bound += 2 * leastFlush
		case "process", "go heap":
			continue // of all tests together
		}
		// A fetch that was under way, or a batch that is being written, comes on top.
		if bound > 0 && u.Bytes > 2*bound {
			t.Fatalf("%s: %d bytes, the bound is %d", u.Component, u.Bytes, bound)
		}
	}
}
