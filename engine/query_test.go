package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"penstock/engine/format"
	"penstock/engine/reference"
	"penstock/query/plan"
)

const serveText = `
CREATE STREAM orders (time TIMESTAMP, order_id BIGINT, client_id BIGINT, symbol VARCHAR, amount BIGINT,
  price DECIMAL(12,2), side VARCHAR CHECK (side IN ('B','S')))
WITH (topic = 'TOPIC', format = 'csv', timestamp = 'time', delay = '20 seconds');
CREATE TABLE client_totals AS SELECT client_id, SUM(amount * price) AS total, COUNT(*) AS n FROM orders GROUP BY client_id;
CREATE METRIC TOP5CLIENTS WITH (topic = 'METRICS') AS SELECT client_id, total FROM client_totals ORDER BY total DESC LIMIT 5 EMIT EVERY 5 SECONDS;
CREATE METRIC BUYS WITH (topic = 'METRICS') AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'B' EMIT FINAL;
`

func servePlan(t *testing.T, app string) *plan.Plan {
	t.Helper()
	text := strings.NewReplacer("TOPIC", app+".orders", "METRICS", app+".metrics").Replace(serveText)
	p, diags := plan.Bind("serve.sql", text)
	if p == nil {
		t.Fatal(diags)
	}
	return p
}

// running is an engine that runs until the test ends or stop is called.
type running struct {
	*Engine
	stop func()
}

func start(t *testing.T, o Options, s Service) *running {
	t.Helper()
	e := testEngine(t, o)
	e.Serve(s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	r := &running{Engine: e}
	r.stop = func() {
		cancel()
		if err, first := <-done; first && err != nil {
			t.Error(err)
		} else if first {
			close(done)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// until asks again until the answer is as wanted.
func until(t *testing.T, ctx context.Context, e *Engine, q Query, good func(*Answer) bool) *Answer {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last string
	for {
		a, err := e.Query(ctx, q)
		switch {
		case err == nil && good(a):
			return a
		case err != nil:
			last = err.Error()
		default:
			last = fmt.Sprintf("%+v", a.Fresh)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %s", q.SQL, last)
		case <-tick.C:
		}
	}
}

func caughtUp(a *Answer) bool { return !a.Fresh.Partial() && a.Fresh.Lag == 0 }

func shown(t *testing.T, a *Answer) string {
	t.Helper()
	all, err := a.Rows.All()
	if err != nil {
		t.Fatal(err)
	}
	return string(format.AppendJSON(nil, &format.Result{Metric: "m", Columns: a.Rows.Columns, Rows: all}))
}

func referenceTable(t *testing.T, p *plan.Plan, log [][]format.Record, table string) string {
	t.Helper()
	e, err := reference.New(p, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n, recs := range log {
		for i := range recs {
			recs[i].Offset = int64(i)
		}
		if err := e.Add("orders", int32(n), recs); err != nil {
			t.Fatal(err)
		}
	}
	cols, rows, err := e.Table(table)
	if err != nil {
		t.Fatal(err)
	}
	return string(format.AppendJSON(nil, &format.Result{Metric: "m", Columns: cols, Rows: rows}))
}

// One process answers from its tables and from the results of its metrics.
func TestQuery(t *testing.T) {
	ctx := testContext(t, time.Minute)
	brokers, app := testBroker(t), "q"
	p := servePlan(t, app)
	c := testCluster(t, ctx, brokers)
	makeTopic(t, ctx, c, p.Streams[0].Options.Topic, 3)
	log := orderLog(rand.New(rand.NewPCG(1, 2)), 5000, 3)
	load(t, ctx, c, p.Streams[0].Options.Topic, log)
	e := start(t, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 4}, Service{})

	a := until(t, ctx, e.Engine, Query{SQL: "SELECT * FROM client_totals"}, caughtUp)
	if got, want := shown(t, a), referenceTable(t, p, log, "client_totals"); got != want {
		t.Fatalf(" got %s\nwant %s", got, want)
	}
	if a.Fresh.Partitions != 4 || len(a.Fresh.Members) != 1 || !a.Fresh.HasTime {
		t.Errorf("fresh %+v", a.Fresh)
	}
	one, err := e.Query(ctx, Query{SQL: "SELECT n FROM client_totals WHERE client_id = 7"})
	if err != nil || one.Rows.Len() != 1 || one.Fresh.Partitions != 1 {
		t.Errorf("%+v, %v: expected one row from one partition", one, err)
	}
	closed := until(t, ctx, e.Engine, Query{SQL: "SELECT client_id, total FROM client_totals ORDER BY total DESC LIMIT 5", Closed: true}, caughtUpClosed)
	top := until(t, ctx, e.Engine, Query{SQL: "SELECT client_id, total FROM TOP5CLIENTS WHERE window_end = (window_start + INTERVAL '5 seconds')"},
		func(a *Answer) bool { return a.Fresh.HasTime && a.Fresh.AsOf == closed.Fresh.AsOf })
	if got, want := shown(t, top), shown(t, closed); got != want || !closed.Fresh.Exact {
		t.Errorf("the metric's last result and its SELECT as of then differ:\n%s\n%s", got, want)
	}
	if _, list, ok := e.History("buys", 1000); !ok || len(list) < 3 {
		t.Errorf("%d results of BUYS are kept", len(list))
	}
	nested, err := e.Query(ctx, Query{SQL: "WITH big AS (SELECT * FROM client_totals WHERE n > 10) SELECT COUNT(*) AS c, SUM(n) AS s FROM big"})
	if err != nil || nested.Rows.Len() != 1 {
		t.Errorf("%+v, %v", nested, err)
	}
	for _, sql := range []string{"SHOW TABLES", "DESCRIBE client_totals", "EXPLAIN TOP5CLIENTS"} {
		if a, err := e.Query(ctx, Query{SQL: sql}); err != nil || a.Rows.Len() == 0 {
			t.Errorf("%s: %v", sql, err)
		}
	}
	checkSizes(t, e.Engine)
	var bad *BindError
	if _, err := e.Query(ctx, Query{SQL: "SELECT nothing FROM client_totals"}); !errors.As(err, &bad) || len(bad.Diags) != 1 {
		t.Errorf("%v", err)
	}
}

// checkSizes: what another process says of a table is added to what it has here.
func checkSizes(t *testing.T, e *Engine) {
	t.Helper()
	s := e.served()
	s.mu.Lock()
	s.bytesDue = time.Time{} // what was said before may be of before the rows came
	s.mu.Unlock()
	var own int64
	for _, p := range e.TableSizes() {
		own += p.Bytes["client_totals"]
	}
	s.members.heard(1<<40, []byte("other"), Member{Instance: "other", Bytes: map[string]int64{"client_totals": 1000}}.encode(), e.opts.Clock.Now())
	if all := e.TableBytes()["client_totals"]; own <= 0 || all != own+1000 {
		t.Errorf("%d bytes of client_totals here, %d everywhere", own, all)
	}
}

func caughtUpClosed(a *Answer) bool { return !a.Fresh.Partial() && a.Fresh.HasTime }
