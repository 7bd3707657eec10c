package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/broker/kafkatest"
	"penstock/query/plan"
)

// unwatched is a clock by which nobody looks for deleted topics from time to time.
type unwatched struct{ wallClock }

func (c unwatched) After(d time.Duration) <-chan time.Time {
	if d == watchEvery {
		return nil
	}
	return c.wallClock.After(d)
}

// deletedRun is an application that runs and has read all there is.
type deletedRun struct {
	*circumstances
	cluster *cluster
	engine  *Engine
	topic   string
	done    chan error
	stop    context.CancelFunc
}

func newDeletedRun(t *testing.T, brokers []string, app string, change func(*Options)) *deletedRun {
	t.Helper()
	k := newCircumstances(t, brokers, app, 2000)
	o := k.options(filepath.Join(t.TempDir(), "state"), false)
	o.HoldClocks = true // what is published then follows from rows only
	change(&o)
	d := &deletedRun{circumstances: k, cluster: testCluster(t, k.ctx, brokers), topic: k.plan.Streams[0].Options.Topic,
		engine: testEngine(t, o), done: make(chan error, 1)}
	ctx, stop := context.WithCancel(k.ctx)
	d.stop = stop
	t.Cleanup(stop)
	go func() { d.done <- d.engine.Run(ctx) }()
	if !o.ExitWhenCaughtUp {
		eventually(t, k.ctx, "all read", func() bool { return len(d.engine.Status().Streams[0].Partitions) == 3 && ended(d.engine) })
		if err := d.engine.Settle(k.ctx); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *deletedRun) delete(topic string) {
	d.t.Helper()
	if _, err := d.cluster.admin.DeleteTopic(d.ctx, topic); err != nil {
		d.t.Fatal(err)
	}
}

// remake makes a topic again. Apache Kafka takes a moment to delete the one before.
func (d *deletedRun) remake(topic string, partitions int32) {
	d.t.Helper()
	eventually(d.t, d.ctx, "the topic is made again", func() bool {
		_, err := d.cluster.admin.CreateTopic(d.ctx, partitions, 1, nil, topic)
		return err == nil
	})
	if _, err := d.cluster.awaitTopics(d.ctx, []string{topic}); err != nil {
		d.t.Fatal(err)
	}
}

// ends waits for the error that ends the engine, which has to say all of this.
func (d *deletedRun) ends(state bool, say ...string) {
	d.t.Helper()
	var err error
	began := time.Now()
	select {
	case err = <-d.done:
	case <-time.After(time.Minute):
		d.t.Fatalf("it goes on: %+v", d.engine.Status())
	}
	d.t.Logf("after %v: %v", time.Since(began).Round(time.Millisecond), err)
	var stop *StopError
	if !errors.As(err, &stop) || stop.State != state {
		d.t.Errorf("got %v, expected a StopError about the state: %v", err, state)
		return
	}
	for _, s := range say {
		if !strings.Contains(err.Error(), s) {
			d.t.Errorf("the error does not say %q:\n%v", s, err)
		}
	}
}

// written is how much there is of frames and results.
func (d *deletedRun) written() (n int64) {
	d.t.Helper()
	for _, topic := range []string{names{d.app}.Frames(), d.plan.Metrics[0].Topic} {
		limits, err := d.cluster.bounds(d.ctx, topic)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, b := range limits {
			n += b.End
		}
	}
	return n
}

// TestSourceTopicMadeAgainWhileRunning: with fewer rows than before or with more, none of them is taken for
// one that follows those of the old topic. What looks from time to time notices it, and so does a session
// that begins meanwhile.
func TestSourceTopicMadeAgainWhileRunning(t *testing.T) {
	t.Parallel() // it waits most of the time
	onKafkas(t, func(t *testing.T, brokers []string, _ string) {
		for _, c := range []struct {
			name  string
			rows  int
			joins bool
		}{{"fewer", 30, false}, {"more", 9000, false}, {"fewer, and a session begins", 30, true}, {"more, and a session begins", 9000, true}} {
			t.Run(c.name, func(t *testing.T) { testMadeAgain(t, brokers, kafkatest.Unique(t, "t"), c.rows, c.joins) })
		}
	})
}

func testMadeAgain(t *testing.T, brokers []string, app string, rows int, joins bool) {
	d := newDeletedRun(t, brokers, app, func(o *Options) {
		if joins {
			o.Clock = unwatched{}
		}
	})
	before := d.written()
	d.delete(d.topic)
	d.remake(d.topic, 3)
	load(t, d.ctx, d.cluster, d.topic, orderLog(rand.New(rand.NewPCG(1, 1)), rows, 3))
	if joins {
		eventually(t, d.ctx, "it has to join again", func() bool {
			return d.cluster.leaveGroup(d.ctx, names{d.app}.RouteGroup("orders"), d.engine.opts.InstanceID) == nil
		})
	}
	d.ends(true, "stream orders: topic "+d.topic+" was deleted and made again", "this process has read it up to offset", " of partition 2", "--app")
	if after := d.written(); after != before {
		t.Errorf("frames and results: %d records, expected %d as before the topic was made again", after, before)
	}
}

// TestFetcherTakesNothingOfAnotherTopic: also when the topic is made again between all looks at it and the
// first fetch.
func TestFetcherTakesNothingOfAnotherTopic(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, 30*time.Second)
		c := testCluster(t, ctx, brokers)
		topic := app + "-rows"
		makeTopic(t, ctx, c, topic, 1)
		e := &Engine{topics: newTopicIDs(c), opts: Options{App: app, Plan: &plan.Plan{}}, specs: []topicSpec{{name: topic, what: "frames"}}}
		e.topics.set(map[string]topicState{topic: {id: kadm.TopicID{1}}}) // another one than there is now
		g := &group{brokers: brokers, fetch: 1 << 20, log: testLog(), hooks: groupHooks{same: e.sameFetched}}
		f, err := newFetcher(&session{ctx: ctx, Claims: map[string][]int32{topic: {0}}}, g)
		if err != nil {
			t.Fatal(err)
		}
		defer f.close()
		claim := f.start(ctx, &aClaim{topic: topic})
		defer claim.stop()
		sendOne(t, ctx, c, topic, 0)
		eventually(t, ctx, "it is refused", func() bool { return g.failure() != nil })
		select {
		case m := <-claim.Messages():
			t.Errorf("got offset %d of another topic", m.Offset)
		default:
		}
		if err := g.failure(); !final(err) || !strings.Contains(err.Error(), "made again") {
			t.Errorf("got %v", err)
		}
	})
}

