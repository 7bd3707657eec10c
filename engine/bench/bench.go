package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
	"penstock/query/plan"
)

// Options of a run.
type Options struct {
	Brokers       []string
	Dir           string // for the state; emptied
	Plan          *plan.Plan
	Rows          int
	Partitions    int           // source partitions, default 4
	Span          time.Duration // of the log's own time, over which the rows are spread
	Memory        int64         // of the engine; 0: its default
	FlushInterval time.Duration // of the engine; 0: its default
	Line          func(dst []byte) []byte
	Out           io.Writer
}

// Measure is one line of the table.
type Measure struct {
	Name    string
	Rows    int
	Took    time.Duration
	CPU     time.Duration // of this process
	Broker  time.Duration // CPU of the broker
	Peak    int64         // bytes of memory at most; 0 where it says nothing
	Comment string
}

// Rate is rows a second.
func (m Measure) Rate() float64 { return float64(m.Rows) / m.Took.Seconds() }

type run struct {
	Options
	topic string
	adm   *kadm.Client
}

// Run warms up, loads the topic and measures (a) to (e). It prints each line when it has it.
func Run(ctx context.Context, o Options) ([]Measure, error) {
	if o.Partitions == 0 {
		o.Partitions = 4
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(o.Brokers...))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	r := &run{Options: o, topic: o.Plan.Streams[0].Options.Topic, adm: kadm.NewClient(cl)}
	var list []Measure
	if err := r.warmUp(ctx); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	steps := []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"load", r.load},
		{"(a) read only, sarama", func(ctx context.Context) (string, error) { return r.readSarama(ctx, nil) }},
		{"(a) read only, franz-go", func(ctx context.Context) (string, error) { return r.readFranz(ctx, nil) }},
		{"(b) read, parse, maps, sarama", func(ctx context.Context) (string, error) { return r.readSarama(ctx, newMaps) }},
		{"(b) read, parse, maps, franz-go", func(ctx context.Context) (string, error) { return r.readFranz(ctx, newMaps) }},
		{"(c) engine", r.engine},
		{"(d) recovery from the changelog", r.recoverChangelog},
		{"(e) recovery from local state", r.recoverLocal},
	}
	for _, s := range steps {
		debug.FreeOSMemory()
		resetPeak()
		began, cpu, broker := time.Now(), processCPU(), childrenCPU()
		comment, err := s.do(ctx)
		if err != nil {
			return list, fmt.Errorf("%s: %w", s.name, err)
		}
		m := Measure{Name: s.name, Rows: o.Rows, Took: time.Since(began), CPU: processCPU() - cpu,
			Broker: childrenCPU() - broker, Peak: peakMemory(), Comment: comment}
		list = append(list, m)
		m.print(o.Out, list)
	}
	return list, nil
}

func (m Measure) print(w io.Writer, all []Measure) {
	fmt.Fprintf(w, "%-34s %10.0f rows/s  %7s  %5.2f + %5.2f CPU s/M  %5d MiB", m.Name, m.Rate(), m.Took.Round(time.Millisecond),
		perMillion(m.CPU, m.Rows), perMillion(m.Broker, m.Rows), m.Peak>>20)
	for _, b := range all {
		if b.Name[:3] == "(b)" && m.Name[:3] == "(c)" {
			fmt.Fprintf(w, "  %.2f of %s", m.Rate()/b.Rate(), b.Name)
		}
	}
	fmt.Fprintf(w, "  %s\n", m.Comment)
}

func perMillion(d time.Duration, rows int) float64 { return d.Seconds() / float64(rows) * 1e6 }

// warmUp runs a little of everything on topics of its own, so that no step pays for what a broker
// does the first time (a Java one compiles).
func (r *run) warmUp(ctx context.Context) error {
	small := *r
	small.Rows, small.topic, small.Out = min(r.Rows/4, 500_000), r.topic+"-warm", io.Discard
	small.Dir = filepath.Join(r.Dir, "warm")
	defer func(topic string) { r.Plan.Streams[0].Options.Topic = topic }(r.topic)
	r.Plan.Streams[0].Options.Topic = small.topic
	for _, do := range []func(context.Context) (string, error){small.load, small.engine} {
		if _, err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// load makes the topic and fills it, each partition in order of time.
func (r *run) load(ctx context.Context) (string, error) {
	if _, err := r.adm.CreateTopic(ctx, int32(r.Partitions), -1, nil, r.topic); err != nil {
		return "", err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(1<<20), kgo.MaxBufferedRecords(1<<17), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	var failed error
	var buf []byte
	bytes := 0
	start := time.Now().Add(-r.Span)
	for i := range r.Rows {
		if len(buf)+256 > cap(buf) {
			buf = make([]byte, 0, 1<<20)
		}
		n := len(buf)
		buf = r.Line(buf)
		bytes += len(buf) - n
		at := start.Add(time.Duration(float64(r.Span) * float64(i) / float64(r.Rows)))
		rec := &kgo.Record{Topic: r.topic, Partition: int32(i % r.Partitions), Value: buf[n:len(buf):len(buf)], Timestamp: at}
		cl.Produce(ctx, rec, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d MB", bytes/1_000_000), failed
}

func (r *run) options(dir string) engine.Options {
	return engine.Options{Brokers: r.Brokers, App: "bench-" + r.topic, StateDir: filepath.Join(r.Dir, dir), Plan: r.Plan,
		Memory: r.Memory, ExitWhenCaughtUp: true, FlushInterval: r.FlushInterval,
		InstanceID: "bench"} // one member all along, so that nobody waits for another to time out
}

// engine runs the plan until everything is in the results.
func (r *run) engine(ctx context.Context) (string, error) {
	e, err := engine.New(r.options("state"))
	if err != nil {
		return "", err
	}
	if err := e.Run(ctx); err != nil {
		return "", err
	}
	flushes := ""
	for _, s := range e.Status().Stages {
		flushes += fmt.Sprintf(", %d flushes", s.Flushes)
	}
	return fmt.Sprintf("state %d MB, changelog %d MB%s", dirBytes(filepath.Join(r.Dir, "state"))>>20, r.changelogBytes(ctx)>>20, flushes), nil
}

// recoverChangelog runs it again in an empty directory: there is nothing to read but the changelog.
func (r *run) recoverChangelog(ctx context.Context) (string, error) {
	n, err := r.changelogRecords(ctx)
	if err != nil {
		return "", err
	}
	began := time.Now()
	err = r.runEngine(ctx, "recovered")
	return fmt.Sprintf("%d changelog records, %.0f/s", n, float64(n)/time.Since(began).Seconds()), err
}

func (r *run) recoverLocal(ctx context.Context) (string, error) {
	return "", r.runEngine(ctx, "recovered")
}

func (r *run) runEngine(ctx context.Context, dir string) error {
	e, err := engine.New(r.options(dir))
	if err != nil {
		return err
	}
	return e.Run(ctx)
}

func (r *run) changelog() string { return "bench-" + r.topic + "-fold-table" }

func (r *run) changelogRecords(ctx context.Context) (n int64, err error) {
	ends, err := r.adm.ListEndOffsets(ctx, r.changelog())
	if err != nil {
		return 0, err
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n, nil
}

func (r *run) changelogBytes(ctx context.Context) (n int64) {
	dirs, err := r.adm.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return 0
	}
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if p.Topic == r.changelog() {
				n += p.Size
			}
		})
	})
	return n
}

func dirBytes(dir string) (n int64) {
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return n
}
