package script

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
	"penstock/storage"
)

// KafkaOptions say on which Kafka tests run.
type KafkaOptions struct {
	Brokers []string
	// Security says how to connect to them; nil: plaintext.
	Security *engine.Security
	// Dir is where state directories are made, each removed after its test. Default: the system's
	// folder for such things.
	Dir string
}

// kafkaTarget is the engine on Kafka. Every test has topics of its own, which are deleted at its
// end. Nothing but the test moves clocks: the wall clock stands, and no partition counts as idle.
//
// A crash cannot be had inside this process, so all faults are restarts of the engine, and the
// loss of the store is one with an empty directory.
type kafkaTarget struct {
	plan       *plan.Plan
	app        string
	brokers    []string
	security   *engine.Security
	client     *kgo.Client
	admin      *kadm.Client
	dir        string
	folds      int
	wall       standing
	partitions map[string]int
	tally      map[string]core.Tally
	clocks     map[string]core.Position

	engine *engine.Engine // nil: not running
	stop   context.CancelCauseFunc
	done   chan error
	failed error // what Run returned, when it was not asked to
}

// standing is a clock that stands.
type standing struct{ at time.Time }

func (s standing) Now() time.Time                         { return s.at }
func (s standing) After(d time.Duration) <-chan time.Time { return time.After(d) }

