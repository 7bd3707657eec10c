package read

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/local"
	"penstock/engine/reference"
	"penstock/query/plan"
	"penstock/query/row"
)

const head = `
CREATE STREAM s (t TIMESTAMP, k BIGINT, name VARCHAR, n BIGINT, d DECIMAL(12,2), f DOUBLE PRECISION)
WITH (topic = 's', format = 'csv', timestamp = 't', delay = '2 seconds');
`

func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if s := os.Getenv("PENSTOCK_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{v}
	}
	first := rand.Uint64N(1 << 40)
	list := make([]uint64, n)
	for i := range list {
		list[i] = first + uint64(i)
	}
	return list
}

func bind(t testing.TB, text string) *plan.Plan {
	t.Helper()
	p, diags := plan.Bind("test.sql", text)
	if p == nil {
		t.Fatalf("%v\n%s", diags, text)
	}
	return p
}

func bindRead(t testing.TB, p *plan.Plan, text string) *plan.Read {
	t.Helper()
	cmd, diags := plan.BindQuery(p, text)
	q, ok := cmd.(*plan.Query)
	if !ok {
		t.Fatalf("%s: %v", text, diags)
	}
	return &q.Read
}

func input(r *rand.Rand, rows, partitions int) [][]format.Record {
	log := make([][]format.Record, partitions)
	sec := 0
	for range rows {
		sec += r.IntN(3) / 2
		line := fmt.Sprintf("2015-12-13 09:%02d:%02d,%d,N%d,%d,%d.%02d,%g", sec/60%60, sec%60, r.IntN(40), r.IntN(5), r.IntN(20), r.IntN(50), r.IntN(100), r.NormFloat64())
		if r.IntN(20) == 0 {
			line = fmt.Sprintf("2015-12-13 09:%02d:%02d,%d,,%d,,", sec/60%60, sec%60, r.IntN(40), r.IntN(20))
		}
		p := r.IntN(partitions)
		log[p] = append(log[p], format.Record{Time: -1, Offset: int64(len(log[p])), Value: []byte(line)})
	}
	return log
}

func cluster(t testing.TB, p *plan.Plan, log [][]format.Record, o local.Options) *local.Cluster {
	t.Helper()
	c, err := local.New(p, map[string]int{"s": len(log)}, o)
	if err != nil {
		t.Fatal(err)
	}
	for n, recs := range log {
		for _, r := range recs {
			c.Append("s", n, r)
		}
	}
	return c
}

// answer reads a whole table as several processes do: each part may have travelled.
func answer(r *plan.Read, c *local.Cluster, closed, travel bool, limits Limits) (*Answer, error) {
	b := NewBudget(limits)
	ctx := context.Background()
	if r.Input != nil {
		in, err := answer(r.Input, c, closed, travel, limits)
		if err != nil {
			return nil, err
		}
		p, err := Over(ctx, r, in.Rows, b)
		if err != nil {
			return nil, err
		}
		return Merge(r, []*Part{p}, b)
	}
	look := LookupOf(r)
	var parts []*Part
	for n := range c.Folds() {
		if look.Whole && core.PartitionOf(look.Prefix, c.Folds()) != int32(n) {
			continue
		}
		from, err := c.Reader(n)
		if err != nil {
			return nil, err
		}
		p, err := Scan(ctx, r, from, closed, b)
		if err != nil {
			return nil, err
		}
		if travel {
			if p, err = ParsePart(r, p.Append(nil), b); err != nil {
				return nil, err
			}
		}
		parts = append(parts, p)
	}
	return Merge(r, parts, b)
}

func shown(t testing.TB, a *Answer) string {
	t.Helper()
	all, err := a.Rows.All()
	if err != nil {
		t.Fatal(err)
	}
	return string(format.AppendJSON(nil, &format.Result{Metric: "m", Columns: a.Rows.Columns, Rows: all}))
}

// selects draws SELECTs over table t (g, h, a, b, c).
type selects struct{ r *rand.Rand }

func (g selects) one(list ...string) string { return list[g.r.IntN(len(list))] }

