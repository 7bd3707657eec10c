package reference

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

// TestDefinition compares results with what the definition says of each end alone, on random
// streams: nothing is carried from one end to the next, and runs are counted out.
func TestDefinition(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { checkDefinition(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

var windows = []string{"", "WINDOW TUMBLING (SIZE 5 SECONDS)", "WINDOW HOPPING (SIZE 10 SECONDS, ADVANCE BY 5 SECONDS)",
	"WINDOW HOPPING (SIZE 7 SECONDS, ADVANCE BY 3 SECONDS)", "WINDOW SLIDING (SIZE 12 SECONDS)"}

func checkDefinition(t *testing.T, rng *rand.Rand) {
	sql := fmt.Sprintf("CREATE STREAM s (t TIMESTAMP, k VARCHAR, v BIGINT, x DOUBLE PRECISION) WITH (topic = 's', timestamp = 't', timestamp_format = 'epoch', delay = '%d seconds');\n", rng.IntN(2)*rng.IntN(10))
	for i := range 3 {
		sql += randomMetric(rng, i)
	}
	p, diags := plan.Bind("random.sql", sql)
	if p == nil {
		t.Fatalf("%s\n%v", sql, diags)
	}
	e, err := New(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	feed(t, rng, e)
	if rng.IntN(5) > 0 {
		e.End()
	}
	published := map[string][]Output{}
	for _, o := range e.Results() {
		published[o.Metric] = append(published[o.Metric], o)
	}
	for _, m := range p.Metrics {
		if diff := compareWithDefinition(e, m, published[m.Name]); diff != "" {
			t.Fatalf("%s\n%s\n%s", sql, m.Text, diff)
		}
	}
}

func randomMetric(rng *rand.Rand, i int) string {
	window := windows[rng.IntN(len(windows))]
	emit := fmt.Sprintf("EMIT EVERY %d SECONDS", 1+rng.IntN(8))
	if window != "" && !strings.Contains(window, "SLIDING") && rng.IntN(2) == 0 {
		emit = "EMIT FINAL"
	}
	cols, group, order := "", "", ""
	aggs := "COUNT(*) AS n, SUM(v) AS total, AVG(x) AS mean, MIN(v) AS low, LAST(x) AS newest, COUNT(DISTINCT v) FILTER (WHERE v > 2) AS few"
	if rng.IntN(3) > 0 {
		cols, group = "k, ", "GROUP BY k"
		if rng.IntN(2) == 0 {
			group += " HAVING COUNT(*) > 1"
		}
	}
	if rng.IntN(2) == 0 {
		order = fmt.Sprintf("ORDER BY n DESC LIMIT %d", 1+rng.IntN(3))
	}
	where := ""
	if rng.IntN(3) == 0 {
		where = "WHERE 10 / v > 2"
	}
	return fmt.Sprintf("CREATE METRIC m%d AS SELECT %s%s FROM s %s %s %s %s %s;\n", i, cols, aggs, window, where, group, order, emit)
}

// feed adds rows that are mostly in order to up to three partitions, with jumps and decisions.
func feed(t *testing.T, rng *rand.Rand, e *Evaluator) {
	now := int64(rng.IntN(100))
	next := make([]int64, 1+rng.IntN(3))
	for range rng.IntN(120) {
		p := rng.IntN(len(next))
		switch rng.IntN(60) {
		case 0:
			now += 6_000
		case 1:
			if err := e.MoveClock("s", int32(p), next[p], (now+int64(rng.IntN(10)))*row.Second); err != nil {
				t.Fatal(err)
			}
		default:
			now += int64(rng.IntN(3))
		}
		at := now - int64(rng.IntN(2)*rng.IntN(15))
		line := fmt.Sprintf("%d,%c,%d,%g", at, 'a'+rune(rng.IntN(4)), rng.IntN(5), float64(rng.IntN(9))/7)
		if err := e.Add("s", int32(p), []format.Record{{Offset: next[p], Time: -1, Value: []byte(line)}}); err != nil {
			t.Fatal(err)
		}
		next[p]++
	}
}

// compareWithDefinition returns the first difference in words.
func compareWithDefinition(e *Evaluator, m *plan.Metric, published []Output) string {
	table := e.table(m.Read.Table)
	s := e.streams[0]
	if s.lowest() == noTime {
		return ""
	}
	g, final := gridOf(m), m.Emit == plan.EmitFinal
	for end := g.after(s.begin()); end <= s.lowest(); end += g.step {
		r := newReader(m, table, final)
		r.c.at = end
		want := r.result(definedWindows(table, final, end))
		if final && len(want) == 0 && len(table.plan.Keys) > 0 {
			continue
		}
		if len(published) == 0 {
			return fmt.Sprintf("no result of %s", seconds(end))
		}
		got := &published[0].Result
		first := got.End - (got.Intervals-1)*g.step
		if end < first || end > got.End {
			return fmt.Sprintf("expected the result of %s, found that of %s to %s", seconds(end), seconds(first), seconds(got.End))
		}
		if !r.equal(want, got.Rows) {
			return fmt.Sprintf("as of %s: by definition %s, published %s", seconds(end), shownRows(got.Columns, want, " "), shownResult(published[0]))
		}
		if end == got.End {
			published = published[1:]
		}
	}
	if len(published) > 0 {
		return "too much: " + shownResult(published[0])
	}
	return ""
}

// definedWindows fills the windows that a result as of t shows, row by row.
func definedWindows(t *table, final bool, at int64) []*window {
	if t.plan.Window.Kind == plan.NoWindow {
		return []*window{fill(t, at, -1<<62, 1<<62)}
	}
	if t.plan.Window.Kind == plan.Sliding {
		return []*window{fill(t, at, at-t.size, at)}
	}
	var list []*window
	for start := at - at%row.Second - t.size; start < at; start += row.Second {
		ends := start + t.size
		if start%t.adv == 0 && (ends == at || ends > at && !final) {
			list = append(list, fill(t, at, start, ends))
		}
	}
	return list
}

func fill(t *table, at, start, end int64) *window {
	w := newWindow(start, end)
	for i := range t.rows {
		if r := &t.rows[i]; r.enter < at && start <= r.time && r.time < end {
			w.add(t, r)
		}
	}
	return w
}