func newKafkaTarget(ctx context.Context, p *plan.Plan, s *settings, o *Options) (target, error) {
	id := make([]byte, 6)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	t := &kafkaTarget{plan: p, app: "penstock-test-" + hex.EncodeToString(id), brokers: o.Kafka.Brokers, security: o.Kafka.Security, folds: max(2, o.Folds),
		partitions: map[string]int{}, tally: map[string]core.Tally{}, clocks: map[string]core.Position{}}
	t.wall = standing{time.UnixMicro(farFuture)}
	if s.hasNow {
		t.wall = standing{time.UnixMicro(s.now)}
	}
	t.rename("", t.app+".")
	for _, st := range p.Streams {
		t.partitions[st.Name] = partitionsOf(s, st.Name, o.Circumstances)
	}
	var err error
	if t.dir, err = os.MkdirTemp(o.Kafka.Dir, "penstock-test-"); err != nil {
		return nil, err
	}
	t.client, err = kgo.NewClient(append(t.security.ClientOptions(), kgo.SeedBrokers(t.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(t.dir))
	}
	t.admin = kadm.NewClient(t.client)
	if err := t.topics(ctx); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// rename gives the plan topics of its own. The plan is this test's alone.
func (t *kafkaTarget) rename(cut, lead string) {
	for _, s := range t.plan.Streams {
		s.Options.Topic = lead + strings.TrimPrefix(s.Options.Topic, cut)
	}
	for _, m := range t.plan.Metrics {
		m.Topic = lead + strings.TrimPrefix(m.Topic, cut)
	}
}

// topics makes the source topics. Their rows are as old as a test says: nothing may remove them.
func (t *kafkaTarget) topics(ctx context.Context) error {
	keep := "-1"
	for _, s := range t.plan.Streams {
		made, err := t.admin.CreateTopic(ctx, int32(t.partitions[s.Name]), 1, map[string]*string{"retention.ms": &keep}, s.Options.Topic)
		if err := errors.Join(err, made.Err); err != nil {
			return fmt.Errorf("make topic %s: %w", s.Options.Topic, err)
		}
	}
	return nil
}

func (t *kafkaTarget) Insert(ctx context.Context, stream string, partition int, r format.Record) error {
	rec := &kgo.Record{Topic: streamOf(t.plan, stream).Options.Topic, Partition: int32(partition), Key: r.Key, Value: r.Value}
	if r.Time >= 0 {
		rec.Timestamp = time.UnixMilli(r.Time)
	}
	return t.client.ProduceSync(ctx, rec).FirstErr()
}

// run starts the engine, unless it runs.
func (t *kafkaTarget) run() error {
	if t.failed != nil {
		return t.failed
	}
	if t.engine != nil {
		return nil
	}
	e, err := engine.New(engine.Options{Brokers: t.brokers, Security: t.security, App: t.app, StateDir: t.state(), Plan: t.plan, FoldPartitions: t.folds,
		ReplicationFactor: 1, FlushInterval: 5 * time.Millisecond, Clock: t.wall, HoldClocks: true, Memory: 64 << 20})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(context.Background())
	t.engine, t.stop, t.done = e, stop, make(chan error, 1)
	go func() {
		err := e.Run(ctx)
		t.done <- err
		stop(fmt.Errorf("the engine has stopped: %w", err))
	}()
	return nil
}

func (t *kafkaTarget) state() string { return filepath.Join(t.dir, "state") }

// with runs the engine and does something with it. When the engine ends meanwhile, the error is why.
func (t *kafkaTarget) with(ctx context.Context, do func(ctx context.Context, e *engine.Engine) error) error {
	if err := t.run(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	gone := make(chan error, 1)
	go func() { gone <- do(ctx, t.engine) }()
	select {
	case err := <-gone:
		if err == nil {
			return nil
		}
		// An engine that stops takes its connections with it; what it says is the better reason.
		select {
		case stopped := <-t.done:
			return t.died(stopped)
		case <-time.After(lastWords):
			return err
		}
	case stopped := <-t.done:
		cancel()
		<-gone
		return t.died(stopped)
	}
}

// lastWords is how long an engine may take to say why it stops.
const lastWords = 5 * time.Second

// died notes why the engine stopped, in the words that a user sees.
func (t *kafkaTarget) died(err error) error {
	t.engine = nil
	if err == nil {
		err = errors.New("the engine has stopped")
	}
	t.failed = errors.New(strings.ReplaceAll(err.Error(), t.app+".", ""))
	return t.failed
}

// halt stops the engine cleanly, and notes what it said last.
func (t *kafkaTarget) halt() error {
	if t.engine == nil {
		return nil
	}
	t.stop(context.Canceled)
	err := <-t.done
	t.note()
	t.engine = nil
	return err
}

func (t *kafkaTarget) note() {
	for _, s := range t.engine.Status().Streams {
		if len(s.Partitions) == 0 {
			continue
		}
		t.tally[s.Stream] = s.Tally()
		high := core.Position{}
		for _, p := range s.Partitions {
			if p.Started && (!high.Started || p.Clock > high.Clock) {
				high = p.Position
			}
		}
		t.clocks[s.Stream] = high
	}
}

func (t *kafkaTarget) Settle(ctx context.Context) error {
	return t.with(ctx, func(ctx context.Context, e *engine.Engine) error { return e.Settle(ctx) })
}

func (t *kafkaTarget) Advance(ctx context.Context, stream string, partition int, to int64) error {
	return t.with(ctx, func(ctx context.Context, e *engine.Engine) error {
		return e.MoveClock(ctx, stream, int32(partition), to)
	})
}

func (t *kafkaTarget) End(ctx context.Context) error {
	return t.with(ctx, func(ctx context.Context, e *engine.Engine) error { return e.EndInput(ctx) })
}

func (t *kafkaTarget) Fault(_ context.Context, c *command) error {
	if err := t.halt(); err != nil {
		return err
	}
	if c.kind == loseStore {
		return os.RemoveAll(t.state())
	}
	return nil
}

// State reads what is committed. For the tables the engine stops, so that its store can be read; the
// next step starts it again.
func (t *kafkaTarget) State(ctx context.Context) (*state, error) {
	if t.engine != nil {
		t.note()
	}
	s := &state{tally: t.tally}
	s.clock = func(stream string) (int64, bool) { return t.clocks[stream].Clock, t.clocks[stream].Started }
	var err error
	if s.results, err = t.results(ctx); err != nil {
		return nil, err
	}
	if s.rejects, err = t.rejects(ctx); err != nil {
		return nil, err
	}
	if s.decisions, err = t.decisions(ctx); err != nil {
		return nil, err
	}
	s.table = t.table
	return s, nil
}

// table reads a table from the store of an engine that does not run.
func (t *kafkaTarget) table(tab *plan.Table) (rows []keyed, err error) {
	if err := t.halt(); err != nil {
		return nil, err
	}
	store, err := storage.Open(t.state(), storage.Options{App: t.app})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var readers []*core.Reader
	for n := range t.folds {
		r, err := core.NewReader(t.plan, int32(n), t.folds, store.Partition("fold", int32(n)))
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
	}
	return tableRows(tab, readers)
}

// Close stops the engine and deletes everything the test made.
func (t *kafkaTarget) Close() error {
	err := t.halt()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if topics, listed := t.admin.ListTopics(ctx); listed == nil {
		var own []string
		for _, name := range topics.Names() {
			if strings.HasPrefix(name, t.app) {
				own = append(own, name)
			}
		}
		_, _ = t.admin.DeleteTopics(ctx, own...)
	}
	t.client.Close()
	return errors.Join(err, os.RemoveAll(t.dir))
}

// milliTime is a record's timestamp as rows have it.
func milliTime(r *kgo.Record) int64 { return r.Timestamp.UnixMicro() / row.Millisecond }
