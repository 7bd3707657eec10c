package bench

import (
	"fmt"
	"strings"
	"testing"
)

// What differs from the maps in any way is found, or the bench would measure wrong results.
func TestExpected(t *testing.T) {
	m := newMaps()
	for i := range 30 {
		m.add(int64(i*1000), fmt.Appendf(nil, "2016-03-22 20:25:28,%d,%d,S%d,%d,2.50,%c", i, i%7, i%6, 10+i, "BS"[i%2]))
	}
	e := expect([]*maps{m})
	stocks := func(change func(rows []map[string]any)) []map[string]any {
		var rows []map[string]any
		for _, r := range e.Stocks[e.Last][:topN] {
			rows = append(rows, map[string]any{"symbol": r.Key, "volume": r.Value})
		}
		if change != nil {
			change(rows)
		}
		return rows
	}
	for _, c := range []struct {
		name   string
		metric string
		rows   []map[string]any
		want   string // of the error; empty: none
	}{
		{"count", "BUYS", []map[string]any{{"count": e.Buys[e.Last]}}, ""},
		{"count of one more", "BUYS", []map[string]any{{"count": e.Buys[e.Last] + 1}}, "expected"},
		{"no count", "SELLS", nil, "expected"},
		{"ranking", "TOP5STOCKS", stocks(nil), ""},
		{"ranking of four", "TOP5STOCKS", stocks(nil)[:4], "4 rows, expected 5"},
		{"another value", "TOP5STOCKS", stocks(func(r []map[string]any) { r[4]["volume"] = int64(1) }), "expected"},
		{"another key", "TOP5STOCKS", stocks(func(r []map[string]any) { r[4]["symbol"] = "S9" }), "expected"},
		{"another order", "TOP5STOCKS", stocks(func(r []map[string]any) { r[0], r[1] = r[1], r[0] }), "expected"},
		{"another metric", "OTHER", nil, "no such metric"},
	} {
		p := published{Metric: c.metric, Rows: c.rows}
		p.End = p.End.UTC().AddDate(1969, 0, 0).Add(30_000 * 1e6)
		if got := p.End.UnixMilli(); got != e.Last {
			t.Fatalf("the end is %d, expected %d", got, e.Last)
		}
		err := e.check(p)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, expected %q", c.name, err, c.want)
		}
	}
}

// A ranking keeps all that are as good as the fifth, and is the same however many there are.
func TestRank(t *testing.T) {
	values := map[int]int64{}
	for i := range 10_000 {
		values[i] = int64(i / 3)
	}
	got := rank(values)
	if len(got) != 7 || got[0] != (Ranked{"9999", 3333}) || got[3].Value != 3332 || got[6].Value != 3331 {
		t.Errorf("ranking %v", got)
	}
}
