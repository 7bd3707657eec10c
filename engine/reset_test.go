package engine

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"penstock/engine/audit"
	"penstock/engine/broker/kafkatest"
)

// resetRun is an application that has read 400 rows, half of which were bad.
type resetRun struct {
	t     *testing.T
	ctx   context.Context
	c     *cluster
	o     Options
	reset Reset
}

func newResetRun(t *testing.T, brokers []string, app string) *resetRun {
	t.Helper()
	ctx := testContext(t, 2*time.Minute)
	c := testCluster(t, ctx, brokers)
	p := bindText(t, app, formatText(replayFile, strict))
	topic := p.Streams[0].Options.Topic
	makeTopic(t, ctx, c, topic, 3, "retention.ms", "-1")
	replayLog(t, ctx, c, topic, 0, 400)
	r := &resetRun{t: t, ctx: ctx, c: c, o: Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 2,
		ExitWhenCaughtUp: true, SessionTimeout: time.Second, StateDir: filepath.Join(t.TempDir(), "state")}}
	r.reset = Reset{Brokers: brokers, App: app, Plan: p, StateDir: r.o.StateDir, Logger: testLog()}
	return r
}

func (r *resetRun) run(ctx context.Context, dir string) error {
	o := r.o
	o.StateDir = dir
	return testEngine(r.t, o).Run(ctx)
}

// tablesHold requires the tables to hold what was read, each row once.
func (r *resetRun) tablesHold(when string) {
	r.t.Helper()
	got, err := audit.Run(r.ctx, r.c.client, audit.Options{Plan: r.o.Plan, App: r.o.App, Tables: true})
	if err != nil {
		r.t.Fatalf("%s: %v", when, err)
	}
	if len(got.Tables) == 0 || got.Rejects == nil || got.Rejects.Rows != 200 || got.Rejects.Equal != 200 {
		r.t.Errorf("%s: %d tables, rejected rows %+v", when, len(got.Tables), got.Rejects)
	}
	for _, x := range got.Tables {
		if x.Why != "" || x.Rows == 0 && x.Table == "totals" || x.Equal != x.Rows || x.Missing+x.Extra > 0 {
			r.t.Errorf("%s: table %+v", when, x)
		}
	}
}

// TestResetKilled stops a reset before each of its steps and starts the application then: it goes on,
// begins anew, or is refused, but never counts a row twice or leaves one out. The next reset goes on.
func TestResetKilled(t *testing.T) {
	kafkas := kafkatest.Brokers(t) // the last is the real one, if there is one: what deleting a topic does to offsets differs
	r := newResetRun(t, []string{kafkas[len(kafkas)-1].Addr}, kafkatest.Unique(t, "t"))
	killed := errors.New("killed")
	var steps []string
	for n := 1; ; n++ {
		if err := r.run(r.ctx, r.o.StateDir); err != nil {
			t.Fatal(err)
		}
		r.tablesHold("at first")
		left, step := n, "none"
		reset := r.reset
		reset.halt = func(name string) error {
			if left--; left == 0 {
				step = name
				return killed
			}
			return nil
		}
		_, err := reset.Run(r.ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, killed) {
			t.Fatal(err)
		}
		steps = append(steps, step)
		err = r.run(r.ctx, filepath.Join(t.TempDir(), "another"))
		var stop *StopError
		switch {
		case err == nil:
			r.tablesHold("killed before " + step)
		case !errors.As(err, &stop) || !stop.State:
			t.Errorf("killed before %s: %v", step, err)
		}
		if _, err := r.reset.Run(r.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(steps, []string{"state", "transactions", "streams", "frames", "fold", "topics", "changelog"}) {
		t.Errorf("killed before %v", steps)
	}
	found, err := r.reset.Look(r.ctx)
	if err != nil || !found.Nothing() {
		t.Errorf("a reset has left %+v %v", found, err)
	}
}

// TestResetGroups: groups of streams that the query file no longer has go too, those of an
// application whose name begins alike stay.
func TestResetGroups(t *testing.T) {
	brokers := testBroker(t)
	r := newResetRun(t, brokers, "trades")
	topic := r.o.Plan.Streams[0].Options.Topic
	for _, other := range []string{"trades-route-frames", "trades-route-x-frames"} {
		makeTopic(t, r.ctx, r.c, other, 1)
	}
	for group, of := range map[string]string{
		"trades-route-gone": topic, "trades-route-fold": "trades-route-frames", "trades-route-x-fold": "trades-route-x-frames",
		"trades-route-x-route-orders": topic, "trades-2-route-orders": topic,
	} {
		if err := r.c.commitPlain(r.ctx, group, []sourceOffset{{Topic: of, Offset: 7}}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := r.reset.Look(r.ctx)
	if err != nil || !slices.Equal(found.Groups, []string{"trades-route-gone"}) {
		t.Fatalf("%+v %v", found, err)
	}
	if _, err := r.reset.Run(r.ctx); err != nil {
		t.Fatal(err)
	}
	list, err := r.c.admin.ListGroups(r.ctx)
	if want := []string{"trades-2-route-orders", "trades-route-fold", "trades-route-x-fold", "trades-route-x-route-orders"}; err != nil || !slices.Equal(list.Groups(), want) {
		t.Errorf("left are %v %v", list.Groups(), err)
	}
}

// TestResetWhileRunning: while a process of the application runs nothing is deleted.
func TestResetWhileRunning(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		r := newResetRun(t, brokers, app)
		r.o.ExitWhenCaughtUp = false
		e := testEngine(t, r.o)
		e.Serve(Service{})
		ctx, stop := context.WithCancel(r.ctx)
		defer stop()
		left := make(chan error, 1)
		go func() { left <- e.Run(ctx) }()
		eventually(t, r.ctx, "it reads", func() bool { return len(e.Status().Streams[0].Partitions) == 3 })
		r.reset.StateDir = "" // as from another machine
		before, err := r.reset.Look(r.ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.reset.Run(r.ctx)
		var running *RunningError
		if !errors.As(err, &running) || !running.Seen || len(running.Who) != 1 || running.Who[0] != e.opts.InstanceID {
			t.Errorf("%v", err)
		}
		after, err := r.reset.Look(r.ctx)
		if err != nil || len(after.Topics) != len(before.Topics) || !slices.Equal(after.Groups, before.Groups) {
			t.Errorf("before %+v, after %+v %v", before, after, err)
		}
		stop()
		if err := <-left; err != nil {
			t.Error(err)
		}
	})
}
