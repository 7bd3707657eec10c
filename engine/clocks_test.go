package engine

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/query/plan"
)

func bindText(t *testing.T, app, text string) *plan.Plan {
	t.Helper()
	p, diags := plan.Bind("test.sql", text)
	if p == nil {
		t.Fatal(diags)
	}
	return ownTopics(p, app)
}

// results follows the metrics topic from its beginning.
type results struct {
	t      *testing.T
	ctx    context.Context
	client *kgo.Client
	queue  []*kgo.Record
}

func followResults(t *testing.T, ctx context.Context, brokers []string, topic string) *results {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &results{t: t, ctx: ctx, client: client}
}

// oneResult is what the tests look at in a result.
type oneResult struct {
	Metric    string
	Start     time.Time
	End       time.Time
	Rows      []map[string]any
	published time.Time
}

func (r *results) next() oneResult {
	r.t.Helper()
	for len(r.queue) == 0 {
		f := r.client.PollFetches(r.ctx)
		if r.ctx.Err() != nil {
			r.t.Fatal("no further result before the deadline")
		}
		f.EachRecord(func(rec *kgo.Record) { r.queue = append(r.queue, rec) })
	}
	rec := r.queue[0]
	r.queue = r.queue[1:]
	x := oneResult{published: rec.Timestamp}
	if err := json.Unmarshal(rec.Value, &x); err != nil {
		r.t.Fatalf("%s: %v", rec.Value, err)
	}
	return x
}

const tickingCount = `
CREATE STREAM orders (time TIMESTAMP, amount BIGINT) WITH (topic = 'orders', format = 'csv', partitions = 3 %s);
CREATE METRIC N AS SELECT COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 1 SECOND) EMIT FINAL;
`

// startEngine runs an engine until the test ends.
func startEngine(t *testing.T, ctx context.Context, o Options) *Engine {
	t.Helper()
	e := testEngine(t, o)
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestTimeGoesOnWithoutInput: with Kafka's time, results of empty windows come although nobody
// ever sent anything, each within three seconds of the window's end.
func TestTimeGoesOnWithoutInput(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		p := bindText(t, app, formatText(tickingCount, ""))
		startEngine(t, ctx, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 2})
		r := followResults(t, ctx, brokers, p.Metrics[0].Topic)
		last := r.next()
		for range 4 {
			x := r.next()
			if !x.Start.Equal(last.End) || len(x.Rows) != 1 || x.Rows[0]["n"] != 0.0 {
				t.Errorf("after the window up to %v came %+v", last.End, x)
			}
			if late := x.published.Sub(x.End); late > 3*time.Second || late < 2*time.Second {
				t.Errorf("the window up to %v was published %v after its end", x.End, late)
			}
			last = x
		}
	})
}

// TestTimeGoesOnAfterTheLastRow: with time in a column, it goes on from the last row's.
func TestTimeGoesOnAfterTheLastRow(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		p := bindText(t, app, formatText(tickingCount, ", timestamp = 'time'"))
		startEngine(t, ctx, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 2})
		c := testCluster(t, ctx, brokers)
		topic := p.Streams[0].Options.Topic
		if _, err := c.awaitTopics(ctx, []string{topic}); err != nil {
			t.Fatal(err)
		}
		sent := time.Now()
		if err := c.write(ctx, value(topic, 1, "2016-03-22 20:25:28,5")); err != nil {
			t.Fatal(err)
		}
		r := followResults(t, ctx, brokers, p.Metrics[0].Topic)
		first := r.next()
		if first.Rows[0]["n"] != 1.0 || first.published.Sub(sent) > 4*time.Second {
			t.Errorf("the window of the row: %+v, published %v after it was sent", first, first.published.Sub(sent))
		}
		for range 3 {
			x := r.next()
			if !x.Start.Equal(first.End) || x.Rows[0]["n"] != 0.0 {
				t.Errorf("after the window up to %v came %+v", first.End, x)
			}
			first = x
		}
	})
}

func formatText(text, option string) string { return strings.Replace(text, "%s", option, 1) }
