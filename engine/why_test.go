package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

// healthy are the facts of a metric that comes as it should.
func healthy(t *testing.T) *whyFacts {
	t.Helper()
	p, diags := plan.Bind("why.sql", `
		CREATE STREAM orders (side VARCHAR, amount BIGINT) WITH (topic = 'orders-in');
		CREATE METRIC BUYS AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'B' EMIT FINAL;`)
	if p == nil {
		t.Fatal(diags)
	}
	now := time.Date(2026, 11, 22, 10, 4, 7, 0, time.UTC)
	clock := now.Add(-2 * time.Second).UnixMicro()
	m := p.Metrics[0]
	f := &whyFacts{
		now: now, name: "BUYS", metric: m, table: m.Read.Table, stream: p.Streams[0], plan: "x",
		at:      StreamOverview{Stream: "orders", Topic: "orders-in", Tables: []TableAccounting{{Table: "$BUYS", Applied: 50, Filtered: 50}}},
		parts:   []TablePartition{{Partition: 0, State: "running", Owner: "a"}, {Partition: 1, State: "running", Owner: "a"}},
		members: []Member{{Instance: "a", Plan: "x"}},
		stages:  []StageStatus{{Group: "g", State: "running"}},
		last: &Published{At: now.Add(-2 * time.Second), Result: &format.Result{Start: clock - 5e6, End: clock,
			Rows: [][]row.Value{{row.Int(5)}}}},
	}
	for n := range int32(2) {
		f.at.Partitions = append(f.at.Partitions, SourceOverview{Partition: n, Reader: "a", Offset: 50, End: 50, Clock: clock + 1, HasClock: true, Read: 50, Decoded: 50})
	}
	return f
}

// Each cause is injected, and is the first that is named.
func TestWhyNamesTheCause(t *testing.T) {
	minute := time.Minute.Microseconds()
	for code, x := range map[string]struct {
		inject func(f *whyFacts)
		says   string
	}{
		"not_due":   {func(f *whyFacts) {}, "the next result is due when every clock has passed 2026-11-22 10:04:10; orders-in/0 is at 2026-11-22 10:04:05.000001"},
		"no_reader": {func(f *whyFacts) { f.at.Partitions[1].Reader = "" }, "no process reads orders-in/1"},
		"no_owner":  {func(f *whyFacts) { f.parts[1] = TablePartition{Partition: 1, State: stateUnowned} }, "no process has table partitions p1"},
		"restoring": {func(f *whyFacts) { f.parts[0].State, f.parts[0].Percent = stateRestoring, 61 }, "table partition p0 is being restored, 61 % is done"},
		"no_rows": {func(f *whyFacts) {
			for i := range f.at.Partitions {
				f.at.Partitions[i] = SourceOverview{Partition: int32(i), Reader: "a"}
			}
			f.at.Tables[0], f.last = TableAccounting{Table: "$BUYS"}, nil
		}, "topic orders-in is empty"},
		"all_bad": {func(f *whyFacts) {
			for i := range f.at.Partitions {
				f.at.Partitions[i].Decoded, f.at.Partitions[i].Bad, f.at.Partitions[i].HasClock = 0, 50, false
			}
			f.at.Tables[0], f.last = TableAccounting{Table: "$BUYS"}, nil
		}, "all 100 records of stream orders are bad"},
		"no_clock": {func(f *whyFacts) { f.at.Partitions[1].HasClock = false }, "orders-in/1 had no row yet"},
		"paused": {func(f *whyFacts) {
			f.at.Partitions[0].Clock += 20 * minute
			f.at.Partitions[0].Paused, f.at.Partitions[1].Lag = true, 7
		}, "orders-in/0 waits: it is 20m0s ahead of orders-in/1"},
		"lag": {func(f *whyFacts) { f.at.Partitions[1].Clock -= minute; f.at.Partitions[1].Lag = 1204 },
			"orders-in/1 holds the clock at 2026-11-22 10:03:05.000001: 1204 records of it wait"},
		"idle":     {func(f *whyFacts) { f.at.Partitions[0].Clock -= minute }, "orders-in/0 holds the clock at 2026-11-22 10:03:05.000001: it has nothing more to read"},
		"late":     {func(f *whyFacts) { f.at.Tables[0] = TableAccounting{Table: "$BUYS", Applied: 10, Late: 90} }, "90 of 100 rows came after"},
		"filtered": {func(f *whyFacts) { f.at.Tables[0] = TableAccounting{Table: "$BUYS", Filtered: 100} }, "all 100 rows were filtered out"},
		"failed":   {func(f *whyFacts) { f.at.Tables[0].Failed = 3 }, "3 rows could not be computed"},
		"behind":   {func(f *whyFacts) { f.last.Result.End -= minute }, "every clock has passed 2026-11-22 10:03:10, but the tables have not"},
		"empty":    {func(f *whyFacts) { f.last.Result.Rows = nil }, "the last result, of 2026-11-22 10:04:05, has no rows"},
		"stopped":  {func(f *whyFacts) { f.stages[0].State, f.stages[0].Error = "restarting", "no broker" }, "group g is restarting in this process: no broker"},
		"other_plan": {func(f *whyFacts) { f.members = append(f.members, Member{Instance: "b", Plan: "y"}) },
			"process b runs another query file"},
	} {
		f := healthy(t)
		x.inject(f)
		w := f.why()
		if w.Causes[0].Code != code || !strings.Contains(w.Causes[0].Text, x.says) {
			t.Errorf("%s: %+v, expected %q", code, w.Causes, x.says)
		}
		if len(w.Facts) != 4 && len(w.Facts) != 3 {
			t.Errorf("%s: facts %q", code, w.Facts)
		}
	}
}

// The causes that a running engine can be brought to, from its own facts.
func TestWhyOfARunningEngine(t *testing.T) {
	ctx := testContext(t, time.Minute)
	brokers, app := testBroker(t), "why"
	p, diags := plan.Bind("why.sql", `
		CREATE STREAM orders (id BIGINT, side VARCHAR) WITH (topic = 'why.orders', partitions = 2);
		CREATE METRIC SELLS WITH (topic = 'why.metrics') AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 1 SECOND) WHERE side = 'S' EMIT FINAL;`)
	if p == nil {
		t.Fatal(diags)
	}
	c := testCluster(t, ctx, brokers)
	e := start(t, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 2}, Service{})
	why := func(code string) {
		t.Helper()
		until(t, ctx, e.Engine, Query{SQL: "EXPLAIN WHY SELLS"}, func(a *Answer) bool {
			return slices.ContainsFunc(a.Why.Causes, func(c Cause) bool { return c.Code == code })
		})
	}
	why("no_rows")
	line := func(text string) []format.Record {
		return []format.Record{{Time: time.Now().UnixMilli(), Value: []byte(text)}}
	}
	load(t, ctx, c, "why.orders", [][]format.Record{line("not an order")})
	why("all_bad")
	load(t, ctx, c, "why.orders", [][]format.Record{line("1,B"), line("2,B")})
	why("filtered")
}
