package local

import "testing"

// The row path allocates nothing per row. Once keys and panes are known, routing a run of the
// orders example takes a handful of allocations however many rows it has; the bound is far below
// one for every hundred rows, so a single allocation per row, or per string, fails here.
func TestRouteAllocatesNothingPerRow(t *testing.T) {
	const rows = 20_000
	recs := orderLines(4*rows, 100, 200, 5000)
	c, err := New(bind(t, benchSQL), nil, Options{Folds: 4})
	if err != nil {
		t.Fatal(err)
	}
	src := c.sources["orders"][0]
	src.log = recs
	read := func() {
		if n, err := c.Read("orders", 0, rows); err != nil || n != rows {
			t.Fatalf("read %d rows: %v", n, err)
		}
		c.FlushRoute("orders")
	}
	read()
	if got := testing.AllocsPerRun(2, read) / rows; got > 0.01 {
		t.Errorf("%.4f allocations a row", got)
	}
}
