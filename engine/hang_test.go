package engine

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/engine/broker/kafkatest"
	"penstock/engine/rejects"
)

// fastClock makes a second of a hundredth.
type fastClock struct{ start time.Time }

func (c fastClock) Now() time.Time { return c.start.Add(100 * time.Since(c.start)) }

func (fastClock) After(d time.Duration) <-chan time.Time { return time.After(d / 100) }

// TestHang: work of a stage that does not end is logged once, with what it is, while the engine still
// answers who asks for its status. When it ends after all, everything goes on.
func TestHang(t *testing.T) {
	for _, what := range []string{"run", "flush"} {
		t.Run(what, func(t *testing.T) {
			k := newCircumstances(t, testBroker(t), kafkatest.Unique(t, "t"), 0)
			log := orderLog(k.rnd, 1000, 3)
			k.want = expected(t, k.plan, "orders", log)
			topic := k.plan.Streams[0].Options.Topic
			said, hung := &lines{}, make(chan struct{})
			dir := filepath.Join(t.TempDir(), "state")
			o := k.options(dir, false)
			o.Clock, o.HoldClocks = fastClock{time.Now()}, true
			if what == "flush" {
				o.OnRejects = func([]rejects.Row, int) { <-hung }
			}
			e := testEngine(t, o)
			e.log = slog.New(slog.NewTextHandler(said, nil))
			ctx, stop := context.WithCancel(k.ctx)
			done := make(chan error, 1)
			go func() { done <- e.Run(ctx) }()
			eventually(t, k.ctx, "the partitions are here", func() bool { return len(e.Status().Streams[0].Partitions) == 3 })
			say, free := "a flush", func() { close(hung) }
			if what == "run" {
				source := e.route(k.plan.Streams[0]).source(0)
				source.mu.Lock()
				say, free = topic+"/0, offsets 0 to ", source.mu.Unlock
			}
			load(t, k.ctx, testCluster(t, k.ctx, k.brokers), topic, log)
			eventually(t, k.ctx, "the log says so", func() bool {
				e.Status()
				return strings.Contains(said.String(), "no progress: kill -QUIT")
			})
			free()
			eventually(t, k.ctx, "everything is read", func() bool { return ended(e) })
			if text := said.String(); !strings.Contains(text, say) || strings.Count(text, "no progress") != 1 {
				t.Errorf("expected one line that says %q:\n%s", say, text)
			}
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := testEngine(t, k.options(dir, true)).Run(k.ctx); err != nil {
				t.Fatal(err)
			}
			k.check()
		})
	}
}
