package local

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/syntax"
)

func bind(t testing.TB, text string) *plan.Plan {
	t.Helper()
	p, diags := plan.Bind("test.sql", text)
	for _, d := range diags {
		if d.Severity == syntax.Error {
			t.Fatal(syntax.Render("test.sql", text, diags))
		}
	}
	return p
}

const head = `
CREATE STREAM s (t TIMESTAMP, k BIGINT, name VARCHAR, n BIGINT, d DECIMAL(12,2), f DOUBLE PRECISION, side VARCHAR CHECK (side IN ('B','S')))
WITH (topic = 's', format = 'csv', timestamp = 't', delay = '2 seconds');
`

// files are query files that between them use every kind of window, emission and aggregate.
var files = map[string]string{
	"orders": `
CREATE METRIC BUYS  AS SELECT COUNT(*) FROM s WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'B' EMIT FINAL;
CREATE METRIC SELLS AS SELECT COUNT(*) FROM s WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'S' EMIT FINAL;
CREATE TABLE totals AS SELECT k, SUM(n * d) AS total FROM s GROUP BY k;
CREATE METRIC TOPK AS SELECT k, total FROM totals ORDER BY total DESC LIMIT 3 EMIT EVERY 5 SECONDS;
CREATE METRIC TOPN AS SELECT name, SUM(n) AS volume FROM s WINDOW SLIDING (SIZE 30 SECONDS) GROUP BY name ORDER BY volume DESC LIMIT 3 EMIT EVERY 5 SECONDS;`,
	"windows": `
CREATE METRIC a AS SELECT name, COUNT(*), SUM(d), AVG(n), window_start FROM s WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY name EMIT FINAL;
CREATE METRIC b AS SELECT k, MIN(n), MAX(f), COUNT(DISTINCT name) FROM s WINDOW HOPPING (SIZE 20 SECONDS, ADVANCE BY 5 SECONDS) GROUP BY k EMIT FINAL;
CREATE METRIC c AS SELECT SUM(f), AVG(f), window_end FROM s WINDOW HOPPING (SIZE 60 SECONDS, ADVANCE BY 5 SECONDS) EMIT FINAL;
CREATE METRIC e AS SELECT k % 3 AS g, FIRST(n), LAST(n), MIN(name), MAX(d), COUNT(DISTINCT k) FROM s WINDOW SLIDING (SIZE 20 SECONDS) GROUP BY k % 3 EMIT EVERY 5 SECONDS;
CREATE METRIC h AS SELECT k, COUNT(*) FROM s WINDOW HOPPING (SIZE 30 SECONDS, ADVANCE BY 5 SECONDS) GROUP BY k HAVING COUNT(*) > 2 EMIT FINAL;
CREATE METRIC g AS SELECT name, SUM(n), window_start, window_end FROM s WINDOW HOPPING (SIZE 20 SECONDS, ADVANCE BY 10 SECONDS) GROUP BY name EMIT EVERY 5 SECONDS;`,
	"again": `
CREATE TABLE t AS SELECT k, name, COUNT(*) AS c, SUM(n) FILTER (WHERE side = 'B') AS bought, COUNT(DISTINCT f) AS fs FROM s WHERE n > 3 GROUP BY k, name HAVING COUNT(*) > 1;
CREATE METRIC m AS SELECT name, SUM(c) AS c, MAX(bought) AS b, COUNT(*) AS keys FROM t GROUP BY name ORDER BY c DESC EMIT EVERY 10 SECONDS;
CREATE METRIC all_rows AS SELECT * FROM t WHERE c > 2 EMIT EVERY 30 SECONDS;
CREATE METRIC total AS SELECT COUNT(*), SUM(n) / COUNT(*) AS mean FROM s EMIT EVERY 5 SECONDS;
CREATE METRIC low AS SELECT name, fs FROM t ORDER BY bought, name DESC LIMIT 2 OFFSET 1 EMIT EVERY 5 SECONDS;`,
}

