package read

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/storage"
)

// tables is a table in a store as an engine leaves it.
type tables struct {
	plan  *plan.Plan
	store *storage.Store
	folds int
}

const benchText = `
CREATE STREAM s (t TIMESTAMP, k BIGINT, name VARCHAR, n BIGINT, d DECIMAL(12,2))
WITH (topic = 's', format = 'csv', timestamp = 't');
CREATE TABLE t AS SELECT k, SUM(n * d) AS total, COUNT(*) AS c, MAX(name) AS name FROM s GROUP BY k;
CREATE METRIC m AS SELECT COUNT(*) FROM t EMIT EVERY 5 SECONDS;
`

// filled routes and folds one row for each of n keys; when closed is set, then all panes are closed.
func filled(b *testing.B, n, folds int, closed bool) *tables {
	b.Helper()
	p := bind(b, benchText)
	store, err := storage.Open(b.TempDir(), storage.Options{App: "bench", CacheBytes: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	x := &tables{plan: p, store: store, folds: folds}
	router := core.NewRouter(p, p.Stream("s"), folds, 1)
	from, err := router.Assign(0, core.Start(0))
	if err != nil {
		b.Fatal(err)
	}
	parts := make([]*core.Fold, folds)
	for i := range parts {
		if parts[i], err = core.NewFold(p, int32(i), folds, store.Partition("fold", int32(i))); err != nil {
			b.Fatal(err)
		}
	}
	var recs []format.Record
	for i := range n + 1 {
		line := fmt.Sprintf("2015-12-13 09:00:%02d,%d,N%d,%d,%d.%02d", i/(n/30+1), i, i%1000, i%777, i%5000, i%100)
		recs = append(recs, format.Record{Offset: int64(i), Time: -1, Value: []byte(line)})
		if len(recs) < 50_000 && i < n {
			continue
		}
		if err := from.Rows(recs, 0); err != nil {
			b.Fatal(err)
		}
		if recs = recs[:0]; i == n && closed {
			from.MoveClock(time.Date(2015, 12, 13, 10, 0, 0, 0, time.UTC).UnixMicro(), core.DecisionEnd)
		}
		x.fold(b, parts, router.Take())
	}
	return x
}

func (x *tables) fold(b *testing.B, parts []*core.Fold, flush *core.RouteFlush) {
	for _, f := range flush.Frames {
		if err := parts[f.Partition].Frame(f.Value); err != nil {
			b.Fatal(err)
		}
	}
	for i, f := range parts {
		for {
			out, err := f.Take()
			if err != nil {
				b.Fatal(err)
			}
			if out.Empty() {
				break
			}
			err = x.store.Partition("fold", int32(i)).Apply(func(w *storage.Batch) error {
				for _, c := range out.Writes {
					switch {
					case c.To != nil:
						w.DeleteRange(c.Key, c.To)
					case c.Value == nil:
						w.Delete(c.Key)
					default:
						w.Set(c.Key, c.Value)
					}
				}
				return nil
			}, 1)
			if err == nil {
				err = f.Committed()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func (x *tables) query(b *testing.B, sql string) int {
	r := bindRead(b, x.plan, sql)
	look := LookupOf(r)
	budget := NewBudget(Limits{Rows: 1_000_000, Bytes: 256 << 20})
	parts := make([]*Part, x.folds)
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range x.folds {
		if look.Whole && core.PartitionOf(look.Prefix, x.folds) != int32(i) {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			snap, err := x.store.Partition("fold", int32(i)).NewSnapshot()
			if err != nil {
				b.Error(err)
				return
			}
			defer func() { _ = snap.Close() }()
			from, err := core.NewReader(x.plan, int32(i), x.folds, snap)
			if err == nil {
				parts[i], err = Scan(context.Background(), r, from, false, budget)
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	a, err := Merge(r, slices.DeleteFunc(parts, func(p *Part) bool { return p == nil }), budget)
	if err != nil {
		b.Fatal(err)
	}
	return a.Rows.Len()
}

// cpu is the time all cores have worked for this process: unlike the time on the clock it does not
// depend on what else the machine does.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkLookup(b *testing.B) {
	for _, closed := range []bool{true, false} {
		b.Run(fmt.Sprintf("closed=%t", closed), func(b *testing.B) {
			x := filled(b, 100_000, 8, closed)
			before := cpu(b)
			b.ResetTimer()
			i := 0
			for b.Loop() {
				i = (i + 7919) % 100_000
				if n := x.query(b, fmt.Sprintf("SELECT * FROM t WHERE k = %d", i)); n != 1 {
					b.Fatalf("%d rows", n)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}

func BenchmarkMillionRows(b *testing.B) {
	const rows = 1_000_000
	x := filled(b, rows, 8, true)
	for _, q := range []string{
		"SELECT k, total FROM t ORDER BY total DESC LIMIT 10",
		"SELECT COUNT(*) FROM t WHERE c > 0",
		"SELECT name, COUNT(*), SUM(total) FROM t GROUP BY name ORDER BY 2 DESC LIMIT 10",
		"SELECT * FROM t LIMIT 10",
	} {
		b.Run(q, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				if x.query(b, q) == 0 {
					b.Fatal("no rows")
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