func (g selects) maybe(chance int, text string) string {
	if g.r.IntN(chance) == 0 {
		return text
	}
	return ""
}

func (g selects) condition() string {
	return g.one("c > 2", "g = 7", "g = 3 AND h = 'N1'", "h = 'N2'", "h IS NULL", "10 / (c - 2) > 1", "a > b", "g IN (1, 2, 3) OR b < 100", "NOT (c = 1 OR g % 2 = 0)", "10 / (c - 1) = 5 AND g = 3")
}

func (g selects) expression() string {
	return g.one("g", "h", "a", "b", "c", "a + b", "10 / (c - 2)", "UPPER(h)", "c % 3", "CASE WHEN c > 2 THEN a ELSE b END", "a * b", "-g")
}

func (g selects) aggregate() string {
	return g.one("COUNT(*)", "SUM(c)", "AVG(a)", "MIN(h)", "MAX(b)", "COUNT(DISTINCT h)", "SUM(10 / (c - 2))", "FIRST(a)", "COUNT(a) FILTER (WHERE 10 / (c - 1) > 2)", "SUM(c * 1000000000000000000)")
}

func (g selects) text(where string) string {
	var text string
	order := g.one("1", "2 DESC", "1 DESC, 2", "2 NULLS FIRST", "1 DESC NULLS LAST")
	switch g.r.IntN(3) {
	case 0:
		key := g.expression()
		text = fmt.Sprintf("SELECT %s AS x, %s AS y FROM %s%s GROUP BY %s%s", key, g.aggregate(), where, g.maybe(2, " WHERE "+g.condition()), key, g.maybe(3, " HAVING COUNT(*) > 1"))
	case 1:
		text = fmt.Sprintf("SELECT %s AS x, %s AS y FROM %s%s", g.aggregate(), g.aggregate(), where, g.maybe(2, " WHERE "+g.condition()))
	default:
		text = fmt.Sprintf("SELECT%s %s AS x, %s AS y FROM %s%s", g.maybe(4, " DISTINCT"), g.expression(), g.expression(), where, g.maybe(2, " WHERE "+g.condition()))
	}
	text += g.maybe(2, " ORDER BY "+order)
	return text + g.maybe(2, fmt.Sprintf(" LIMIT %d", g.r.IntN(5))) + g.maybe(4, fmt.Sprintf(" OFFSET %d", g.r.IntN(4)))
}

// A SELECT over a table, read from any number of partitions, is what the plain evaluator makes of
// the same SELECT as a metric: as of the last interval, and, when everything is closed, as of now.
func TestEqualsReference(t *testing.T) {
	for _, seed := range seeds(t, 120) {
		r := rand.New(rand.NewPCG(seed, 5))
		g := selects{r}
		query := g.text("t")
		text := head + "CREATE TABLE t AS SELECT k AS g, name AS h, SUM(n) AS a, SUM(d) AS b, COUNT(*) AS c FROM s GROUP BY k, name" + g.maybe(3, " HAVING COUNT(*) > 1") + ";\n"
		p, diags := plan.Bind("test.sql", text+"CREATE METRIC m AS "+query+" EMIT EVERY 5 SECONDS;")
		if p == nil {
			t.Fatalf("%v\n%s", diags, text+query)
		}
		log := input(r, 50+r.IntN(500), 1+r.IntN(3))
		c := cluster(t, p, log, local.Options{Folds: 1 + r.IntN(4), Tiny: r.IntN(2) == 0})
		if err := c.End(); err != nil {
			t.Fatalf("PENSTOCK_SEED=%d: %v", seed, err)
		}
		want := lastOf(t, p, log)
		for _, closed := range []bool{false, true} {
			a, err := answer(bindRead(t, p, query), c, closed, r.IntN(2) == 0, Limits{})
			if err != nil {
				t.Fatalf("PENSTOCK_SEED=%d: %v", seed, err)
			}
			if got := shown(t, a); got != want {
				t.Fatalf("PENSTOCK_SEED=%d closed=%t\n%s\n%s\n got %s\nwant %s", seed, closed, text, query, got, want)
			}
		}
	}
}

