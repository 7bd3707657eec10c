package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/cmd/penstock/gen"
	"penstock/engine"
	"penstock/engine/broker/kafkatest"
	"penstock/examples"
	"penstock/query/plan"
)

// TestReadersUnderLoad asks while the engine takes orders: keys one by one, and the ten largest of
// all. PENSTOCK_READERS=1000000 does it with so many rows, on an Apache Kafka, at 100,000 orders a
// second, and requires what is promised of it; without it a few thousand rows show that the answers
// are right and the harness works.
func TestReadersUnderLoad(t *testing.T) {
	p := readersProfile{rows: 3000, rate: 3000, length: 1500 * time.Millisecond}
	if s := os.Getenv("PENSTOCK_READERS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		p = readersProfile{rows: n, rate: 100_000, length: 30 * time.Second, backlog: 4_000_000, full: true}
	}
	underLoad(t, p)
}

type readersProfile struct {
	rows, rate int
	length     time.Duration
	backlog    int // orders for the rate at which it catches up
	full       bool
}

// loaded is an engine that takes orders of a million clients.
type loaded struct {
	t      *testing.T
	p      readersProfile
	w      *world
	kafka  *kgo.Client
	orders *gen.Generator
	buf    []byte
	sent   atomic.Int64
	engine *engine.Engine
	dir    string
}