const twoStreams = `
CREATE STREAM a (amount BIGINT) WITH (topic = 'a', format = 'csv');
CREATE STREAM b (amount BIGINT) WITH (topic = 'b', format = 'csv');
CREATE METRIC NA AS SELECT COUNT(*) AS n FROM a WINDOW TUMBLING (SIZE 1 SECOND) EMIT FINAL;
CREATE METRIC NB AS SELECT COUNT(*) AS n FROM b WINDOW TUMBLING (SIZE 1 SECOND) EMIT FINAL;
`

// TestSourceTopicDeletedWhileRunning: the other stream goes on, its idle clocks too, and the engine ends in time.
// When the topic comes back it is another one, and refused.
func TestSourceTopicDeletedWhileRunning(t *testing.T) {
	t.Parallel() // it waits most of the time
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		p := bindText(t, app, twoStreams)
		for i, name := range []string{"a", "b"} {
			p.Streams[i].Options.Topic, p.Metrics[i].Topic = app+"."+name, app+".metrics"+name
			makeTopic(t, ctx, c, app+"."+name, 2)
		}
		o := Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 2, StateDir: filepath.Join(t.TempDir(), "state"), SessionTimeout: time.Second}
		start := func() (*deletedRun, context.CancelFunc) {
			running, stop := context.WithCancel(ctx)
			d := &deletedRun{circumstances: &circumstances{t: t, ctx: ctx, app: app, plan: p}, cluster: c, engine: testEngine(t, o), done: make(chan error, 1)}
			go func() { d.done <- d.engine.Run(running) }()
			return d, stop
		}
		d, stop := start()
		defer stop()
		r := followResults(t, ctx, brokers, p.Metrics[1].Topic)
		r.next()
		d.delete(app + ".a")
		gone := time.Now()
		for last := r.next(); last.End.Before(gone.Add(missingFor + 2*time.Second)); last = r.next() {
			if late := last.published.Sub(last.End); last.End.After(gone) && late > 4*time.Second {
				t.Errorf("the window up to %v was published %v after its end", last.End, late)
			}
		}
		d.remake(app+".a", 2)
		d.ends(true, "stream a: topic "+app+".a was deleted and made again", "offset 0 of partition 0", "--app")
		// And the next start is refused.
		d, stop2 := start()
		defer stop2()
		d.ends(true, "stream a: ", "deleted and made again")
	})
}

