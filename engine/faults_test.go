package engine

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/engine/broker"
	"penstock/engine/broker/kafkatest"
	"penstock/engine/format"
	"penstock/storage"
)

// faultRun is an application that has run once over some orders and been stopped.
type faultRun struct {
	*circumstances
	dir     string
	cluster *cluster
	topic   string
}

func newFaultRun(t *testing.T) *faultRun {
	t.Helper()
	k := newCircumstances(t, testBroker(t), kafkatest.Unique(t, "t"), 2000)
	f := &faultRun{circumstances: k, dir: filepath.Join(t.TempDir(), "state"), topic: k.plan.Streams[0].Options.Topic}
	f.cluster = testCluster(t, k.ctx, k.brokers)
	if err := testEngine(t, k.options(f.dir, true)).Run(k.ctx); err != nil {
		t.Fatal(err)
	}
	return f
}

// again runs the application until it ends, which it has to with an error that says all of this.
func (f *faultRun) again(dir string, say ...string) {
	f.t.Helper()
	e := testEngine(f.t, f.options(dir, true))
	ctx, cancel := context.WithTimeout(f.ctx, 30*time.Second)
	defer cancel()
	err := e.Run(ctx)
	if err == nil {
		f.t.Fatal("no error")
	}
	for _, s := range say {
		if !strings.Contains(err.Error(), s) {
			f.t.Errorf("the error does not say %q:\n%v", s, err)
		}
	}
}

func TestSourceTopicMadeAgain(t *testing.T) {
	f := newFaultRun(t)
	if _, err := f.cluster.admin.DeleteTopic(f.ctx, f.topic); err != nil {
		t.Fatal(err)
	}
	makeTopic(t, f.ctx, f.cluster, f.topic, 3)
	f.again(f.dir, "stream orders: ", "has read topic "+f.topic+" before", "deleted and made again", "--app")
	f.again(filepath.Join(t.TempDir(), "other"), "deleted and made again")
}

func TestSourceOffsetsRemoved(t *testing.T) {
	f := newFaultRun(t)
	load(t, f.ctx, f.cluster, f.topic, orderLog(rand.New(rand.NewPCG(1, 1)), 300, 3))
	at, err := f.cluster.fetchOffsets(f.ctx, names{f.app}.RouteGroup("orders"), f.topic, []int32{1})
	if err != nil {
		t.Fatal(err)
	}
	cut := kadm.Offsets{}
	cut.AddOffset(f.topic, 1, at[1].Offset+7, -1)
	if _, err := f.cluster.admin.DeleteRecords(f.ctx, cut); err != nil {
		t.Fatal(err)
	}
	f.again(f.dir, f.topic+"/1: offsets", "were removed before they were read (7 records)")
}

func TestGroupOffsetsForgotten(t *testing.T) {
	f := newFaultRun(t)
	n := names{f.app}
	for _, group := range []string{n.RouteGroup("orders"), n.FoldGroup()} {
		eventually(t, f.ctx, "the group is empty", func() bool {
			resp, err := f.cluster.admin.DeleteGroups(f.ctx, group)
			return err == nil && resp[group].Err == nil
		})
		// Nor may an empty directory begin from the start: the changelog holds these rows.
		for _, dir := range []string{f.dir, filepath.Join(t.TempDir(), "other")} {
			f.again(dir, "group "+group+" has no committed offsets any more", "offsets.retention.minutes")
		}
	}
}

func TestSecondProcessOnOneState(t *testing.T) {
	f := newFaultRun(t)
	e := testEngine(t, f.options(f.dir, false))
	defer e.Close()
	_, err := New(f.options(f.dir, false))
	if !errors.Is(err, storage.ErrInUse) {
		t.Errorf("the second process got %v", err)
	}
}

func TestStateOfAnotherApplication(t *testing.T) {
	f := newFaultRun(t)
	o := f.options(f.dir, false)
	o.App = "another"
	_, err := New(o)
	if !errors.Is(err, storage.ErrOtherApp) {
		t.Errorf("the state of another application: %v", err)
	}
}

