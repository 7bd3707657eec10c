package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Profile is the shape of the orders.
type Profile struct {
	Name             string
	Clients, Symbols int
	Rows             int  // unless the options say otherwise
	Fat              bool // no orders, but a row of fatBytes for each: only load, (c), (e) and (d) are measured
}

// Profiles are the shapes that are measured. Clients follow Zipf's law, so that of the ten million
// of the wide profile about a third has come after ten million orders; uniform ones all do.
var Profiles = []Profile{
	{Name: "small", Clients: 100, Symbols: 200, Rows: 10_000_000},
	{Name: "large", Clients: 100_000, Symbols: 5_000, Rows: 10_000_000},
	{Name: "wide", Clients: 10_000_000, Symbols: 5_000, Rows: 10_000_000},
	{Name: "fat", Rows: 8_000_000, Fat: true},
}

// Lines makes the lines of a profile, the same ones each time.
type Lines func(Profile) (next func(dst []byte) []byte, err error)

// Options of a run.
type Options struct {
	Profile    Profile
	Query      string        // text of the query file, whose stream reads topic 'orders' and which has a result every five seconds
	Binary     string        // penstock
	Brokers    []string      // of a cluster without topics orders, warm and live
	Dir        string        // for states and logs; has to be empty
	Rows       int           // 0: the profile's
	Partitions int           // of the source topics, default 4
	Span       time.Duration // of the log's own time, over which the rows are spread; default 10 minutes
	Flags      []string      // further flags of `penstock run`, such as --memory 512MiB
	Live       []int         // orders per second at which (f) is measured; none: (f) is left out
	LiveFor    time.Duration // how long (f) is measured at each rate, default a minute
	Out        io.Writer     // the table, line by line; default none
}