// TestSourceTopicDeletedWhileCatchingUp: who waits until all is read does not wait for what is gone.
func TestSourceTopicDeletedWhileCatchingUp(t *testing.T) {
	t.Parallel() // it waits most of the time
	brokers, app := testBroker(t), kafkatest.Unique(t, "t")
	var client *kgo.Client
	d := newDeletedRun(t, brokers, app, func(o *Options) {
		// The engine waits for what this transaction holds.
		var err error
		client, err = kgo.NewClient(append(clientOptions(brokers, nil, "t", testLog()), kgo.TransactionalID(app+"-someone"))...)
		if err == nil {
			err = client.BeginTransaction()
		}
		if err == nil {
			err = client.ProduceSync(context.Background(), value(o.Plan.Streams[0].Options.Topic, 0, "x")).FirstErr()
		}
		if err != nil {
			t.Fatal(err)
		}
		o.ExitWhenCaughtUp = true
	})
	defer client.Close()
	eventually(t, d.ctx, "records", func() bool { return written(d.engine) > 0 })
	d.delete(d.topic)
	d.ends(true, "stream orders: topic "+d.topic+" was deleted", "what was not read is lost to it", "--app")
}

// TestOwnTopicDeletedWhileRunning: none of the engine's own topics can be gone without its ending in words, and
// the state is not given up for an empty changelog.
func TestOwnTopicDeletedWhileRunning(t *testing.T) {
	t.Parallel() // it waits most of the time
	n := func(app string) names { return names{app} }
	for _, c := range []struct {
		name  string
		topic func(app string) string
		again bool // it is made again at once
		state bool
		say   string
	}{
		{"frames", func(app string) string { return n(app).Frames() }, false, true, "start again under another --app"},
		{"frames again", func(app string) string { return n(app).Frames() }, true, true, "was deleted and made again"},
		{"loop", func(app string) string { return n(app).FoldLoop() }, false, true, "start again under another --app"},
		{"table", func(app string) string { return n(app).FoldTable() }, false, true, "start again under another --app"},
		{"table again", func(app string) string { return n(app).FoldTable() }, true, true, "was deleted and made again"},
		{"decisions", func(app string) string { return n(app).Decisions() }, false, true, "start again under another --app"},
		{"replayed again", func(app string) string { return n(app).Replayed() }, true, true, "was deleted and made again"},
		{"results", func(app string) string { return app + ".metrics" }, false, false, "start it again and it is made again, empty"},
		{"members", func(app string) string { return n(app).Members() }, false, false, "start it again and it is made again, empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDeletedRun(t, testBroker(t), kafkatest.Unique(t, "t"), func(*Options) {})
			topic := c.topic(d.app)
			held := d.tableOffsets()
			d.delete(topic)
			if c.again {
				d.remake(topic, 4)
			}
			load(t, d.ctx, d.cluster, d.topic, orderLog(rand.New(rand.NewPCG(1, 1)), 30, 3))
			if c.again {
				// The stages begin again before anybody looks at the topics.
				eventually(t, d.ctx, "it has to join again", func() bool {
					return d.cluster.leaveGroup(d.ctx, n(d.app).FoldGroup(), d.engine.opts.InstanceID) == nil
				})
			}
			d.ends(c.state, topic, c.say)
			if c.state {
				o := d.engine.opts
				e := testEngine(t, o)
				defer e.Close()
				for p, at := range held {
					if now, ok := e.local().Partition(tableState, p).Offset(); !ok || now < at {
						t.Errorf("table partition %d is at offset %d (%v), it was at %d", p, now, ok, at)
					}
				}
				if err := e.Run(d.ctx); err == nil {
					t.Error("the next start goes on as if nothing had happened")
				}
			}
		})
	}
}

// tableOffsets is where the table partitions stand.
func (d *deletedRun) tableOffsets() map[int32]int64 {
	at := map[int32]int64{}
	for p := range int32(d.engine.opts.FoldPartitions) {
		if o, ok := d.engine.local().Partition(tableState, p).Offset(); ok {
			at[p] = o
		}
	}
	return at
}

// TestResultsTopicMadeAgainWhileRunning: results go on, on the new topic.
func TestResultsTopicMadeAgainWhileRunning(t *testing.T) {
	t.Parallel() // it waits most of the time
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		p := bindText(t, app, formatText(tickingCount, ""))
		e := startEngine(t, ctx, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 2})
		followResults(t, ctx, brokers, p.Metrics[0].Topic).next()
		d := &deletedRun{circumstances: &circumstances{t: t, ctx: ctx, app: app, plan: p}, cluster: testCluster(t, ctx, brokers), engine: e}
		d.delete(p.Metrics[0].Topic)
		d.remake(p.Metrics[0].Topic, 1)
		again := followResults(t, ctx, brokers, p.Metrics[0].Topic)
		last := again.next()
		for range 3 {
			x := again.next()
			if !x.Start.Equal(last.End) {
				t.Errorf("after the window up to %v came %+v", last.End, x)
			}
			last = x
		}
	})
}
