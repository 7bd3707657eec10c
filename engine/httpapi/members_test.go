package httpapi

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/engine/broker/kafkatest"
	"penstock/query/row"
)

// Three processes share the partitions; each answers for all of them what the plain evaluator
// says, also by key and with groups. When one is gone, the others' answers say what is missing and
// hold nothing that is wrong.
func TestThreeProcesses(t *testing.T) {
	for _, b := range kafkatest.Brokers(t) {
		t.Run(b.Name, func(t *testing.T) { threeProcesses(newWorldOn(t, b.Addr, 3000, 6)) })
	}
}

func threeProcesses(w *world) {
	t := w.t
	var all []*process
	for range 3 {
		all = append(all, w.start(6, Options{}))
	}
	want := w.table("client_totals")
	for _, p := range all {
		a := w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, func(a *Answer) bool { return caughtUp(a) && len(a.Fresh.Members) == 3 })
		if got := shown(a); got != want {
			t.Fatalf(" got %s\nwant %s", got, want)
		}
		groups := w.until(p.Client, QueryRequest{SQL: "SELECT symbol, COUNT(*) AS c, MAX(price) AS m FROM pairs GROUP BY symbol HAVING COUNT(*) > 1 ORDER BY c DESC, symbol LIMIT 3"}, caughtUp)
		first := w.until(all[0].Client, QueryRequest{SQL: "SELECT symbol, COUNT(*) AS c, MAX(price) AS m FROM pairs GROUP BY symbol HAVING COUNT(*) > 1 ORDER BY c DESC, symbol LIMIT 3"}, caughtUp)
		if shown(groups) != shown(first) || groups.RowCount != 3 {
			t.Errorf("groups differ: %s\n%s", shown(groups), shown(first))
		}
	}
	closed := w.until(all[1].Client, QueryRequest{SQL: "SELECT * FROM client_totals ORDER BY total DESC LIMIT 5", AsOf: "closed"}, func(a *Answer) bool { return a.Fresh.Exact })
	if closed.Fresh.AsOf == "" || closed.RowCount != 5 {
		t.Errorf("%+v", closed.Fresh)
	}
	whole := w.until(all[0].Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)
	all[2].kill()
	partial := w.until(all[0].Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, func(a *Answer) bool { return a.Fresh.Partial })
	if len(partial.Fresh.Missing) == 0 || !strings.Contains(partial.Fresh.Missing[0].Text, "does not answer") {
		t.Errorf("missing %+v", partial.Fresh.Missing)
	}
	if partial.RowCount == 0 || partial.RowCount >= whole.RowCount {
		t.Errorf("%d rows of %d", partial.RowCount, whole.RowCount)
	}
	for _, r := range partial.Rows {
		if !slices.ContainsFunc(whole.Rows, func(o []row.Value) bool { return slices.Equal(o, r) }) {
			t.Errorf("row %v is not in the whole answer", r)
		}
	}
	counted, err := all[1].Client.Query(w.ctx, QueryRequest{SQL: "SELECT COUNT(*) FROM client_totals"})
	if err != nil || !counted.Fresh.Partial {
		t.Errorf("%+v, %v: a count without a process is partial", counted, err)
	}
	all[2].stop() // the others take its partitions
	w.produce(rand.New(rand.NewPCG(3, 4)), 500, time.Date(2016, 3, 22, 20, 40, 0, 0, time.UTC))
	want = w.table("client_totals")
	for _, p := range all[:2] {
		w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, func(a *Answer) bool { return caughtUp(a) && shown(a) == want })
	}
}
