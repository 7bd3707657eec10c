package local

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"penstock/engine/format"
)

const benchSQL = `
CREATE STREAM orders (time TIMESTAMP, order_id BIGINT, client_id BIGINT, symbol VARCHAR,
  amount BIGINT, price DECIMAL(12,2), side VARCHAR CHECK (side IN ('B','S'))) WITH (topic = 'orders', format = 'csv', timestamp = 'time');
CREATE METRIC BUYS  AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'B' EMIT FINAL;
CREATE METRIC SELLS AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'S' EMIT FINAL;
CREATE TABLE client_totals AS SELECT client_id, SUM(amount * price) AS total FROM orders GROUP BY client_id;
CREATE METRIC TOP5CLIENTS AS SELECT client_id FROM client_totals ORDER BY total DESC LIMIT 5 EMIT EVERY 5 SECONDS;
CREATE METRIC TOP5STOCKS AS SELECT symbol, SUM(amount) AS volume FROM orders WINDOW SLIDING (SIZE 60 MINUTES)
  GROUP BY symbol ORDER BY volume DESC LIMIT 5 EMIT EVERY 5 SECONDS;`

// orderLines is n lines of orders at rate rows a second of event time.
func orderLines(n, clients, symbols, rate int) []format.Record {
	r := rand.New(rand.NewPCG(1, 1))
	zc := rand.NewZipf(r, 1.1, 8, uint64(clients-1))
	zs := rand.NewZipf(r, 1.1, 8, uint64(symbols-1))
	recs := make([]format.Record, n)
	for i := range recs {
		line := fmt.Sprintf("%s,%d,%d,S%04d,%d,%d.%02d,%c", stamp(1_450_000_000+int64(i/rate)), i, zc.Uint64(), zs.Uint64(),
			1+r.IntN(1000), 1+r.IntN(200), r.IntN(100), "BS"[r.IntN(2)])
		recs[i] = format.Record{Offset: int64(i), Time: -1, Value: []byte(line)}
	}
	return recs
}

// benchProfiles are the shapes of engine/bench, but for its wide one: these stores are maps.
var benchProfiles = []struct {
	name             string
	clients, symbols int
}{{"small", 100, 200}, {"large", 100_000, 5_000}}

// benchRows is how many orders a benchmark reads, benchFlush how many between two flushes of route.
const (
	benchRows  = 500_000
	benchFlush = 50_000
)

// perRow runs do, over rows each time, and reports rates and costs by the row. setUp is not measured.
func perRow(b *testing.B, rows int, unit string, setUp func() *Cluster, do func(*Cluster)) {
	var before, after runtime.MemStats
	var allocs uint64
	for b.Loop() {
		b.StopTimer()
		c := setUp()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		do(c)
		b.StopTimer()
		runtime.ReadMemStats(&after)
		allocs += after.Mallocs - before.Mallocs
		b.StartTimer()
	}
	all := float64(rows) * float64(b.N)
	b.ReportMetric(all/b.Elapsed().Seconds(), unit+"s/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/all, "ns/"+unit)
	b.ReportMetric(float64(allocs)/all, "allocs/"+unit)
}

func benchCluster(b *testing.B, recs []format.Record) *Cluster {
	b.Helper()
	c, err := New(bind(b, benchSQL), nil, Options{Folds: 4})
	if err != nil {
		b.Fatal(err)
	}
	c.sources["orders"][0].log = recs
	return c
}

// routeSome gives route what there is until the next flush, and tells whether there was anything.
func routeSome(b *testing.B, c *Cluster) bool {
	n, err := c.Read("orders", 0, benchFlush)
	if err != nil {
		b.Fatal(err)
	}
	c.FlushRoute("orders")
	return n > 0
}

// foldAll gives the fold partitions all that waits for them, and flushes them.
func foldAll(b *testing.B, c *Cluster) {
	for f := range c.fold {
		if err := c.Feed(f, len(c.fold[f].frames)+len(c.fold[f].loop)); err != nil {
			b.Fatal(err)
		}
		if err := c.FlushFold(f, 0, true); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOrders runs the four metrics of the orders example over a backlog, route, fold and emit
// in turn.
func BenchmarkOrders(b *testing.B) {
	for _, p := range benchProfiles {
		b.Run(p.name, func(b *testing.B) {
			recs := orderLines(benchRows, p.clients, p.symbols, 5000)
			perRow(b, benchRows, "row", func() *Cluster { return benchCluster(b, recs) }, func(c *Cluster) {
				for routeSome(b, c) {
					foldAll(b, c)
				}
			})
		})
	}
}

// BenchmarkRoute is the part of it that reads: decode, check, filter and add up by key, to frames.
func BenchmarkRoute(b *testing.B) {
	for _, p := range benchProfiles {
		b.Run(p.name, func(b *testing.B) {
			recs := orderLines(benchRows, p.clients, p.symbols, 5000)
			perRow(b, benchRows, "row", func() *Cluster { return benchCluster(b, recs) }, func(c *Cluster) {
				for routeSome(b, c) {
				}
			})
		})
	}
}

// BenchmarkFold is the part of it that keeps tables: frames to rows, panes, shares and results. Its
// rows are those of the orders that the frames were made from.
func BenchmarkFold(b *testing.B) {
	for _, p := range benchProfiles {
		b.Run(p.name, func(b *testing.B) {
			recs := orderLines(benchRows, p.clients, p.symbols, 5000)
			routed := benchCluster(b, recs)
			for routeSome(b, routed) {
			}
			frames := len(routed.fold[0].frames)
			setUp := func() *Cluster {
				c := benchCluster(b, nil)
				for f := range c.fold {
					c.fold[f].frames = routed.fold[f].frames
				}
				return c
			}
			perRow(b, benchRows, "row", setUp, func(c *Cluster) {
				for range frames {
					for f := range c.fold {
						if err := c.Feed(f, 1); err != nil {
							b.Fatal(err)
						}
						if err := c.FlushFold(f, 0, true); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		})
	}
}

// BenchmarkEmit closes an interval with every tenth order, so that shares and results are nearly all
// there is to do: four metrics of 2,000 intervals.
func BenchmarkEmit(b *testing.B) {
	const intervals = 2_000
	recs := orderLines(intervals*10, 100, 200, 2)
	results := 0
	perRow(b, intervals*4, "result", func() *Cluster { return benchCluster(b, recs) }, func(c *Cluster) {
		for routeSome(b, c) {
			foldAll(b, c)
		}
		foldAll(b, c) // shares that the last flush sent
		results = len(c.Results)
	})
	if results < (intervals-5)*4 {
		b.Fatalf("%d results, expected about %d", results, intervals*4)
	}
}
