package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// joined is a member of a group, held for as long as the test needs its generation.
type joined struct {
	member member
	stop   context.CancelFunc
	done   chan struct{}
}

type joinHandler struct {
	joined chan sarama.ConsumerGroupSession
}

func (h joinHandler) Setup(s sarama.ConsumerGroupSession) error { h.joined <- s; return nil }

func (joinHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (joinHandler) ConsumeClaim(s sarama.ConsumerGroupSession, _ sarama.ConsumerGroupClaim) error {
	<-s.Context().Done()
	return nil
}

func join(t *testing.T, ctx context.Context, brokers []string, group, instance, topic string) *joined {
	t.Helper()
	inner, err := sarama.NewConsumerGroup(brokers, group, saramaConfig(clientSettings{instance: instance, session: 6 * time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(ctx)
	j := &joined{stop: stop, done: make(chan struct{})}
	h := joinHandler{make(chan sarama.ConsumerGroupSession, 1)}
	go func() {
		defer close(j.done)
		for ctx.Err() == nil {
			_ = inner.Consume(ctx, []string{topic}, h)
		}
		_ = inner.Close()
	}()
	t.Cleanup(j.leave)
	select {
	case s := <-h.joined:
		j.member = member{Group: group, ID: s.MemberID(), Instance: instance, Generation: s.GenerationID()}
	case <-ctx.Done():
		t.Fatal("did not join")
	}
	return j
}

func (j *joined) leave() {
	j.stop()
	<-j.done
}

func openTestProducer(t *testing.T, ctx context.Context, c *cluster, brokers []string, app, instance string) *producer {
	t.Helper()
	o := Options{Brokers: brokers, App: app, InstanceID: instance}.withDefaults()
	p, err := openProducer(ctx, o, app+"-g", newTopicIDs(c), testLog())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func value(topic string, p int32, v string) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: p, Value: []byte(v)}
}

func TestProducerCommitsRecordsAndOffsetsTogether(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		makeTopic(t, ctx, c, app+"-in", 1)
		makeTopic(t, ctx, c, app+"-out", 2)
		j := join(t, ctx, brokers, app+"-g", "i1", app+"-in")
		p := openTestProducer(t, ctx, c, brokers, app, "i1")

		recs := []*kgo.Record{value(app+"-out", 1, "x"), value(app+"-out", 1, "y"), value(app+"-out", 0, "z")}
		at := sourceOffset{Topic: app + "-in", Partition: 0, Offset: 7, Metadata: "clock 12"}
		times, err := p.commit(ctx, j.member, flushRecords{recs, []sourceOffset{at}})
		if err != nil {
			t.Fatal(err)
		}
		if times.Total() <= 0 {
			t.Error("the transaction took no time")
		}
		if recs[1].Offset != 1 || recs[2].Offset != 0 {
			t.Errorf("records are at %d and %d, expected 1 and 0", recs[1].Offset, recs[2].Offset)
		}
		got, err := c.committed(ctx, app+"-g", app+"-in", []int32{0}, nil)
		if err != nil || got[0] != at {
			t.Errorf("committed %+v, %v", got[0], err)
		}
		out := readAll(t, ctx, brokers, app+"-out", true)
		if len(out[1]) != 2 || len(out[0]) != 1 || string(out[1][0].Value) != "x" {
			t.Errorf("read %v", out)
		}
		if _, err := p.commit(ctx, j.member, flushRecords{offsets: []sourceOffset{at}}); err == nil {
			t.Error("a transaction without records was accepted")
		}
	})
}

// TestProducerRefusesStaleGeneration is what fences a process whose partitions went to another.
func TestProducerRefusesStaleGeneration(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		makeTopic(t, ctx, c, app+"-in", 1)
		makeTopic(t, ctx, c, app+"-out", 1)
		j := join(t, ctx, brokers, app+"-g", "i1", app+"-in")
		stale := []func(*member){
			func(m *member) { m.Generation-- },
			func(m *member) { m.ID = "someone-else" },
			func(m *member) { m.ID, m.Instance = "someone-else", "" },
		}
		for i, change := range stale {
			p := openTestProducer(t, ctx, c, brokers, app, "i1")
			m := j.member
			change(&m)
			f := flushRecords{[]*kgo.Record{value(app+"-out", 0, "no")}, []sourceOffset{{Topic: app + "-in", Partition: 0, Offset: int64(i + 1)}}}
			_, err := p.commit(ctx, m, f)
			var se *StaleError
			if !errors.As(err, &se) {
				t.Errorf("%+v: %v, expected a StaleError", m, err)
			}
			if _, err := p.commit(ctx, j.member, f); !errors.Is(err, errBroken) {
				t.Errorf("a broken producer answered %v", err)
			}
			p.close()
		}
		// The next producer of the same id aborts what the last one left open, before anything else.
		openTestProducer(t, ctx, c, brokers, app, "i1")
		got, err := c.committed(ctx, app+"-g", app+"-in", []int32{0}, nil)
		if err != nil || got[0].Offset != noOffset {
			t.Errorf("committed %+v, %v; expected none", got[0], err)
		}
		if out := readAll(t, ctx, brokers, app+"-out", true); len(out[0]) != 0 {
			t.Errorf("refused records are visible: %v", out[0])
		}
	})
}

func TestProducerIsFencedByItsSuccessor(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		makeTopic(t, ctx, c, app+"-in", 1)
		makeTopic(t, ctx, c, app+"-out", 1)
		j := join(t, ctx, brokers, app+"-g", "i1", app+"-in")
		first := openTestProducer(t, ctx, c, brokers, app, "i1")
		second := openTestProducer(t, ctx, c, brokers, app, "i1")
		flush := func(v string, at int64) flushRecords {
			return flushRecords{[]*kgo.Record{value(app+"-out", 0, v)}, []sourceOffset{{Topic: app + "-in", Partition: 0, Offset: at}}}
		}
		_, err := first.commit(ctx, j.member, flush("first", 1))
		if !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.ProducerFenced) {
			t.Errorf("the fenced producer got %v", err)
		}
		for i := range int64(3) {
			if _, err := second.commit(ctx, j.member, flush(fmt.Sprint(i), i+1)); err != nil {
				t.Fatal(err)
			}
		}
		if out := readAll(t, ctx, brokers, app+"-out", true); len(out[0]) != 3 {
			t.Errorf("%d records, expected the 3 of the second producer", len(out[0]))
		}
	})
}
