package engine

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"penstock/engine/broker/kafkatest"
	"penstock/engine/rejects"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// must is the node of an expression that a test builds.
func must(n expr.Node, err error) expr.Node {
	if err != nil {
		panic(err)
	}
	return n
}

// trapRow makes the first table's WHERE panic at one order: it reads a column that is a BIGINT as the
// text it is not.
func trapRow(p *plan.Plan, order int64) {
	id := expr.Col(1, "order_id", row.Of(row.Bigint))
	wrong := expr.Col(1, "order_id", row.Of(row.Varchar))
	at := must(expr.Binary("=", id, expr.Const(row.Int(order), row.Of(row.Bigint))))
	text := must(expr.Binary("=", wrong, expr.Const(row.Text("x"), row.Of(row.Varchar))))
	p.Tables[0].Where = must(expr.Case(nil, []expr.Node{at}, []expr.Node{text}, p.Tables[0].Where))
}

// trapFold makes the fold partition that merges a metric's results panic at the first of them.
func trapFold(e *Engine, p *plan.Plan) {
	for _, part := range e.fold.assigned() {
		part.mu.Lock()
		defer part.mu.Unlock()
	}
	p.Metric("TOP5CLIENTS").Read.Output[0].Expr = nil
}

// TestPanicInAStage: a panic of ours ends the engine with where it was, what it said and the stack.
// Nothing that was half done is committed: an engine without the bug goes on, and the results are as
// if nothing had happened.
func TestPanicInAStage(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Options)
		arm  func(*Engine, *plan.Plan)
		say  []string
	}{
		{"route", func(o *Options) { trapRow(o.Plan, 1234) }, nil,
			[]string{"-route-orders, ", ".orders/", ", offsets ", "index out of range", "engine/core.(*RoutePartition)"}},
		{"fold", nil, trapFold,
			[]string{"-fold, fold partition ", " @ ", "nil pointer dereference", "engine/core.(*owner)"}},
		{"flush", func(o *Options) { o.OnRejects = func([]rejects.Row, int) { panic("a trap") } }, nil,
			[]string{"-route-orders, a flush: a trap", "TestPanicInAStage"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newCircumstances(t, testBroker(t), kafkatest.Unique(t, "t"), 0)
			cluster := testCluster(t, k.ctx, k.brokers)
			log := orderLog(k.rnd, 3000, 3)
			k.want = expected(t, k.plan, "orders", log)

			dir := filepath.Join(t.TempDir(), "state")
			o := k.options(dir, false)
			o.Plan, o.HoldClocks = ownTopics(exampleplan(t, "orders/orders_event_time.sql"), k.app), true
			if c.set != nil {
				c.set(&o)
			}
			e := testEngine(t, o)
			done := make(chan error, 1)
			go func() { done <- e.Run(k.ctx) }()
			eventually(t, k.ctx, "all partitions are here", func() bool {
				s := e.Status()
				return len(s.FoldPartitions) == 4 && len(s.Streams[0].Partitions) == 3
			})
			if c.arm != nil {
				c.arm(e, o.Plan)
			}
			load(t, k.ctx, cluster, k.plan.Streams[0].Options.Topic, log)
			var err error
			select {
			case err = <-done:
			case <-k.ctx.Done():
				t.Fatal("the engine did not end")
			}
			var bug *BugError
			var stop *StopError
			if !errors.As(err, &bug) || !errors.As(err, &stop) || stop.State {
				t.Fatalf("it ended with %v", err)
			}
			for _, s := range append(c.say, "this is a bug of penstock: panic in group "+k.app, "goroutine ") {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("the error does not say %q:\n%v", s, err)
				}
			}
			for _, s := range e.Status().Stages {
				if s.Restarts > 0 {
					t.Errorf("group %s began again: %s", s.Group, s.Error)
				}
			}
			if err := testEngine(t, k.options(dir, true)).Run(k.ctx); err != nil {
				t.Fatal(err)
			}
			k.check()
		})
	}
}

// TestPanicInAQuery: a panic while a table is read is the answer to that query, and nothing else ends.
func TestPanicInAQuery(t *testing.T) {
	f := newFaultRun(t)
	o := f.options(f.dir, false)
	o.Plan = ownTopics(exampleplan(t, "orders/orders_event_time.sql"), f.app)
	e := testEngine(t, o)
	ctx, cancel := context.WithCancel(f.ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	eventually(t, f.ctx, "the tables are there", func() bool { return len(e.Status().FoldPartitions) == 4 })
	const sql = "SELECT * FROM client_totals"
	if _, err := e.Query(f.ctx, Query{SQL: sql}); err != nil {
		t.Fatal(err)
	}
	table := e.opts.Plan.Table("client_totals")
	healthy := table.Output[1].Expr
	table.Output[1].Expr = expr.Col(99, "total", healthy.Type())
	var bug *BugError
	if _, err := e.Query(f.ctx, Query{SQL: sql}); !errors.As(err, &bug) || len(bug.Stack) == 0 {
		t.Errorf("the answer is %v", err)
	}
	table.Output[1].Expr = healthy
	if _, err := e.Query(f.ctx, Query{SQL: sql}); err != nil {
		t.Errorf("the next query: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