func underLoad(t *testing.T, p readersProfile) {
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Minute)
	t.Cleanup(cancel)
	if p.full {
		engine.ShareCores() // as the program does
	}
	bound, diags := plan.Bind("orders.sql", examples.Orders)
	if bound == nil {
		t.Fatal(diags)
	}
	l := &loaded{t: t, p: p, dir: filepath.Join(t.TempDir(), "state"),
		w: &world{t: t, ctx: ctx, plan: bound, brokers: []string{brokerForReaders(t, p.full)}}}
	var err error
	l.kafka, err = kgo.NewClient(kgo.SeedBrokers(l.w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(1<<16), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.kafka.Close)
	if _, err := kadm.NewClient(l.kafka).CreateTopic(ctx, 4, -1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	if l.orders, err = gen.New(gen.Options{Seed: 1, Clients: p.rows, Symbols: 500}); err != nil {
		t.Fatal(err)
	}
	for i := range p.rows { // each client has a row
		l.send(fmt.Appendf(l.room(), "2016-03-22 20:25:28,%d,%d,EPE,%d,%d.00,B", i, i+1, 1+i%900, 1+i%199))
	}
	l.flush()
	c, stop := l.run()
	l.caughtUp(c)
	l.live(c)
	stop()
	if p.backlog > 0 {
		l.backlog()
	}
}

func brokerForReaders(t *testing.T, real bool) string {
	if !real {
		return newWorldBroker(t)
	}
	c, err := kafkatest.Start(context.Background(), kafkatest.Options{Java: []string{"-Xmx1g", "-XX:+UseG1GC"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c.Addrs()[0]
}

// room is where a line is appended.
func (l *loaded) room() []byte {
	if cap(l.buf)-len(l.buf) < 256 {
		l.buf = make([]byte, 0, 1<<20)
	}
	return l.buf[len(l.buf):]
}

// order sends an order of the generator's.
func (l *loaded) order() { l.send(l.orders.Next(l.room())) }

// send sends a line that was appended to room. It waits where there are too many on the way.
func (l *loaded) send(line []byte) {
	l.buf = l.buf[:len(l.buf)+len(line)]
	n := l.sent.Add(1)
	l.kafka.Produce(l.w.ctx, &kgo.Record{Topic: "orders", Partition: int32(n % 4), Value: slices.Clip(line)}, func(_ *kgo.Record, err error) {
		if err != nil && l.w.ctx.Err() == nil {
			l.t.Error(err)
		}
	})
}

func (l *loaded) flush() {
	if err := l.kafka.Flush(l.w.ctx); err != nil {
		l.t.Fatal(err)
	}
}

// run starts the engine on the state there is, and a server.
func (l *loaded) run() (c *Client, stop func()) {
	e, err := engine.New(engine.Options{Brokers: l.w.brokers, App: "readers", StateDir: l.dir, Plan: l.w.plan, InstanceID: "one"})
	if err != nil {
		l.t.Fatal(err)
	}
	l.engine = e
	s, err := Listen(Options{Address: "127.0.0.1:0"}, e)
	if err != nil {
		l.t.Fatal(err)
	}
	if c, err = NewClient(s.URL(), "", nil); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(l.w.ctx)
	var wg sync.WaitGroup
	for _, run := range []func() error{func() error { return e.Run(ctx) }, s.Serve} {
		wg.Go(func() {
			if err := run(); err != nil {
				l.t.Error(err)
			}
		})
	}
	return c, func() {
		_ = s.http.Close()
		_ = s.Close(context.Background())
		cancel()
		wg.Wait()
	}
}

func (l *loaded) caughtUp(c *Client) {
	l.w.until(c, QueryRequest{SQL: fmt.Sprintf("SELECT COUNT(*), SUM(total) FROM client_totals HAVING COUNT(*) = %d", l.p.rows)},
		func(a *Answer) bool { return caughtUp(a) && a.RowCount == 1 })
}

// read is how many orders the engine has read.
func (l *loaded) read() (n int64) {
	for _, s := range l.engine.Status().Streams {
		for _, p := range s.Partitions {
			n += p.Offset
		}
	}
	return n
}

// live measures answers while orders come at a rate, and what of the rate arrives.
func (l *loaded) live(c *Client) {
	ctx, cancel := context.WithCancel(l.w.ctx)
	var wg sync.WaitGroup
	wg.Go(func() { l.produce(ctx) })
	tick := time.NewTicker(l.p.length)
	defer tick.Stop()
	<-tick.C // warm, and the rate without readers
	alone := l.measure("alone", l.p.length, func(context.Context) {})
	asked := &asked{}
	both := l.measure("with readers", l.p.length, func(ctx context.Context) { l.ask(ctx, c, asked) })
	cancel()
	wg.Wait()
	l.flush()
	asked.print(l.t)
	l.t.Logf("the engine read %.0f orders/s alone and %.0f with readers: %+.1f %%", alone, both, (both/alone-1)*100)
	if !l.p.full {
		return
	}
	if m := median(asked.lookups); m >= time.Millisecond {
		l.t.Errorf("a lookup takes %s at the median", m)
	}
	if m := median(asked.tops); m >= 300*time.Millisecond {
		l.t.Errorf("the top ten take %s at the median", m)
	}
	if both < 0.9*alone {
		l.t.Errorf("readers take %.1f %% of the rate", (1-both/alone)*100)
	}
}

// produce sends orders at the rate.
func (l *loaded) produce(ctx context.Context) {
	const step = 10 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	began, first := time.Now(), l.sent.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := first + int64(time.Since(began).Seconds()*float64(l.p.rate))
		for l.sent.Load() < due && ctx.Err() == nil {
			l.order()
		}
	}
}

// measure returns how many orders a second are read meanwhile.
func (l *loaded) measure(name string, length time.Duration, meanwhile func(context.Context)) float64 {
	ctx, cancel := context.WithTimeout(l.w.ctx, length)
	defer cancel()
	if dir := os.Getenv("PENSTOCK_READERS_PROFILE"); dir != "" {
		var b bytes.Buffer
		if err := pprof.StartCPUProfile(&b); err == nil {
			defer func() {
				pprof.StopCPUProfile()
				_ = os.WriteFile(filepath.Join(dir, name+".pprof"), b.Bytes(), 0o600)
			}()
		}
	}
	began, from, cpu := time.Now(), l.read(), usedCPU()
	meanwhile(ctx)
	<-ctx.Done()
	took := time.Since(began)
	rate := float64(l.read()-from) / took.Seconds()
	l.t.Logf("%s: %.0f orders/s read, %d behind, %.2f of %d cores in this process (the producer among it)", name, rate, l.sent.Load()-l.read(),
		(usedCPU()-cpu).Seconds()/took.Seconds(), runtime.NumCPU())
	return rate
}

func usedCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// asked is how long answers took, for the one who asked and in the server.
type asked struct {
	mu                                     sync.Mutex
	lookups, lookupServer, tops, topServer []time.Duration
}

// ask asks for a hundred keys a second, and for the top ten each second, until ctx ends.
func (l *loaded) ask(ctx context.Context, c *Client, into *asked) {
	var wg sync.WaitGroup
	every := func(d time.Duration, sql func() string, rows int, client, server *[]time.Duration) {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			began := time.Now()
			a, err := c.Query(l.w.ctx, QueryRequest{SQL: sql()})
			took := time.Since(began)
			switch {
			case err != nil:
				l.t.Error(err)
				return
			case a.RowCount != rows || a.Fresh.Partial:
				l.t.Errorf("%d rows, missing %+v", a.RowCount, a.Fresh.Missing)
				return
			}
			into.mu.Lock()
			*client, *server = append(*client, took), append(*server, a.Elapsed)
			into.mu.Unlock()
		}
	}
	keys := rand.New(rand.NewPCG(3, 4))
	wg.Go(func() {
		every(10*time.Millisecond, func() string {
			return fmt.Sprintf("SELECT * FROM client_totals WHERE client_id = %d", 1+keys.IntN(l.p.rows))
		}, 1, &into.lookups, &into.lookupServer)
	})
	wg.Go(func() {
		every(time.Second, func() string { return "SELECT client_id, total FROM client_totals ORDER BY total DESC LIMIT 10" }, 10, &into.tops, &into.topServer)
	})
	wg.Wait()
}

func (a *asked) print(t *testing.T) {
	for _, x := range []struct {
		name string
		list []time.Duration
	}{{"lookup, client", a.lookups}, {"lookup, server", a.lookupServer}, {"top ten, client", a.tops}, {"top ten, server", a.topServer}} {
		if len(x.list) == 0 {
			t.Errorf("%s: no answer", x.name)
			continue
		}
		slices.Sort(x.list)
		t.Logf("%-16s %5d answers: median %9s  p90 %9s  most %9s", x.name, len(x.list), median(x.list).Round(time.Microsecond),
			x.list[len(x.list)*9/10].Round(time.Microsecond), x.list[len(x.list)-1].Round(time.Microsecond))
	}
}

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// backlog measures the rate at which the engine catches up, four times, every second time with readers.
func (l *loaded) backlog() {
	var rates [2][]float64
	for i := range 4 {
		for range l.p.backlog {
			l.order()
		}
		l.flush()
		c, stop := l.run()
		rates[i%2] = append(rates[i%2], l.catchUp(c, i%2 == 1))
		stop()
	}
	alone, both := (rates[0][0]+rates[0][1])/2, (rates[1][0]+rates[1][1])/2
	l.t.Logf("catching up: %.0f orders/s alone, %.0f with readers: %+.1f %%", alone, both, (both/alone-1)*100)
}

// catchUp is the rate over the middle of a backlog: beginning and end are about other things.
func (l *loaded) catchUp(c *Client, readers bool) float64 {
	end := l.sent.Load()
	from, to := end-int64(l.p.backlog)*9/10, end-int64(l.p.backlog)/10
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	reach := func(n int64) time.Time {
		for l.read() < n {
			select {
			case <-l.w.ctx.Done():
				l.t.Fatal("the engine does not catch up")
			case <-tick.C:
			}
		}
		return time.Now()
	}
	began := reach(from)
	ctx, cancel := context.WithCancel(l.w.ctx)
	var wg sync.WaitGroup
	var a asked
	if readers {
		wg.Go(func() { l.ask(ctx, c, &a) })
	}
	took := reach(to).Sub(began)
	cancel()
	wg.Wait()
	rate := float64(to-from) / took.Seconds()
	l.t.Logf("caught up at %.0f orders/s, readers %t (%d lookups, %d top tens, %s at the median)", rate, readers, len(a.lookups), len(a.tops), median(a.tops))
	return rate
}
