package local

import (
	"fmt"
	"testing"

	"penstock/engine/format"
)

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

// Nor does fold, for a key that it knows: every row here is a partial of its own, of a client among
// ten thousand, that is added to an open pane. What is left are the buffers of the frames and of what
// the next flush will write.
func TestFoldAllocatesNothingPerEntry(t *testing.T) {
	const clients = 10_000
	var recs []format.Record
	for i := range 5 * clients {
		line := fmt.Appendf(nil, "%s,%d,%d,S%04d,%d,1.25,B", stamp(1_450_000_000), i, i%clients, i%200, 1+i%1000)
		recs = append(recs, format.Record{Offset: int64(i), Time: -1, Value: line})
	}
	c, err := New(bind(t, benchSQL), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.sources["orders"][0].log = recs
	for range 5 {
		if n, err := c.Read("orders", 0, clients); err != nil || n != clients {
			t.Fatalf("read %d rows: %v", n, err)
		}
		c.FlushRoute("orders")
	}
	frames := len(c.fold[0].frames)
	feed := func() {
		if err := c.Feed(0, frames/5); err != nil {
			t.Fatal(err)
		}
	}
	feed()
	if got := testing.AllocsPerRun(2, feed) / clients; got > 0.05 {
		t.Errorf("%.4f allocations an entry", got)
	}
	if c.fold[0].frameAt < frames*4/5 {
		t.Errorf("%d of %d frames were taken", c.fold[0].frameAt, frames)
	}
}
