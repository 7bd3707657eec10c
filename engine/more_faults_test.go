package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"penstock/engine/format"
)

// turnedAway starts an engine that has to end with an error that says all of this.
func turnedAway(t *testing.T, o Options, say ...string) {
	t.Helper()
	e := testEngine(t, o)
	err := e.Run(testContext(t, catchUpEvery*600))
	if err == nil {
		t.Fatal("no error")
	}
	for _, s := range say {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the error does not say %q:\n%v", s, err)
		}
	}
}

// TestSourceTopicMissing: a misspelt name is not an empty stream.
func TestSourceTopicMissing(t *testing.T) {
	f := newFaultRun(t)
	o := f.options(filepath.Join(t.TempDir(), "state"), true)
	p := *f.plan
	s := *p.Streams[0]
	s.Options.Topic = strings.TrimSuffix(f.topic, "orders") + "ordres"
	o.Plan, o.App = exampleplan(t, "orders/orders_event_time.sql"), f.app+"2"
	o.Plan.Streams[0].Options.Topic = s.Options.Topic
	turnedAway(t, o, s.Options.Topic, "does not exist", f.topic)
}

// TestAssignedBeforeItIsKnown: whoever divided the partitions has seen one that the broker we ask has not heard of yet.
func TestAssignedBeforeItIsKnown(t *testing.T) {
	ctx := testContext(t, time.Minute)
	brokers := testBroker(t)
	c := testCluster(t, ctx, brokers)
	p := bindText(t, "t", refusedFile)
	topic := p.Streams[0].Options.Topic
	makeTopic(t, ctx, c, topic, 1)
	o := Options{App: "t", Plan: p, FoldPartitions: 1}.withDefaults()
	l := &life{stage: &stage{group: "g", opts: o, cluster: c, topics: newTopicIDs(c), log: testLog()}}
	r := &routeLogic{life: l, stream: p.Streams[0], names: names{"t"}}
	err := r.assign(ctx, &session{Claims: map[string][]int32{topic: {1}}, ctx: context.Background()})
	if !errors.Is(err, kerr.UnknownTopicOrPartition) || final(err) {
		t.Errorf("the partition was assigned: %v", err)
	}
}

// TestChangelogOfTheWrongKind: a changelog that Kafka deletes by age loses rows.
func TestChangelogOfTheWrongKind(t *testing.T) {
	f := newFaultRun(t)
	n := names{f.app + "3"}
	makeTopic(t, f.ctx, f.cluster, n.FoldTable(), 3, "cleanup.policy", "delete")
	o := f.options(filepath.Join(t.TempDir(), "state"), true)
	o.App = n.app
	turnedAway(t, o, n.FoldTable(), "has 3 partitions, expected 4", "has cleanup.policy=delete, expected compact")
}

// TestChangelogMadeAgain: a state that knows the old one does not go on with an empty one.
func TestChangelogMadeAgain(t *testing.T) {
	f := newFaultRun(t)
	topic := names{f.app}.FoldTable()
	if _, err := f.cluster.admin.DeleteTopic(f.ctx, topic); err != nil {
		t.Fatal(err)
	}
	f.again(f.dir, topic, "deleted and made again")
}

// TestOtherNumberOfTablePartitions: it is fixed when an application first starts.
func TestOtherNumberOfTablePartitions(t *testing.T) {
	f := newFaultRun(t)
	o := f.options(f.dir, false)
	o.FoldPartitions = 5
	turnedAway(t, o, "5")
}

// TestSourceTopicGrew: new source partitions join, and what is in them is counted.
func TestSourceTopicGrew(t *testing.T) {
	f := newFaultRun(t)
	if _, err := f.cluster.admin.CreatePartitions(f.ctx, 2, f.topic); err != nil {
		t.Fatal(err)
	}
	eventually(t, f.ctx, "the partitions are there", func() bool {
		have, err := f.cluster.describeTopics(f.ctx, []string{f.topic})
		return err == nil && have[f.topic].partitions == 5
	})
	load(t, f.ctx, f.cluster, f.topic, append(make([][]format.Record, 3), orderLog(rand.New(rand.NewPCG(5, 6)), 500, 2)...))
	e := testEngine(t, f.options(f.dir, true))
	if err := e.Run(f.ctx); err != nil {
		t.Fatal(err)
	}
	at, err := f.cluster.fetchOffsets(f.ctx, names{f.app}.RouteGroup("orders"), f.topic, []int32{3, 4})
	if err != nil {
		t.Fatal(err)
	}
	limits, err := f.cluster.bounds(f.ctx, f.topic)
	if err != nil {
		t.Fatal(err)
	}
	for p, o := range at {
		if o.Offset < limits[p].End {
			t.Errorf("partition %d was read up to %d of %d", p, o.Offset, limits[p].End)
		}
	}
	joined := 0
	for _, recs := range readAll(t, f.ctx, f.brokers, names{f.app}.Decisions(), true) {
		for _, r := range recs {
			if strings.Contains(string(r.Value), `"kind":"join"`) {
				joined++
			}
		}
	}
	if joined != 2 {
		t.Errorf("%d partitions joined by a decision, expected 2", joined)
	}
}

// TestEmptiedStateDirectory: the tables come back from their changelog.
func TestEmptiedStateDirectory(t *testing.T) {
	f := newFaultRun(t)
	if err := os.RemoveAll(f.dir); err != nil {
		t.Fatal(err)
	}
	if err := testEngine(t, f.options(f.dir, true)).Run(f.ctx); err != nil {
		t.Fatal(err)
	}
	f.check()
}

// TestFramesRemoved: frames that nobody has read yet cannot be done without.
func TestFramesRemoved(t *testing.T) {
	f := newFaultRun(t)
	topic := names{f.app}.Frames()
	limits, err := f.cluster.bounds(f.ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	// Put the group back by some records, and cut those off.
	n := names{f.app}
	at, err := f.cluster.fetchOffsets(f.ctx, n.FoldGroup(), topic, []int32{0})
	if err != nil {
		t.Fatal(err)
	}
	cut := kadm.Offsets{}
	cut.AddOffset(topic, 0, limits[0].End, -1)
	if _, err := f.cluster.admin.DeleteRecords(f.ctx, cut); err != nil {
		t.Fatal(err)
	}
	back := at[0]
	back.Offset = max(0, limits[0].Start)
	if back.Offset >= limits[0].End {
		t.Fatalf("nothing to cut off: %+v", limits[0])
	}
	eventually(t, f.ctx, "the group is empty", func() bool {
		if err := f.cluster.commitPlain(f.ctx, n.FoldGroup(), []sourceOffset{back}); err != nil {
			return false
		}
		now, err := f.cluster.fetchOffsets(f.ctx, n.FoldGroup(), topic, []int32{0})
		return err == nil && now[0].Offset == back.Offset
	})
	f.again(f.dir, topic+"/0: offsets", "were removed before they were read")
}
