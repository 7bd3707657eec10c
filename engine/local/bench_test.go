package local

import (
	"fmt"
	"math/rand/v2"
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

// BenchmarkOrders runs the four metrics of the orders example over a backlog, route and fold in
// turn, with a flush of route every 50,000 rows.
func BenchmarkOrders(b *testing.B) {
	for _, profile := range []struct {
		name             string
		clients, symbols int
	}{{"small", 100, 200}, {"large", 100_000, 5_000}} {
		b.Run(profile.name, func(b *testing.B) {
			recs := orderLines(500_000, profile.clients, profile.symbols, 5000)
			b.ReportAllocs()
			for b.Loop() {
				c, err := New(bind(b, benchSQL), nil, Options{Folds: 4})
				if err != nil {
					b.Fatal(err)
				}
				c.sources["orders"][0].log = recs
				for {
					n, err := c.Read("orders", 0, 50_000)
					if err != nil {
						b.Fatal(err)
					}
					if n == 0 {
						break
					}
					c.FlushRoute("orders")
					for f := range c.fold {
						if err := c.Feed(f, 1000); err != nil {
							b.Fatal(err)
						}
						if err := c.FlushFold(f, 0, true); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			b.ReportMetric(float64(len(recs))*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
