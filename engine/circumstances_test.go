package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"penstock/query/plan"
)

// circumstances is a log of orders in Kafka and what has to come of it, whatever happens.
type circumstances struct {
	t       *testing.T
	ctx     context.Context
	brokers []string
	app     string
	plan    *plan.Plan
	rnd     *rand.Rand
	want    []string
}

func newCircumstances(t *testing.T, brokers []string, app string, orders int) *circumstances {
	t.Helper()
	ctx := testContext(t, 2*time.Minute)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	k := &circumstances{t: t, ctx: ctx, brokers: brokers, app: app, rnd: rand.New(rand.NewPCG(seed, 1)),
		plan: ownTopics(exampleplan(t, "orders/orders_event_time.sql"), app)}
	c := testCluster(t, ctx, brokers)
	topic := k.plan.Streams[0].Options.Topic
	makeTopic(t, ctx, c, topic, 3)
	log := orderLog(k.rnd, orders, 3)
	load(t, ctx, c, topic, log)
	k.want = expected(t, k.plan, "orders", log)
	return k
}

func (k *circumstances) options(dir string, catchUp bool) Options {
	return Options{Brokers: k.brokers, App: k.app, Plan: k.plan, StateDir: dir, FoldPartitions: 4,
		ExitWhenCaughtUp: catchUp, SessionTimeout: time.Second}
}

func (k *circumstances) check() {
	k.t.Helper()
	compareLines(k.t, published(k.t, k.ctx, k.brokers, k.plan), k.want)
}

// TestEngineStoppedAgainAndAgain stops the engine at random moments, each of its starts in the
// same directory or in an empty one.
func TestEngineStoppedAgainAndAgain(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		k := newCircumstances(t, brokers, app, 20_000)
		dir := filepath.Join(t.TempDir(), "state")
		for i := range 6 {
			if k.rnd.IntN(3) == 0 {
				dir = filepath.Join(t.TempDir(), fmt.Sprint(i))
			}
			e := testEngine(t, k.options(dir, false))
			ctx, cancel := context.WithCancel(k.ctx)
			records := k.rnd.Int64N(60)
			go func() {
				eventually(t, k.ctx, "records", func() bool { return written(e) >= records || ended(e) || ctx.Err() != nil })
				cancel()
			}()
			if err := e.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := testEngine(t, k.options(dir, true)).Run(k.ctx); err != nil {
			t.Fatal(err)
		}
		k.check()
	})
}

// written is how many records an engine has committed.
func written(e *Engine) (n int64) {
	for _, s := range e.Status().Stages {
		n += s.Records
	}
	return n
}

// ended tells whether an engine has read all there is.
func ended(e *Engine) bool {
	parts := e.Status().Streams[0].Partitions
	for _, p := range parts {
		if p.Offset < p.End {
			return false
		}
	}
	return len(parts) > 0
}

// TestThreeEngines shares the work between three processes' worth of engines.
func TestThreeEngines(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		k := newCircumstances(t, brokers, app, 20_000)
		errs := make(chan error, 3)
		for range 3 {
			e := testEngine(t, k.options(filepath.Join(t.TempDir(), "state"), true))
			go func() { errs <- e.Run(k.ctx) }()
		}
		for range 3 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		k.check()
	})
}
