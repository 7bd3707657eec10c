package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/cmd/penstock/gen"
	"penstock/cmd/penstock/live"
	"penstock/examples"
)

type demoOptions struct {
	pace       rate
	length     time.Duration
	partitions int
	orders     gen.Options
	run        runOptions
}

// demoPast is how much time of orders a demo begins with, so that every metric has a result, and
// its sparkline a beginning, as soon as the engine runs.
const demoPast = 90 * time.Second

func newDemo(a *app) *cobra.Command {
	o := demoOptions{pace: rate{perSecond: 1000}}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the four metrics of the orders example live: broker, orders and engine in one process",
		Long: `Show the four metrics of the orders example live. A broker, a generator of orders and the engine
run in this process; what they write goes to a temporary directory that is removed at the end.

On a terminal the metrics are redrawn in place; q or Ctrl-C leaves. Otherwise every result is a
line on stdout.`,
		Example: `  penstock demo
  penstock demo --for 30s --rate 20000/s | head -n 20`,
		Args: arguments(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("log-level") {
				if err := a.setLogLevel("warn"); err != nil {
					return err
				}
			}
			return a.demo(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	f.Var(&o.pace, "rate", "orders per second")
	f.DurationVar(&o.length, "for", 0, "end after this time (default when asked to)")
	f.IntVar(&o.partitions, "partitions", 4, "partitions of the topic of orders")
	f.Uint64Var(&o.orders.Seed, "seed", uint64(time.Now().UnixNano()), "for the same orders again (default by the clock)")
	f.Lookup("seed").DefValue = "0"
	f.IntVar(&o.orders.Clients, "clients", 100, "how many different clients")
	f.IntVar(&o.orders.Symbols, "symbols", 200, "how many different symbols")
	f.Float64Var(&o.orders.Bad, "bad", 0.001, "share of lines that are no orders")
	f.StringVar(&o.run.brokerListen, "broker-listen", "127.0.0.1:0", "where the broker listens, host:port; port 0 takes a free one")
	return cmd
}

func (a *app) demo(ctx context.Context, o *demoOptions) (err error) {
	p, err := a.bind("orders.sql", examples.Orders)
	if err != nil {
		return err
	}
	generator, err := gen.New(o.orders)
	if err != nil {
		return usage("%v", err)
	}
	dir, err := os.MkdirTemp("", "penstock-demo-")
	if err != nil {
		return fmt.Errorf("temporary directory: %w", plainPathError(err))
	}
	defer os.RemoveAll(dir)
	o.run.app, o.run.stateDir, o.run.file = "demo", filepath.Join(dir, "state"), "orders.sql"
	if err := o.run.complete(a, p); err != nil {
		return err
	}
	d := &demo{o: o, runner: runner{a: a, o: &o.run}}
	if err := d.open(ctx); err != nil {
		return err
	}
	defer d.close()
	d.feeder = &feeder{generator: generator, perSecond: o.pace.perSecond}
	return d.play(ctx)
}

// demo is a runner with orders going in and a view of what comes out.
type demo struct {
	runner
	o      *demoOptions
	feeder *feeder
}

// play runs everything until ctx, the time or somebody at the keyboard says that it is over.
func (d *demo) play(ctx context.Context) error {
	client, err := d.topic(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	d.feeder.client = client
	if err := d.feeder.past(ctx, time.Now(), demoPast); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	if d.o.length > 0 {
		ctx, cancel = context.WithTimeout(ctx, d.o.length)
	}
	defer cancel()

	var names, topics []string
	for _, m := range d.runner.o.engine.Plan.Metrics {
		names, topics = append(names, m.Name), append(topics, m.Topic)
	}
	results := make(chan []byte, 256)
	var others sync.WaitGroup
	others.Go(func() { d.feeder.run(ctx) })
	others.Go(func() {
		if err := readResults(ctx, d.runner.o.engine.Brokers, topics, results); err != nil {
			d.a.log.Error("results are not shown", "err", err)
			cancel()
		}
	})
	ended := d.start(ctx)
	failed := make(chan error, 1)
	others.Go(func() { failed <- <-ended; cancel() })

	view := live.NewView("penstock demo", names...)
	err = d.show(ctx, feed{results: results, view: view, status: d.status})
	stopAt := time.Now()
	cancel()
	others.Wait()
	if engineErr := engineError(<-failed); engineErr != nil {
		return engineErr
	}
	d.farewell(stopAt)
	return err
}

// show is watch, with the lines for stderr held back while the view has the terminal.
func (d *demo) show(ctx context.Context, f feed) error {
	if !d.a.outTTY {
		return d.a.watch(ctx, f)
	}
	held := &lastLines{}
	d.a.line.hold(held)
	defer func() {
		d.a.line.hold(nil)
		d.a.line.Write(held.bytes())
	}()
	return d.a.watch(ctx, f)
}

// topic makes the topic of the orders and returns a client that sends to it.
func (d *demo) topic(ctx context.Context) (*kgo.Client, error) {
	name := d.runner.o.engine.Plan.Streams[0].Options.Topic
	o := produceOptions{topic: name, partition: -1, partitions: d.o.partitions}
	o.brokers, o.timeout = d.runner.o.engine.Brokers, 5*time.Second
	client, err := o.connect(ctx, d.a, producerOptions(o)...)
	if err != nil {
		return nil, err
	}
	if _, err := ensureTopic(ctx, kadm.NewClient(client), name, d.o.partitions); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

func (d *demo) status() live.Status {
	s := d.engine.Status()
	d.meter.add(time.Now(), s)
	t := totals(s)
	status := live.Status{
		PerSecond: d.meter.perSecond, Read: t.Read, Bad: t.Bad, Lag: totalLag(s),
		Notice: "q to leave   " + d.where() + "   Kafka at " + d.broker.Addr(),
	}
	if state := stateText(s); state != "running" {
		status.State = state
	}
	return status
}

// where says how to ask the demo.
func (d *demo) where() string {
	if url := d.service.where(); url != defaultURL {
		return "penstock sql " + strings.Fields(url)[0]
	}
	return "penstock sql"
}

// lastLines keeps the end of what is written to it.
type lastLines struct {
	mu  sync.Mutex
	buf []byte
}

// keptBytes is how much lastLines keeps.
const keptBytes = 16 << 10

// Write adds whole lines.
func (l *lastLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	for len(l.buf) > keptBytes {
		l.buf = l.buf[bytes.IndexByte(l.buf, '\n')+1:]
	}
	return len(p), nil
}

func (l *lastLines) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf
}