func (o Options) withDefaults() Options {
	if o.Rows == 0 {
		o.Rows = o.Profile.Rows
	}
	if o.Partitions == 0 {
		o.Partitions = 4
	}
	if o.Span == 0 {
		o.Span = 10 * time.Minute
	}
	if o.LiveFor == 0 {
		o.LiveFor = time.Minute
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	return o
}

// Measure is one line of the table.
type Measure struct {
	Name   string
	Rows   int           // what the rate and the CPU time are of; 0: neither is told
	Took   time.Duration // wall clock
	CPU    time.Duration // of the step's process
	Broker time.Duration // CPU of the broker meanwhile
	Peak   int64         // most resident memory of the step's process; 0 where /proc does not say
	Note   string
}

// Rate is rows a second.
func (m Measure) Rate() float64 { return float64(m.Rows) / m.Took.Seconds() }

type run struct {
	Options
	topic string
	adm   *kadm.Client
	list  []Measure
	want  *Expected // from (b)
}

// Run measures one profile. Every line is printed as soon as it is there. A result that differs from
// what (b) found is an error, as is a step that fails.
func Run(ctx context.Context, o Options) ([]Measure, error) {
	o = o.withDefaults()
	cl, err := kgo.NewClient(kgo.SeedBrokers(o.Brokers...))
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	r := &run{Options: o, topic: sourceTopic, adm: kadm.NewClient(cl)}
	steps := r.steps()
	if err := r.warmUp(ctx); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	for _, s := range steps {
		broker := childrenCPU()
		m, err := s.do(ctx)
		if err != nil {
			return r.list, fmt.Errorf("%s: %w", s.name, err)
		}
		m.Name, m.Broker = s.name, childrenCPU()-broker
		r.list = append(r.list, m)
		m.print(o.Out, r.list)
	}
	return r.list, nil
}

// sourceTopic is the topic of the orders example.
const sourceTopic = "orders"

type step struct {
	name string
	do   func(context.Context) (Measure, error)
}

func (r *run) steps() []step {
	if r.Profile.Fat {
		r.Query = fatQuery
		return []step{
			{"load", r.inChild(stepLoad)}, {"(c) engine", r.engine},
			{"(e) recovery from local state", r.recoverLocal}, {"(d) recovery from the changelog", r.recoverChangelog},
		}
	}
	steps := []step{
		{"load", r.inChild(stepLoad)},
		{"(a) read only, sarama", r.inChild(stepReadSarama)},
		{"(a) read only, franz-go", r.inChild(stepReadFranz)},
		{"(b) read, parse, maps, sarama", r.inChild(stepMapsSarama)},
		{"(b) read, parse, maps, franz-go", r.inChild(stepMapsFranz)},
		{"(c) engine", r.engine},
		{"(e) recovery from local state", r.recoverLocal},
		{"(d) recovery from the changelog", r.recoverChangelog},
	}
	for _, rate := range r.Live {
		steps = append(steps, step{fmt.Sprintf("(f) live, %s orders/s", thousands(rate)),
			func(ctx context.Context) (Measure, error) { return r.live(ctx, rate) }})
	}
	return steps
}

// inChild makes a step of one that runs in a process of its own.
func (r *run) inChild(name string) func(context.Context) (Measure, error) {
	return func(ctx context.Context) (Measure, error) {
		got, err := r.child(ctx, task{Step: name, Topic: r.topic, Rows: r.Rows})
		if err != nil {
			return Measure{}, err
		}
		if got.Expected != nil {
			r.want = got.Expected
		}
		return Measure{Rows: r.Rows, Took: got.Took, CPU: got.CPU, Peak: got.Peak, Note: got.Note}, nil
	}
}

// warmUp runs a little of everything on topics of its own, so that no step pays for what a broker
// does the first time (a Java one compiles).
func (r *run) warmUp(ctx context.Context) error {
	rows := min(r.Rows/4, 500_000)
	for _, s := range []string{stepLoad, stepReadSarama, stepReadFranz} {
		if _, err := r.child(ctx, task{Step: s, Topic: "warm", Rows: rows}); err != nil {
			return err
		}
	}
	p, err := r.start(ctx, "warm", r.queryOf("warm"), "warm", "--exit-when-caught-up")
	if err != nil {
		return err
	}
	return p.wait()
}

// queryOf is the query file over another source topic.
func (r *run) queryOf(topic string) string {
	return strings.Replace(r.Query, "topic = '"+sourceTopic+"'", "topic = '"+topic+"'", 1)
}

// engine runs the query file until everything is in the results, and compares them.
func (r *run) engine(ctx context.Context) (Measure, error) {
	before, err := r.ends(ctx, metricsTopic)
	if err != nil {
		return Measure{}, err
	}
	p, err := r.start(ctx, "bench", r.Query, "state", "--exit-when-caught-up")
	if err != nil {
		return Measure{}, err
	}
	if err := p.wait(); err != nil {
		return Measure{}, err
	}
	m := p.measure(r.Rows)
	bytes, err := r.changelogBytes(ctx)
	if err != nil {
		return m, err
	}
	m.Note = fmt.Sprintf("state %d MB, changelog %d MB", dirBytes(filepath.Join(r.Dir, "state"))/1e6, bytes/1e6)
	if r.want == nil {
		return m, nil
	}
	n, err := r.verify(ctx, before)
	m.Note = fmt.Sprintf("%d results equal (b), ", n) + m.Note
	return m, err
}

// recoverChangelog starts with an empty directory, to ready: all tables are read from the changelog,
// and what can be computed from them is made again. Its rows are the changelog's records.
//
// An empty directory is a new member of the groups. The old one is alone in them and does not leave,
// so that it is back at once when it starts again; to wait for its session to end is no recovery.
func (r *run) recoverChangelog(ctx context.Context) (Measure, error) {
	got, err := r.child(ctx, task{Step: stepReadFranz, Topic: changelogTopic})
	if err != nil {
		return Measure{}, err
	}
	if err := r.awaitEmptyGroups(ctx); err != nil {
		return Measure{}, err
	}
	return r.untilReady(ctx, "recovered", got.Rows, "rows of the changelog, ")
}

func (r *run) recoverLocal(ctx context.Context) (Measure, error) {
	return r.untilReady(ctx, "state", 0, "")
}

// untilReady measures from exec to the line that says that everything runs.
func (r *run) untilReady(ctx context.Context, state string, rows int, what string) (Measure, error) {
	p, err := r.start(ctx, "bench", r.Query, state)
	if err != nil {
		return Measure{}, err
	}
	took, err := p.awaitReady(ctx)
	if err != nil {
		return Measure{}, err
	}
	m := Measure{Rows: rows, Took: took, CPU: p.cpu(), Peak: p.peak()}
	if err := p.end(); err != nil {
		return m, err
	}
	if rows > 0 {
		what = thousands(rows) + " " + what
	}
	m.Note = fmt.Sprintf("%sready with a state of %d MB", what, dirBytes(filepath.Join(r.Dir, state))/1e6)
	return m, nil
}

// What the engine owns in Kafka for the application named bench.
const (
	changelogTopic = "bench-fold-table"
	metricsTopic   = "metrics"
	foldGroup      = "bench-fold"
	routeGroup     = "bench-route-orders"
)

// awaitEmptyGroups waits until the sessions of the engine that was stopped are over.
func (r *run) awaitEmptyGroups(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		groups, err := r.adm.DescribeGroups(ctx, foldGroup, routeGroup)
		if err != nil {
			return fmt.Errorf("describe groups: %w", err)
		}
		if len(groups[foldGroup].Members)+len(groups[routeGroup].Members) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *run) changelogBytes(ctx context.Context) (n int64, err error) {
	dirs, err := r.adm.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("sizes of topics: %w", err)
	}
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if p.Topic == changelogTopic {
				n += p.Size
			}
		})
	})
	return n, nil
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
