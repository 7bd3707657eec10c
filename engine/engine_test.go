package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/format"
	"penstock/engine/local"
	"penstock/query/plan"
)

func exampleplan(t *testing.T, file string) *plan.Plan {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "examples", filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	p, diags := plan.Bind(file, string(text))
	if p == nil {
		t.Fatalf("%s: %v", file, diags)
	}
	return p
}

// ownTopics gives a plan topics of its own, for a Kafka that tests share.
func ownTopics(p *plan.Plan, app string) *plan.Plan {
	for _, s := range p.Streams {
		s.Options.Topic = app + ".orders"
	}
	for _, m := range p.Metrics {
		m.Topic = app + ".metrics"
	}
	return p
}

// orderLog makes orders, with their time in a column and some lines that are none, by partition.
func orderLog(rnd *rand.Rand, n, partitions int) [][]format.Record {
	log := make([][]format.Record, partitions)
	at := time.Date(2016, 3, 22, 20, 25, 20, 0, time.UTC)
	for i := range n {
		at = at.Add(time.Duration(rnd.IntN(40)) * time.Millisecond)
		when := at.Add(-time.Duration(rnd.IntN(9000)) * time.Millisecond)
		line := fmt.Sprintf("%s,%d,%d,%s,%d,%d.%02d,%c", when.Format("2006-01-02 15:04:05.000"), i, rnd.IntN(50),
			[]string{"EPE", "ABC", "XYZ", "QRS", "TUV", "LMN"}[rnd.IntN(6)], 1+rnd.IntN(900), rnd.IntN(100), rnd.IntN(100), "BS"[rnd.IntN(2)])
		if rnd.IntN(100) == 0 {
			line = "not an order"
		}
		p := rnd.IntN(partitions)
		log[p] = append(log[p], format.Record{Time: at.UnixMilli(), Value: []byte(line)})
	}
	return log
}

func load(t *testing.T, ctx context.Context, c *cluster, topic string, log [][]format.Record) {
	t.Helper()
	var recs []*kgo.Record
	for p, list := range log {
		for _, r := range list {
			recs = append(recs, &kgo.Record{Topic: topic, Partition: int32(p), Value: r.Value, Timestamp: time.UnixMilli(r.Time)})
		}
	}
	if err := c.write(ctx, recs...); err != nil {
		t.Fatal(err)
	}
}

// expected are the results of a log by the same core without Kafka.
func expected(t *testing.T, p *plan.Plan, stream string, log [][]format.Record) []string {
	t.Helper()
	c, err := local.New(p, map[string]int{stream: len(log)}, local.Options{Folds: 3})
	if err != nil {
		t.Fatal(err)
	}
	for n, list := range log {
		for _, r := range list {
			c.Append(stream, n, r)
		}
	}
	if err := c.End(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range c.Results {
		lines = append(lines, string(r.Key)+" "+string(r.Value))
	}
	slices.Sort(lines)
	return lines
}

// got are the committed records of the metrics topic.
func published(t *testing.T, ctx context.Context, brokers []string, p *plan.Plan) []string {
	t.Helper()
	var lines []string
	for _, recs := range readAll(t, ctx, brokers, p.Metrics[0].Topic, true) {
		for _, r := range recs {
			lines = append(lines, string(r.Key)+" "+string(r.Value))
		}
	}
	slices.Sort(lines)
	return lines
}

func compareLines(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		at := func(l []string) string {
			if i < len(l) {
				return l[i]
			}
			return "nothing"
		}
		if at(got) != at(want) {
			t.Fatalf("%d results, expected %d; the first that differs:\n got %s\nwant %s", len(got), len(want), at(got), at(want))
		}
	}
}

func testEngine(t *testing.T, o Options) *Engine {
	t.Helper()
	if o.StateDir == "" {
		o.StateDir = filepath.Join(t.TempDir(), "state")
	}
	o.Logger, o.FlushInterval = testLog(), 20*time.Millisecond
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEngineOnOrders runs the orders example over a topic and compares every published byte with
// what the core makes of the same log without Kafka.
func TestEngineOnOrders(t *testing.T) {
	p := exampleplan(t, "orders/orders_event_time.sql")
	for _, shape := range []struct{ sources, folds int }{{1, 1}, {3, 4}} {
		t.Run(fmt.Sprintf("%d to %d", shape.sources, shape.folds), func(t *testing.T) {
			onKafkas(t, func(t *testing.T, brokers []string, app string) {
				ctx := testContext(t, time.Minute)
				p := ownTopics(p, app)
				c := testCluster(t, ctx, brokers)
				topic := p.Streams[0].Options.Topic
				makeTopic(t, ctx, c, topic, shape.sources)
				log := orderLog(rand.New(rand.NewPCG(1, 2)), 5000, shape.sources)
				load(t, ctx, c, topic, log)
				e := testEngine(t, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: shape.folds, ExitWhenCaughtUp: true})
				if err := e.Run(ctx); err != nil {
					t.Fatal(err)
				}
				compareLines(t, published(t, ctx, brokers, p), expected(t, p, "orders", log))
				st := e.Status()
				if st.State != "stopped" || len(st.Stages) != 2 {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

func TestOptionsValidateReportsEverything(t *testing.T) {
	err := Options{App: "a b", FoldPartitions: -1, FlushInterval: time.Hour, SessionTimeout: 1, Memory: 5}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 8 {
		t.Errorf("%d problems, expected 8:\n%v", got, err)
	}
}
