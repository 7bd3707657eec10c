package engine

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// open leaves a transaction open that holds a record and an offset.
func leaveOpen(t *testing.T, ctx context.Context, p *producer, m member, rec *kgo.Record, at sourceOffset) {
	t.Helper()
	if err := p.client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := p.send(ctx, []*kgo.Record{rec}); err != nil {
		t.Fatal(err)
	}
	if err := p.sendOffsets(ctx, m, []sourceOffset{at}); err != nil {
		t.Fatal(err)
	}
}

// TestTakeOver ends the transaction of a process that left its group, and only that one.
func TestTakeOver(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		makeTopic(t, ctx, c, app+"-in", 2)
		makeTopic(t, ctx, c, app+"-out", 2)
		alive := join(t, ctx, brokers, app+"-g", "alive", app+"-in")
		for i, instance := range []string{"alive", "dead"} {
			// The dead one had been a member; here it borrows the other's membership, because only a
			// member can add offsets.
			p := openTestProducer(t, ctx, c, brokers, app, instance)
			leaveOpen(t, ctx, p, alive.member, value(app+"-out", int32(i), instance), sourceOffset{Topic: app + "-in", Partition: int32(i), Offset: 5})
		}
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		if _, err := c.committed(short, app+"-g", app+"-in", []int32{0, 1}, nil); err == nil {
			t.Fatal("offsets were read that two open transactions are about to change")
		}
		if err := c.takeOver(ctx, names{app}, app+"-g", ""); err != nil {
			t.Fatal(err)
		}
		open, err := c.openTransactions(ctx, app+"/"+app+"-g/")
		if err != nil || len(open) != 1 || open[0] != app+"/"+app+"-g/alive" {
			t.Errorf("open transactions: %v, %v; expected only that of the member", open, err)
		}
		ends, err := c.admin.ListCommittedOffsets(ctx, app+"-out")
		if err != nil {
			t.Fatal(err)
		}
		if o, _ := ends.Lookup(app+"-out", 1); o.Offset != 2 {
			t.Errorf("readers of out/1 get to %d, expected 2, behind the abort marker", o.Offset)
		}
	})
}

// TestCommittedWaits shows that reading offsets takes over by itself when it has to wait.
func TestCommittedWaits(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		makeTopic(t, ctx, c, app+"-in", 1)
		makeTopic(t, ctx, c, app+"-out", 1)
		alive := join(t, ctx, brokers, app+"-g", "alive", app+"-in")
		p := openTestProducer(t, ctx, c, brokers, app, "dead")
		leaveOpen(t, ctx, p, alive.member, value(app+"-out", 0, "x"), sourceOffset{Topic: app + "-in", Partition: 0, Offset: 5})
		got, err := c.committed(ctx, app+"-g", app+"-in", []int32{0}, func(ctx context.Context) error { return c.takeOver(ctx, names{app}, app+"-g", "") })
		if err != nil || got[0].Offset != noOffset {
			t.Errorf("committed %+v, %v; expected none: the transaction was aborted", got[0], err)
		}
	})
}

// TestStartEndsOwn: a process that was killed inside a transaction is started again while its group still
// knows it as a member. Nobody else ends what it left open.
func TestStartEndsOwn(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		n := names{app}
		makeTopic(t, ctx, c, app+"-in", 1)
		makeTopic(t, ctx, c, app+"-out", 1)
		killed := join(t, ctx, brokers, n.FoldGroup(), "killed", app+"-in")
		o := Options{Brokers: brokers, App: app, InstanceID: "killed"}.withDefaults()
		p, err := openProducer(ctx, o, n.FoldGroup(), newTopicIDs(c), testLog())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.close)
		leaveOpen(t, ctx, p, killed.member, value(app+"-out", 0, "x"), sourceOffset{Topic: app + "-in", Partition: 0, Offset: 5})
		e := &Engine{opts: o, cluster: c}
		// Without that, the transaction ends after its timeout of ten seconds at the earliest.
		soon, cancel := context.WithTimeout(ctx, 8*time.Second)
		defer cancel()
		got, err := c.committed(soon, n.FoldGroup(), app+"-in", []int32{0}, e.endOwn(n.FoldGroup()))
		if err != nil || got[0].Offset != noOffset {
			t.Errorf("committed %+v, %v; expected none: the transaction was aborted", got[0], err)
		}
	})
}