// input draws a log: mostly in order, some rows late, some bad, now and then a gap.
func input(r *rand.Rand, rows, partitions int) [][]format.Record {
	log := make([][]format.Record, partitions)
	sec := int64(1_450_000_000)
	for range rows {
		if r.IntN(3) == 0 {
			sec += int64(r.IntN(3))
		}
		if r.IntN(200) == 0 {
			sec += int64(r.IntN(120))
		}
		if r.IntN(1000) == 0 {
			sec += int64(r.IntN(20_000)) // a gap long enough to be published as runs
		}
		at := sec - int64(r.IntN(3))
		if r.IntN(15) == 0 {
			at -= int64(r.IntN(60))
		}
		side := "BSBSBSX"[r.IntN(7)]
		line := fmt.Sprintf("%s,%d,N%d,%d,%d.%02d,%g,%c", stamp(at), r.IntN(6), r.IntN(5), r.IntN(20), r.IntN(50), r.IntN(100), r.NormFloat64(), side)
		if r.IntN(30) == 0 {
			line = line[:r.IntN(len(line))]
		}
		p := r.IntN(partitions)
		log[p] = append(log[p], format.Record{Time: -1, Value: []byte(line)})
	}
	return log
}

func stamp(sec int64) string {
	const day = 86400
	// 2015-12-13 is day 16782 since the epoch: the inputs stay inside a few days of it.
	d, s := sec/day-16782, sec%day
	return fmt.Sprintf("2015-12-%02d %02d:%02d:%02d", 13+d, s/3600, s/60%60, s%60)
}

func load(t testing.TB, p *plan.Plan, log [][]format.Record, o Options) *Cluster {
	t.Helper()
	c, err := New(p, map[string]int{"s": len(log)}, o)
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

// published is what a consumer of the results sees, sorted: every record, but of EMIT CHANGES the
// last value of each key.
func published(c *Cluster) string {
	var lines []string
	changes := map[string]string{}
	for _, o := range c.Results {
		switch {
		case !strings.Contains(string(o.Key), "/"):
			lines = append(lines, string(o.Key)+" "+string(o.Value))
		case o.Value == nil:
			delete(changes, string(o.Key))
		default:
			changes[string(o.Key)] = string(o.Value)
		}
	}
	for k, v := range changes {
		lines = append(lines, k+" "+v)
	}
	slices.SortStableFunc(lines, strings.Compare)
	return strings.Join(lines, "\n")
}

// seeds is how many random runs a test does; PENSTOCK_SEED runs one again.
func seeds(t *testing.T, n int) []uint64 {
	if s := os.Getenv("PENSTOCK_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{v}
	}
	first := rand.Uint64N(1 << 40)
	var list []uint64
	for i := range n {
		list = append(list, first+uint64(i))
	}
	return list
}

// The same log gives the same results, byte for byte, whatever the interleaving of the
// partitions, the borders of flushes, the number of fold partitions, and crashes that lose
// memory, transactions and local stores.
func TestSameResultsWhateverHappens(t *testing.T) {
	for name, text := range files {
		p := bind(t, head+text)
		for _, seed := range seeds(t, 25) {
			r := rand.New(rand.NewPCG(seed, 7))
			log := input(r, 300+r.IntN(300), 1+r.IntN(4))
			plain := load(t, p, log, Options{})
			if err := plain.End(); err != nil {
				t.Fatalf("%s: PENSTOCK_SEED=%d: %v", name, seed, err)
			}
			want := published(plain)
			c := load(t, p, log, Options{Folds: 1 + r.IntN(4), Tiny: r.IntN(2) == 0})
			err := c.Shuffle(r, 400, 0.02)
			if err == nil {
				err = c.End()
			}
			if err != nil {
				t.Fatalf("%s: PENSTOCK_SEED=%d: %v", name, seed, err)
			}
			if got := published(c); got != want {
				t.Fatalf("%s: PENSTOCK_SEED=%d: results differ\n%s", name, seed, firstDifference(got, want))
			}
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			return fmt.Sprintf("line %d of %d and %d\n got %s\nwant %s", i, len(g), len(w), at(g, i), at(w, i))
		}
	}
	return "no difference"
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(none)"
}