func TestKafkaCannotBeReached(t *testing.T) {
	f := newFaultRun(t)
	o := f.options(f.dir, false)
	o.Brokers = []string{"127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(f.ctx, 30*time.Second)
	defer cancel()
	err := testEngine(t, o).Run(ctx)
	if err == nil || !strings.Contains(err.Error(), "cannot reach Kafka at [127.0.0.1:1]") {
		t.Errorf("got %v", err)
	}
}

// TestConnectionClosedAtOnce: a broker that closes the first connection goes down, or wants TLS. Only one that does
// it again and again is not reached.
func TestConnectionClosedAtOnce(t *testing.T) {
	ctx := testContext(t, time.Minute)
	broker := testBroker(t)[0]
	for _, c := range []struct {
		closes int32
		ok     bool
	}{{1, true}, {2, true}, {3, true}, {4, true}, {1 << 30, false}} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			for n := int32(0); ; n++ {
				from, err := ln.Accept()
				if err != nil {
					return
				}
				if n < c.closes {
					from.Close()
					continue
				}
				go func() {
					defer from.Close()
					to, err := net.Dial("tcp", broker)
					if err != nil {
						return
					}
					defer to.Close()
					go func() { _, _ = io.Copy(to, from) }()
					_, _ = io.Copy(from, to)
				}()
			}
		}()
		cl, err := openCluster(ctx, []string{ln.Addr().String()}, nil, "test", testLog())
		if (err == nil) != c.ok {
			t.Errorf("closed %d times: %v", c.closes, err)
		}
		if err == nil {
			cl.close()
		}
	}
}

// TestKafkaKilled kills the only broker under a running engine, leaves it away for a while, and
// starts it again: the engine rides it out, and the results are as if nothing had happened.
func TestKafkaKilled(t *testing.T) {
	if os.Getenv(kafkatest.Env) == "off" {
		t.Log("only Apache Kafka can be killed, and it is off")
		return
	}
	ctx := testContext(t, 3*time.Minute)
	kafka, err := kafkatest.Start(ctx, kafkatest.Options{})
	var un *kafkatest.Unavailable
	if errors.As(err, &un) {
		if _, ok := kafkatest.Apache(t); !ok { // which fails where Apache Kafka is required
			return
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Stop() })
	brokers := kafka.Addrs()
	p := ownTopics(exampleplan(t, "orders/orders_event_time.sql"), "shop")
	topic := p.Streams[0].Options.Topic
	c := testCluster(t, ctx, brokers)
	makeTopic(t, ctx, c, topic, 3)
	rnd := rand.New(rand.NewPCG(3, 4))
	log := orderLog(rnd, 12_000, 3)
	part := func(i int) [][]format.Record {
		var list [][]format.Record
		for _, l := range log {
			list = append(list, l[i*len(l)/3:(i+1)*len(l)/3])
		}
		return list
	}
	// Between two parts of the log all partitions are idle, for as long as Kafka takes to come back. Decisions
	// about that would be among what the results follow from, and nobody could say which to expect.
	o := Options{Brokers: brokers, App: "shop", Plan: p, FoldPartitions: 4, StateDir: filepath.Join(t.TempDir(), "state"), HoldClocks: true}
	running, stop := context.WithCancel(ctx)
	e := testEngine(t, o)
	done := make(chan error, 1)
	go func() { done <- e.Run(running) }()
	for i := range 3 {
		load(t, ctx, c, topic, part(i))
		eventually(t, ctx, "all read", func() bool { return len(e.Status().Streams[0].Partitions) == 3 && ended(e) })
		if i == 2 {
			break
		}
		if err := kafka.Kill(0); err != nil {
			t.Fatal(err)
		}
		if err := kafka.Restart(0); err != nil {
			t.Fatal(err)
		}
		if err := kafka.WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	o.ExitWhenCaughtUp = true
	if err := testEngine(t, o).Run(ctx); err != nil {
		t.Fatal(err)
	}
	compareLines(t, published(t, ctx, brokers, p), expected(t, p, "orders", log))
}

// TestStopsWhileKafkaIsAway: Ctrl-C ends the engine in a few seconds also when no broker answers.
func TestStopsWhileKafkaIsAway(t *testing.T) {
	ctx := testContext(t, time.Minute)
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	brokers := []string{b.Addr()}
	p := ownTopics(exampleplan(t, "orders/orders_event_time.sql"), "shop")
	c := testCluster(t, ctx, brokers)
	makeTopic(t, ctx, c, p.Streams[0].Options.Topic, 3)
	load(t, ctx, c, p.Streams[0].Options.Topic, orderLog(rand.New(rand.NewPCG(1, 1)), 3000, 3))
	e := testEngine(t, Options{Brokers: brokers, App: "shop", Plan: p, FoldPartitions: 2})
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(running) }()
	eventually(t, ctx, "records", func() bool { return written(e) > 0 })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("does not stop")
	}
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("took %v to stop", took)
	}
}
