package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// query is what the tortured processes run: a stream by Kafka's time and one by a column, every
// kind of window and of emission. %[1]s is the name of the application.
const query = `
CREATE STREAM orders (
  time TIMESTAMP, order_id BIGINT, client_id BIGINT, symbol VARCHAR,
  amount BIGINT, price DECIMAL(12,2), side VARCHAR CHECK (side IN ('B','S'))
) WITH (topic = '%[1]s.orders', format = 'csv');

CREATE METRIC BUYS WITH (topic = '%[1]s.metrics') AS
  SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 1 SECOND) WHERE side = 'B' EMIT FINAL;
CREATE METRIC SELLS WITH (topic = '%[1]s.metrics') AS
  SELECT COUNT(*), SUM(amount * price) AS turnover FROM orders WINDOW TUMBLING (SIZE 1 SECOND) WHERE side = 'S' EMIT FINAL;

CREATE TABLE client_totals AS
  SELECT client_id, SUM(amount * price) AS total, COUNT(*) AS orders FROM orders GROUP BY client_id;
CREATE METRIC TOP5CLIENTS WITH (topic = '%[1]s.metrics') AS
  SELECT client_id, total FROM client_totals ORDER BY total DESC LIMIT 5 EMIT EVERY 1 SECOND;

CREATE METRIC TOP5STOCKS WITH (topic = '%[1]s.metrics') AS
  SELECT symbol, SUM(amount) AS volume FROM orders WINDOW SLIDING (SIZE 10 SECONDS)
  GROUP BY symbol ORDER BY volume DESC LIMIT 5 EMIT EVERY 1 SECOND;
CREATE METRIC SIDES WITH (topic = '%[1]s.changes') AS
  SELECT side, COUNT(*) AS orders, SUM(amount) AS volume FROM orders GROUP BY side EMIT CHANGES;

CREATE STREAM fills (
  time TIMESTAMP, fill_id BIGINT, symbol VARCHAR, price DECIMAL(12,2)
) WITH (topic = '%[1]s.fills', format = 'csv', timestamp = 'time', delay = '2 seconds');

CREATE METRIC PRICES WITH (topic = '%[1]s.metrics') AS
  SELECT symbol, MIN(price) AS low, MAX(price) AS high, COUNT(DISTINCT price) AS prices, AVG(price) AS average, window_start, window_end
  FROM fills WINDOW HOPPING (SIZE 5 SECONDS, ADVANCE BY 1 SECOND) GROUP BY symbol EMIT FINAL;
`

// partitions of the source topics.
const partitions = 4

// load sends orders at a steady rate, and a fiftieth as many fills.
type load struct {
	client *kgo.Client
	app    string
	rate   int
	lines  [][]byte

	cancel context.CancelFunc
	done   sync.WaitGroup
	began  time.Time
	sent   atomic.Int64 // acknowledged
	failed atomic.Int64
}

func startLoad(t *testing.T, addr, app string, rate int, rnd *rand.Rand, opts ...kgo.Opt) *load {
	t.Helper()
	l := &load{app: app, rate: rate, began: time.Now()}
	l.client = client(t, addr, append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(4*rate),
		kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchMaxBytes(1_000_000))...)
	made, err := kadm.NewClient(l.client).CreateTopics(context.Background(), partitions, -1, nil, app+".orders", app+".fills")
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		l.lines = append(l.lines, order(rnd, i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.done.Add(1)
	r := rand.New(rand.NewPCG(rnd.Uint64(), 7))
	go func() {
		defer l.done.Done()
		l.run(ctx, r)
	}()
	return l
}

// order is a line of the stream orders; one in a thousand is none.
func order(rnd *rand.Rand, id int) []byte {
	if rnd.IntN(1000) == 0 {
		return fmt.Appendf(nil, "2026-01-01 00:00:00,%d,no client,EPE,1,1.00,B", id)
	}
	return fmt.Appendf(nil, "2026-01-01 00:00:00,%d,%d,S%03d,%d,%d.%02d,%c", id, rnd.IntN(2000),
		int(rnd.ExpFloat64()*30)%200, 1+rnd.IntN(900), 1+rnd.IntN(200), rnd.IntN(100), "BS"[rnd.IntN(2)])
}

// fill is a line of the stream fills, up to three seconds out of order: a third of those by more
// than the stream's delay, which makes some of them late.
func fill(rnd *rand.Rand, id int, now time.Time) []byte {
	at := now.Add(-time.Duration(rnd.IntN(3000)) * time.Millisecond)
	if rnd.IntN(50) == 0 {
		at = at.Add(-8 * time.Second)
	}
	return fmt.Appendf(nil, "%s,%d,S%03d,%d.%02d", at.UTC().Format("2006-01-02 15:04:05.000"), id, rnd.IntN(8), 1+rnd.IntN(20), rnd.IntN(100))
}

func (l *load) run(ctx context.Context, rnd *rand.Rand) {
	const slot = 10 * time.Millisecond
	tick := time.NewTicker(slot)
	defer tick.Stop()
	acked := func(_ *kgo.Record, err error) {
		if err != nil {
			l.failed.Add(1)
		} else {
			l.sent.Add(1)
		}
	}
	for issued := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		due := int(now.Sub(l.began).Seconds() * float64(l.rate))
		// After a broker was away, no more than twice the rate.
		for n := min(due-issued, 2*l.rate/100); n > 0; n-- {
			r := &kgo.Record{Topic: l.app + ".orders", Partition: int32(rnd.IntN(partitions)), Value: l.lines[rnd.IntN(len(l.lines))]}
			l.client.Produce(context.Background(), r, acked)
			if issued++; issued%50 == 0 {
				r := &kgo.Record{Topic: l.app + ".fills", Partition: int32(rnd.IntN(partitions)), Value: fill(rnd, issued, now)}
				l.client.Produce(context.Background(), r, acked)
			}
		}
	}
}

// stop ends the load and waits for its last records. It returns how many were sent, and how many a second.
func (l *load) stop(ctx context.Context) (sent int64, perSecond float64, err error) {
	l.cancel()
	l.done.Wait()
	took := time.Since(l.began)
	if err := l.client.Flush(ctx); err != nil {
		return 0, 0, fmt.Errorf("end the load: %w", err)
	}
	sent = l.sent.Load()
	if n := l.failed.Load(); n > 0 {
		return sent, 0, fmt.Errorf("%d records were not sent", n)
	}
	return sent, float64(sent) / took.Seconds(), nil
}
