package bench_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/cmd/penstock/gen"
	"penstock/engine/bench"
	"penstock/engine/broker"
	"penstock/engine/broker/kafkatest"
	"penstock/examples"
	"penstock/query/plan"
)

// profiles are the shapes that are measured. PENSTOCK_BENCH names those to run, as
// "small large:5000000"; without it a few rows of small go through, so that the harness is tested.
var profiles = map[string]struct{ clients, symbols, rows int }{
	"small": {100, 200, 4_000_000},
	"large": {100_000, 5_000, 4_000_000},
	"wide":  {10_000_000, 5_000, 10_000_000},
}

func TestBench(t *testing.T) {
	todo := os.Getenv("PENSTOCK_BENCH")
	if todo == "" {
		todo = "small:20000"
	}
	for _, name := range strings.Fields(todo) {
		name, rows, given := strings.Cut(name, ":")
		p, ok := profiles[name]
		if !ok {
			t.Fatalf("no profile %q", name)
		}
		if given {
			n, err := strconv.Atoi(rows)
			if err != nil {
				t.Fatal(err)
			}
			p.rows = n
		}
		t.Run(name, func(t *testing.T) {
			g, err := gen.New(gen.Options{Seed: 1, Clients: p.clients, Symbols: p.symbols})
			if err != nil {
				t.Fatal(err)
			}
			pl, diags := plan.Bind("orders.sql", examples.Orders)
			if pl == nil {
				t.Fatal(diags)
			}
			topic := kafkatest.Unique(t, name)
			pl.Streams[0].Options.Topic = topic
			for _, m := range pl.Metrics {
				m.Topic = topic + ".metrics"
			}
			_, err = bench.Run(context.Background(), bench.Options{Brokers: []string{brokerFor(t)}, Dir: t.TempDir(), Plan: pl,
				Rows: p.rows, FlushInterval: interval(t), Span: 10 * time.Minute, Line: g.Next, Out: os.Stdout})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// brokerFor starts an Apache Kafka with room to breathe, or the embedded broker where there is none.
func brokerFor(t *testing.T) string {
	if os.Getenv("PENSTOCK_BENCH") != "" {
		c, err := kafkatest.Start(context.Background(), kafkatest.Options{Java: []string{"-Xmx1g", "-XX:+UseG1GC"}})
		if err == nil {
			t.Cleanup(func() {
				if err := c.Stop(); err != nil {
					t.Error(err)
				}
			})
			return c.Addrs()[0]
		}
		t.Log(err)
	}
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b.Addr()
}

// interval is PENSTOCK_BENCH_FLUSH, to see what another flush interval does.
func interval(t *testing.T) time.Duration {
	s := os.Getenv("PENSTOCK_BENCH_FLUSH")
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
