package httpapi

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
	"penstock/engine/broker"
	"penstock/engine/broker/kafkatest"
	"penstock/engine/format"
	"penstock/engine/reference"
	"penstock/query/plan"
)

const ordersText = `
CREATE STREAM orders (time TIMESTAMP, order_id BIGINT, client_id BIGINT, symbol VARCHAR, amount BIGINT,
  price DECIMAL(12,2), side VARCHAR CHECK (side IN ('B','S')))
WITH (topic = 'orders', format = 'csv', timestamp = 'time', delay = '20 seconds');
CREATE TABLE client_totals AS SELECT client_id, SUM(amount * price) AS total, COUNT(*) AS n FROM orders GROUP BY client_id;
CREATE TABLE pairs AS SELECT symbol, client_id, MAX(price) AS price FROM orders GROUP BY symbol, client_id;
CREATE METRIC TOP5CLIENTS AS SELECT client_id, total FROM client_totals ORDER BY total DESC LIMIT 5 EMIT EVERY 5 SECONDS;
CREATE METRIC BUYS WITH (format = 'list') AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'B' EMIT FINAL;
`

func TestMain(m *testing.M) { kafkatest.Main(m) }

// world is a broker with orders on it, and what the reference says of them.
type world struct {
	t       *testing.T
	ctx     context.Context
	brokers []string
	plan    *plan.Plan
	log     [][]format.Record
}

func newWorld(t *testing.T, orders, partitions int) *world {
	t.Helper()
	return newWorldOn(t, newWorldBroker(t), orders, partitions)
}

func newWorldBroker(t *testing.T) string {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b.Addr()
}

// newWorldOn is newWorld on a broker that nothing else uses.
func newWorldOn(t *testing.T, addr string, orders, partitions int) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	p, diags := plan.Bind("orders.sql", ordersText)
	if p == nil {
		t.Fatal(diags)
	}
	w := &world{t: t, ctx: ctx, brokers: []string{addr}, plan: p, log: make([][]format.Record, partitions)}
	w.produce(rand.New(rand.NewPCG(1, 2)), orders, time.Date(2016, 3, 22, 20, 25, 20, 0, time.UTC))
	return w
}

// produce writes orders, some lines that are none among them, to the topic and to the log.
func (w *world) produce(rnd *rand.Rand, n int, at time.Time) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	_, _ = kadm.NewClient(client).CreateTopic(w.ctx, int32(len(w.log)), 1, nil, "orders") // it may be there
	var recs []*kgo.Record
	for i := range n {
		at = at.Add(time.Duration(rnd.IntN(40)) * time.Millisecond)
		line := fmt.Sprintf("%s,%d,%d,%s,%d,%d.%02d,%c", at.Format("2006-01-02 15:04:05.000"), i, rnd.IntN(50),
			[]string{"EPE", "ABC", "X,Z", `Q"S`}[rnd.IntN(4)], 1+rnd.IntN(900), rnd.IntN(100), rnd.IntN(100), "BS"[rnd.IntN(2)])
		line = strings.Replace(strings.Replace(line, "X,Z", `"X,Z"`, 1), `Q"S`, `"Q""S"`, 1)
		if rnd.IntN(100) == 0 {
			line = "not an order"
		}
		p := rnd.IntN(len(w.log))
		w.log[p] = append(w.log[p], format.Record{Time: at.UnixMilli(), Offset: int64(len(w.log[p])), Value: []byte(line)})
		recs = append(recs, &kgo.Record{Topic: "orders", Partition: int32(p), Value: []byte(line), Timestamp: at})
	}
	if err := client.ProduceSync(w.ctx, recs...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// table is a table by the plain evaluator, as JSON.
func (w *world) table(name string) string {
	w.t.Helper()
	e, err := reference.New(w.plan, reference.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	for n, recs := range w.log {
		if err := e.Add("orders", int32(n), recs); err != nil {
			w.t.Fatal(err)
		}
	}
	cols, rows, err := e.Table(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(format.AppendJSON(nil, &format.Result{Metric: "m", Columns: cols, Rows: rows}))
}

// process is an engine with its server.
type process struct {
	*Server
	*Client
	stop func() // cleanly
	kill func() // its server and its engine are gone, and it tells nobody
}

func (w *world) start(folds int, o Options) *process {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "state")
	e, err := engine.New(engine.Options{Brokers: w.brokers, App: "app", StateDir: dir, Plan: w.plan, FoldPartitions: folds, FlushInterval: 20 * time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	s, err := Listen(o, e)
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := NewClient(s.URL(), o.Token, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := e.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := s.Serve(); err != nil {
			w.t.Error(err)
		}
	}()
	p := &process{Server: s, Client: client}
	p.kill = func() {
		_ = s.http.Close()
		_ = s.Close(context.Background())
		<-served
	}
	p.stop = func() {
		p.kill()
		cancel()
		<-ended
	}
	w.t.Cleanup(p.stop)
	return p
}

// until asks again until the answer is as wanted.
func (w *world) until(c *Client, q QueryRequest, good func(*Answer) bool) *Answer {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for last := ""; ; {
		a, err := c.Query(w.ctx, q)
		switch {
		case err == nil && good(a):
			return a
		case err != nil:
			last = err.Error()
		default:
			last = fmt.Sprintf("%+v", a.Fresh)
		}
		select {
		case <-w.ctx.Done():
			w.t.Fatalf("%s: %s", q.SQL, last)
		case <-tick.C:
		}
	}
}

func caughtUp(a *Answer) bool { return !a.Fresh.Partial && a.Fresh.Lag == 0 }

func shown(a *Answer) string {
	return string(format.AppendJSON(nil, &format.Result{Metric: "m", Columns: a.Columns, Rows: a.Rows}))
}
