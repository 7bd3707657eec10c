package read

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/local"
	"penstock/query/plan"
)

// A limit saves work in several ways once there are more rows than a batch holds; the answer is
// still the beginning of the one without it.
func TestLimitIsTheBeginning(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	p := bind(t, head+`CREATE TABLE t AS SELECT k, name, SUM(n) AS total, MAX(f) AS f, COUNT(*) AS c FROM s GROUP BY k, name;
		CREATE METRIC m AS SELECT COUNT(*) FROM t EMIT EVERY 5 SECONDS;`)
	var log []format.Record
	for i := range 12_000 {
		key := r.IntN(6000)
		line := fmt.Sprintf("2015-12-13 09:00:%02d,%d,N%d,%d,1,%g", i/300, key, key%3, r.IntN(500), r.NormFloat64())
		if key%40 == 0 {
			line = fmt.Sprintf("2015-12-13 09:00:%02d,%d,N,,,", i/300, key)
		}
		log = append(log, format.Record{Time: -1, Offset: int64(i), Value: []byte(line)})
	}
	c := cluster(t, p, [][]format.Record{log}, local.Options{Folds: 2})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"SELECT * FROM t", "SELECT c, k FROM t WHERE k % 3 <> 1",
		"SELECT k, total FROM t ORDER BY total", "SELECT k, total FROM t ORDER BY total DESC",
		"SELECT name, k FROM t ORDER BY total NULLS FIRST", "SELECT k FROM t ORDER BY total DESC NULLS LAST, c",
		"SELECT k, f FROM t ORDER BY f DESC", "SELECT k, f FROM t WHERE f > 0 ORDER BY f",
		"SELECT k FROM t ORDER BY name DESC, k DESC", "SELECT f, k FROM t ORDER BY c, total",
		"SELECT k, total FROM t ORDER BY 100 / (total - 250)", // fails where the total is 250
	} {
		all := rowsOf(t, c, bindRead(t, p, q))
		for _, limit := range []string{"LIMIT 10", "LIMIT 1", "LIMIT 200 OFFSET 37", "LIMIT 5900"} {
			n, offset := 0, 0
			_, _ = fmt.Sscanf(limit, "LIMIT %d OFFSET %d", &n, &offset)
			text := q + " " + limit
			got, want := rowsOf(t, c, bindRead(t, p, text)), all[min(offset, len(all)):]
			want = want[:min(n, len(want))]
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s is not the beginning of what there is without the limit:\n got %.600s\nwant %.600s", text, strings.Join(got, " "), strings.Join(want, " "))
			}
		}
	}
}

// A scan stops where the limit of a read without ORDER BY is reached.
func TestLimitWithoutOrderStops(t *testing.T) {
	p := bind(t, head+"CREATE TABLE t AS SELECT k, COUNT(*) AS c FROM s GROUP BY k; CREATE METRIC m AS SELECT COUNT(*) FROM t EMIT EVERY 5 SECONDS;")
	var log []format.Record
	for i := range 20_000 {
		log = append(log, format.Record{Time: -1, Offset: int64(i), Value: fmt.Appendf(nil, "2015-12-13 09:00:%02d,%d,N,1,1,1", i/400, i%10_000)})
	}
	c := cluster(t, p, [][]format.Record{log}, local.Options{Folds: 1})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	from, err := c.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	r, batches := bindRead(t, p, "SELECT * FROM t LIMIT 10"), 0
	s := overTable(r)
	x := newSelector(s, NewBudget(Limits{}))
	used, late := s.columns()
	err = from.Batches(r.Table, core.Scan{Closed: true, Used: used, Late: late}, func(b *core.RowBatch) bool {
		batches++
		return x.take(b)
	})
	if err != nil || len(x.list) != 10 || batches > 2 {
		t.Errorf("%d rows from %d batches, %v; expected 10 from the first", len(x.list), batches, err)
	}
}

// rowsOf is an answer's rows as text.
func rowsOf(t *testing.T, c *local.Cluster, r *plan.Read) []string {
	t.Helper()
	a, err := answer(r, c, false, false, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.Rows.All()
	if err != nil {
		t.Fatal(err)
	}
	list := make([]string, len(all))
	for i, vals := range all {
		list[i] = string(format.AppendRow(nil, a.Rows.Columns, vals))
	}
	return list
}