// lastOf is the last result of metric m.
func lastOf(t *testing.T, p *plan.Plan, log [][]format.Record) string {
	t.Helper()
	e := evaluated(t, p, log)
	e.End()
	all := e.Results()
	if len(all) == 0 {
		t.Fatal("the reference has no result")
	}
	last := all[len(all)-1].Result
	return string(format.AppendJSON(nil, &format.Result{Metric: "m", Columns: last.Columns, Rows: last.Rows}))
}

// A sub-query that passes everything on changes nothing.
func TestSubQueries(t *testing.T) {
	for _, seed := range seeds(t, 60) {
		r := rand.New(rand.NewPCG(seed, 6))
		p := bind(t, head+"CREATE TABLE t AS SELECT k AS g, name AS h, SUM(n) AS a, SUM(d) AS b, COUNT(*) AS c FROM s GROUP BY k, name;")
		c := cluster(t, p, input(r, 300, 2), local.Options{Folds: 3})
		if err := c.Settle(); err != nil {
			t.Fatal(err)
		}
		at := r.Uint64()
		query := func(from string) string { return (selects{rand.New(rand.NewPCG(at, 1))}).text(from) }
		var got [3]string
		for i, from := range []string{"t", "(SELECT * FROM t) x", "(SELECT g, h, a, b, c FROM (SELECT * FROM t ORDER BY g, h) y) x"} {
			a, err := answer(bindRead(t, p, query(from)), c, false, false, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got[i] = shown(t, a)
		}
		if got[0] != got[1] || got[1] != got[2] {
			t.Fatalf("PENSTOCK_SEED=%d: %s\n      table %s\n  sub-query %s\n         of %s", seed, query("t"), got[0], got[1], got[2])
		}
	}
}

// Rows of windows that go on, and of tables whose panes are open, are those of the plain evaluator.
func TestOpenPanesEqualReference(t *testing.T) {
	for _, seed := range seeds(t, 80) {
		r := rand.New(rand.NewPCG(seed, 7))
		window := selects{r}.one("", "WINDOW TUMBLING (SIZE 10 SECONDS)", "WINDOW HOPPING (SIZE 10 SECONDS, ADVANCE BY 5 SECONDS)")
		end := "CAST(NULL AS TIMESTAMP)"
		if window != "" {
			end = "window_end"
		}
		p := bind(t, fmt.Sprintf(head+`CREATE TABLE t AS SELECT k, name, %s AS e, COUNT(*) AS c, MAX(d) AS m, COUNT(DISTINCT n) AS u FROM s %s GROUP BY k, name;
			CREATE METRIC m AS SELECT COUNT(*) FROM t EMIT EVERY 5 SECONDS;`, end, window))
		log := input(r, 50+r.IntN(300), 1+r.IntN(3))
		c := cluster(t, p, log, local.Options{Folds: 1 + r.IntN(4), Tiny: r.IntN(2) == 0})
		if err := c.Settle(); err != nil {
			t.Fatal(err)
		}
		a, err := answer(bindRead(t, p, "SELECT * FROM t"), c, false, true, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		from, err := c.Reader(0)
		if err != nil {
			t.Fatal(err)
		}
		clock, _ := from.Clock("s")
		if got, want := shown(t, a), tableOf(t, p, log, clock); got != want {
			t.Fatalf("PENSTOCK_SEED=%d: %s\n got %s\nwant %s", seed, window, got, want)
		}
	}
}

// tableOf is table t by the plain evaluator, whose windows end with e; those that have ended are
// left out.
func tableOf(t *testing.T, p *plan.Plan, log [][]format.Record, clock int64) string {
	t.Helper()
	cols, rows, err := evaluated(t, p, log).Table("t")
	if err != nil {
		t.Fatal(err)
	}
	open := rows[:0]
	for _, r := range rows {
		if e := r[2]; e.IsNull() || e.I > clock {
			open = append(open, r)
		}
	}
	return string(format.AppendJSON(nil, &format.Result{Metric: "m", Columns: cols, Rows: open}))
}

func evaluated(t *testing.T, p *plan.Plan, log [][]format.Record) *reference.Evaluator {
	t.Helper()
	e, err := reference.New(p, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n, recs := range log {
		if err := e.Add("s", int32(n), recs); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func TestOneRow(t *testing.T) {
	r := &plan.Read{Limit: -1, Output: bindRead(t, bind(t, head+"CREATE TABLE t AS SELECT k, COUNT(*) FROM s GROUP BY k;"), "SELECT 1 AS one, 'x' AS two FROM t").Output}
	in := NewRows(nil)
	in.Add(nil)
	b := NewBudget(Limits{})
	p, err := Over(context.Background(), r, in, b)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Merge(r, []*Part{p}, b)
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(t, a); !strings.Contains(got, `[{"one":1,"two":"x"}]`) {
		t.Error(got)
	}
}

func TestLookup(t *testing.T) {
	p := bind(t, head+"CREATE TABLE t AS SELECT k AS g, name AS h, COUNT(*) AS c FROM s GROUP BY k, name;")
	key := row.AppendKey(nil, row.Int(7), row.Of(row.Bigint))
	whole := row.AppendKey(append([]byte(nil), key...), row.Text("N1"), row.Of(row.Varchar))
	for text, want := range map[string]Lookup{
		"c = 3":                         {},
		"g = 7":                         {Prefix: key},
		"7 = g AND c > 1":               {Prefix: key},
		"h = 'N1'":                      {},
		"h = 'N1' AND c > 1 AND g = 7":  {Prefix: whole, Whole: true},
		"h = 'N1' OR g = 7":             {},
		"g = NULL":                      {},
		"g = 5 + 2 AND h = 'N' || '1'":  {Prefix: whole, Whole: true},
		"g + 1 = 8":                     {},
		"(g = 7 AND h = 'N1') AND TRUE": {Prefix: whole, Whole: true},
	} {
		got := LookupOf(bindRead(t, p, "SELECT * FROM t WHERE "+text))
		if string(got.Prefix) != string(want.Prefix) || got.Whole != want.Whole {
			t.Errorf("%s: %x %t, expected %x %t", text, got.Prefix, got.Whole, want.Prefix, want.Whole)
		}
	}
}

func TestLimits(t *testing.T) {
	p := bind(t, head+"CREATE TABLE t AS SELECT k, name, n, COUNT(*) AS c FROM s GROUP BY k, name, n;")
	c := cluster(t, p, input(rand.New(rand.NewPCG(1, 1)), 5000, 1), local.Options{Folds: 2})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		query  string
		limits Limits
		what   string
	}{
		{"SELECT * FROM t", Limits{Rows: 100}, "rows"},
		{"SELECT * FROM t LIMIT 100", Limits{Rows: 100}, ""},
		{"SELECT k, name, n, MAX(c) FROM t GROUP BY k, name, n", Limits{Rows: 100}, "rows"},
		{"SELECT * FROM t", Limits{Bytes: 64 << 10}, "bytes"},
		{"SELECT DISTINCT k, n, name FROM t", Limits{Bytes: 64 << 10}, "bytes"},
		{"SELECT k, name, n, MAX(c) FROM t GROUP BY k, name, n", Limits{Bytes: 64 << 10}, "bytes"},
		{"SELECT * FROM t ORDER BY c LIMIT 3", Limits{Bytes: 64 << 10}, ""},
		{"SELECT k FROM t WHERE k + 1 IN (" + strings.Repeat("1, ", 5000) + "1)", Limits{Bytes: 16 << 20}, ""},
		{"SELECT SUM(CASE k " + strings.Repeat("WHEN 1 THEN 2 ", 1000) + "END) AS x FROM t", Limits{Bytes: 16 << 20}, "expressions"},
		{"SELECT MAX(c) AS m FROM t GROUP BY n HAVING CASE MAX(c) " + strings.Repeat("WHEN 1 THEN 2 ", 1000) + "END = 3", Limits{Bytes: 16 << 20}, "expressions"},
		{"SELECT MAX(LENGTH(LPAD(name, 200000, 'x'))) AS l FROM t", Limits{Bytes: 16 << 20}, "text"},
		{"SELECT k FROM t ORDER BY LENGTH(UPPER(REPEAT(name, 50000))) LIMIT 3", Limits{Bytes: 16 << 20}, "text"},
		{"SELECT k FROM t WHERE LENGTH(REPEAT(name, 50000) || name || name) > 7", Limits{Bytes: 16 << 20}, "text"},
		{"SELECT MAX(LENGTH(LPAD(name, 500, 'x'))) AS l FROM t", Limits{Bytes: 16 << 20}, ""},
	} {
		_, err := answer(bindRead(t, p, x.query), c, false, false, x.limits)
		var le *LimitError
		switch {
		case x.what == "" && err != nil, x.what != "" && !errors.As(err, &le), le != nil && le.What != x.what:
			t.Errorf("%s with %+v: %v, expected the limit of %q", x.query, x.limits, err, x.what)
		}
	}
}

// Queries at the same time share what all may hold, and give it back.
func TestQueriesShare(t *testing.T) {
	all := NewBudget(Limits{Bytes: 100})
	a, b := all.Within(Limits{Bytes: 80}), all.Within(Limits{Bytes: 80})
	var le *LimitError
	if err := a.take(70); err != nil {
		t.Fatal(err)
	}
	if err := b.take(70); !errors.As(err, &le) || le.What != "queries" {
		t.Errorf("%v, expected the limit of all queries", err)
	}
	if err := b.take(20); !errors.As(err, &le) || le.What != "bytes" {
		t.Errorf("%v, expected the limit of one query", err)
	}
	b.Release()
	b.Release()
	a.Release()
	c := all.Within(Limits{Bytes: 80})
	if err := c.take(80); err != nil {
		t.Errorf("%v, though nothing is held", err)
	}
}

func TestCancel(t *testing.T) {
	p := bind(t, head+"CREATE TABLE t AS SELECT k, name, COUNT(*) AS c FROM s GROUP BY k, name;")
	c := cluster(t, p, input(rand.New(rand.NewPCG(1, 2)), 500, 1), local.Options{})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	from, err := c.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Scan(ctx, bindRead(t, p, "SELECT * FROM t"), from, false, NewBudget(Limits{})); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, expected that it was cancelled", err)
	}
}

func TestFailedConditionsAreCounted(t *testing.T) {
	p := bind(t, head+"CREATE TABLE t AS SELECT k, COUNT(*) AS c FROM s GROUP BY k;")
	c := cluster(t, p, input(rand.New(rand.NewPCG(1, 3)), 500, 1), local.Options{Folds: 3})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	a, err := answer(bindRead(t, p, "SELECT k FROM t WHERE 1 / (k - k) = 0"), c, false, true, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Rows.Len() != 0 || a.Failed != 40 || !strings.Contains(a.Reason, "division by zero") {
		t.Errorf("%d rows, %d failed: %s", a.Rows.Len(), a.Failed, a.Reason)
	}
}

func TestDamagedParts(t *testing.T) {
	p := bind(t, head+"CREATE TABLE t AS SELECT k, COUNT(*) AS c FROM s GROUP BY k;")
	c := cluster(t, p, input(rand.New(rand.NewPCG(1, 4)), 500, 1), local.Options{})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	from, err := c.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 5))
	for _, query := range []string{"SELECT * FROM t", "SELECT c, SUM(k), MAX(k) FROM t GROUP BY c"} {
		r := bindRead(t, p, query)
		part, err := Scan(context.Background(), r, from, false, NewBudget(Limits{}))
		if err != nil {
			t.Fatal(err)
		}
		whole := part.Append(nil)
		for range 2000 {
			b := append([]byte(nil), whole[:rnd.IntN(len(whole)+1)]...)
			for range rnd.IntN(3) {
				if len(b) > 0 {
					b[rnd.IntN(len(b))] ^= byte(1 << rnd.IntN(8))
				}
			}
			budget := NewBudget(Limits{})
			got, err := ParsePart(r, b, budget)
			if err != nil {
				continue
			}
			if a, err := Merge(r, []*Part{got}, budget); err == nil {
				_, _ = a.Rows.All() // an error or rows, never a panic
			}
		}
	}
}
