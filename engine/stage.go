package engine

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	gokastorage "github.com/lovoo/goka/storage"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// logic is what a stage does with what it reads. A new one is made for every life of the stage,
// so it begins without memory. Callbacks of Goka call into it from one goroutine per partition;
// take may run beside them; the rest never runs beside anything.
type logic interface {
	// graph is the stage as Goka sees it: inputs and callbacks.
	graph() *goka.GroupGraph
	// table builds the stores of the group table's partitions; nil when the group has none.
	table() gokastorage.Builder
	// assign prepares for the partitions of a session, before Goka recovers its table.
	assign(context.Context, *session) error
	// begin is called when Goka has recovered, before the first message.
	begin(context.Context, *session) error
	// take ends the flush that was gathered and begins the next. It returns nil when there is
	// nothing to commit.
	take() (*work, error)
	// pending is about how many bytes would be taken.
	pending() int
	// revoke is called when the session is over: input that still comes is to be ignored. The
	// last take follows.
	revoke()
	// release is called when nothing is taken any more: the session's partitions are not ours.
	release()
}

// work is what one flush commits, and what follows from its being committed.
type work struct {
	flushRecords
	bytes int
	// applied is called once the transaction is committed, and before the next take.
	applied func() error
}

// heavyFlush is more than any flush of a stage holds to whose streams nothing came.
const heavyFlush = 64 << 10

// memory is about what the flush takes until it is committed: its records, and what a batch of
// them takes on its way.
func (w *work) memory() int64 {
	const record = 208 + 3*72 // a kgo.Record, and a Write that it was made from
	return int64(len(w.records)*record + 2*w.bytes)
}

// fetch is how much the stage may ask of its source partitions together: streams share what there is.
func (s *stage) fetch() int32 {
	n := 4 * sharesOf(s.opts.Memory).fetch
	if p := s.opts.Plan; p != nil && len(p.Streams) > 0 {
		n /= int32(len(p.Streams))
	}
	return n
}

// fetchBytes is how much to ask of a partition at once whose messages are not packed: frames and
// shares, a few of the largest.
func (s *stage) fetchBytes() int32 { return 2 * sharesOf(s.opts.Memory).fetch }

// stage is one Goka processor of the engine, kept alive. A life of it ends with any error: the
// clients are closed, what was in memory is dropped, and the next life begins from what is
// committed.
type stage struct {
	group   string
	opts    Options
	cluster *cluster
	topics  *topicIDs
	log     *slog.Logger
	limit   *flushLimit
	packed  bool // runs instead of messages
	// newLogic makes the logic of a life.
	newLogic func(*life) logic
	// changed is told that the stage's state or partitions are others than before, if not nil.
	changed func()
	// same is an error when a topic is another than when the engine began; sameFetched, when one that was fetched is.
	same        func(ctx context.Context, topics ...string) error
	sameFetched func(topic string, id kadm.TopicID) error
	// onCommit is told of every transaction, if not nil.
	onCommit func(flushRecords, flushTimes)

	began    time.Time // when the engine built it
	wall     wallWatch // of the keeper of the clocks
	tasks    tasks
	inFlight atomic.Int64 // bytes of the records of the transaction on its way
	heavy    atomic.Int64 // flushes that held more than the ticks of clocks

	mu       sync.Mutex
	state    string
	lives    int
	last     error // what ended the last life
	sessions int
	flushes  int64
	records  int64
	lastTook time.Duration
}

// life is one life of a stage.
type life struct {
	*stage
	producer *producer
	logic    logic
	runs     *runs
	flusher  *flusher        // of the session; changed under mu, and only while no message comes
	ctx      context.Context // of the life; what its sessions do is bounded by it
	cancel   context.CancelFunc

	mu      sync.Mutex
	group   *group
	err     error // the first error that was ours
	session *session
	stop    chan struct{} // ends the session's flusher
	stopped chan struct{} // the session's flusher has ended
	ground  func()        // ends the flush in flight
}

// coreRetries is how often in a row the core may refuse what it is given. Once may be a flush of
// ours that went wrong in memory; what is committed does not change by being read again.
const coreRetries = 3

// refusedRetries is how often in a row Kafka may say that we may not, before the engine ends.
const refusedRetries = 5

// supervise keeps the stage alive until ctx is done or an error says that another life would end
// the same way.
func (s *stage) supervise(ctx context.Context) error {
	var b backoff
	repeated := 0
	for {
		began := time.Now()
		err := s.live(ctx)
		if ctx.Err() != nil {
			s.setState("stopped", nil)
			return nil
		}
		s.setState("restarting", err)
		if cause := finalCause(err); cause != nil {
			return cause
		}
		var ce *coreError
		if errors.As(err, &ce) {
			if repeated++; repeated >= coreRetries {
				return stateError("%w; tables and topics of the application do not fit each other, nothing was published of it: penstock reset begins anew from the streams", err)
			}
		} else if refused := Refused(err, s.opts.Brokers, s.opts.Security); refused != nil && !refused.Guess {
			// A broker that only just started may not know its users yet.
			if repeated++; repeated >= refusedRetries {
				return refused
			}
		} else if errors.Is(err, kerr.MessageTooLarge) {
			// The next life makes batches that fit, unless the topic does not say what does.
			if repeated++; repeated >= refusedRetries {
				return &StopError{Err: err}
			}
		} else {
			repeated = 0
		}
		if time.Since(began) > time.Minute {
			b.reset()
		}
		s.log.Warn("stage begins again", "err", err)
		if b.wait(ctx) != nil {
			return nil
		}
	}
}

// stir tells who wants to know that the stage has changed.
func (s *stage) stir() {
	if s.changed != nil {
		s.changed()
	}
}

func (s *stage) setState(state string, err error) {
	defer s.stir()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
	if err != nil {
		s.last = err
	}
	if state == "starting" {
		s.lives++
	}
}

// live runs the stage once. It returns when ctx is done or with the error that ended it.
func (s *stage) live(ctx context.Context) error {
	s.setState("starting", nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := openProducer(ctx, s.opts, s.group, s.topics, s.log)
	if err != nil {
		return err
	}
	defer p.close()
	l := &life{stage: s, producer: p, ctx: ctx, cancel: cancel}
	if s.packed {
		l.runs = newRuns(s.fetch())
	}
	l.flusher = newFlusher(s.opts, s.limit, func() int { return l.logic.pending() }, l.flush)
	l.logic = s.newLogic(l) // the last: others see it from then on, and may touch the flusher
	proc, err := goka.NewProcessor(s.opts.Brokers, l.logic.graph(), l.options()...)
	if err != nil {
		return fmt.Errorf("processor %s: %w", s.group, err)
	}
	err = proc.Run(ctx)
	if own := l.failure(); own != nil {
		return own
	}
	if err == nil && ctx.Err() == nil {
		err = errors.New("the processor ended by itself")
	}
	return err
}

// options are Goka's options: its own clients are replaced wherever we bring a better one.
func (l *life) options() []goka.ProcessorOption {
	settings := clientSettings{
		instance: l.opts.InstanceID, session: l.opts.SessionTimeout,
		clientID: "penstock-" + l.stage.group, security: l.opts.Security,
	}
	hooks := groupHooks{cleanup: l.cleanUp, unstable: l.takeOver, same: l.sameFetched, again: l.again,
		setup: func(s *session) error {
			return l.guarded("the assignment of partitions", func() error { return l.setUp(s) })
		},
		ready: func(s *session) error { return l.guarded("the start of a session", func() error { return l.ready(s) }) }}
	options := []goka.ProcessorOption{
		goka.WithLogger(lineLogger{l.log.With("lib", "goka")}),
		goka.WithClientID("penstock-" + l.stage.group),
		goka.WithConsumerGroupBuilder(groupBuilder(settings, l.runs, l.fetchBytes(), hooks, l.log, l.setGroup)),
		goka.WithProducerBuilder(func([]string, string, func() hash.Hash32) (goka.Producer, error) { return noProducer{}, nil }),
		goka.WithTopicManagerBuilder(func([]string) (goka.TopicManager, error) { return topicManager{l.cluster}, nil }),
		goka.WithPartitionChannelSize(1),
		goka.WithNilHandling(goka.NilDecode),
		// Recovery is only held together with transactions inside Setup; hot standby and
		// recovering ahead happen outside it.
	}
	table := l.logic.table()
	if table == nil {
		return append(options, goka.WithConsumerSaramaBuilder(func([]string, string) (sarama.Consumer, error) { return noConsumer{}, nil }),
			goka.WithStorageBuilder(func(string, int32) (gokastorage.Storage, error) {
				return nil, errors.New("this group has no table")
			}))
	}
	return append(options, goka.WithStorageBuilder(table),
		goka.WithConsumerSaramaBuilder(goka.SaramaConsumerBuilderWithConfig(saramaConfig(clientSettings{fetch: sharesOf(l.opts.Memory).replay, wait: replayWait, security: l.opts.Security}))))
}

func (l *life) setGroup(g *group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group = g
	if l.err != nil {
		g.fail(l.err)
	}
}

// currentGroup returns the consumer group of this life, nil before Goka has asked for it.
func (l *life) currentGroup() *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.group
}

// fail ends the life with an error. The first one counts, but one that is final more: what a flush finds of a
// core that has panicked comes before the panic itself. It may be called from any goroutine
// and does not wait.
func (l *life) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil || final(err) && !final(l.err) {
		l.err = err
	}
	if l.group != nil {
		l.group.fail(err)
	}
}

func (l *life) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// refuse ends the life from within a callback of Goka's, which it leaves by panicking: Goka's
// way to say that a message cannot be processed. It is the only place where we do that.
func (l *life) refuse(ctx goka.Context, err error) {
	l.fail(err)
	ctx.Fail(err)
}

func (l *life) takeOver(ctx context.Context) error {
	return l.cluster.takeOver(ctx, names{l.opts.App}, l.stage.group, "")
}

// again is the group's hook of that name.
func (l *life) again(ctx context.Context, topic string) error {
	if l.same == nil {
		return nil
	}
	return l.same(ctx, topic)
}

// setUp is the group's setup hook.
func (l *life) setUp(s *session) error {
	l.setState("recovering", nil)
	s.Instance = l.opts.InstanceID
	l.mu.Lock()
	l.session, l.stop, l.stopped = s, nil, nil
	l.mu.Unlock()
	if err := l.takeOver(s.ctx); err != nil {
		// Not needed for being exact, only for being quick.
		l.log.Warn("takeover", "err", err)
	}
	return l.logic.assign(s.ctx, s)
}

// ready is the group's ready hook: it begins to flush.
func (l *life) ready(s *session) error {
	f := newFlusher(l.opts, l.limit, l.logic.pending, l.flush)
	l.mu.Lock()
	l.flusher = f // before anything begins that touches it
	l.mu.Unlock()
	if err := l.logic.begin(s.ctx, s); err != nil {
		return err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	// Not the session's context: a flush in flight is to be finished when the session ends.
	ctx, ground := context.WithCancel(context.WithoutCancel(l.ctx))
	l.mu.Lock()
	l.stop, l.stopped, l.ground = stop, stopped, ground
	l.mu.Unlock()
	go func() {
		defer close(stopped)
		if err := f.run(ctx, stop); err != nil {
			l.fail(err)
		}
	}()
	l.setState("running", nil)
	l.joined()
	l.log.Info("partitions assigned", "generation", s.Generation, "claims", s.Claims)
	return nil
}

// lastFlush bounds the flush that Cleanup makes: others wait for it in a rebalance, and somebody who
// pressed Ctrl-C does too, who need not wait longer for the one in flight either: without a broker
// that would end only with the transaction's timeout.
const lastFlush = 4 * time.Second

// cleanUp is the group's cleanup hook: the flush in flight is finished and a last one made under
// the generation that is ending, so that nobody has to do this work again.
func (l *life) cleanUp(*session) {
	l.logic.revoke()
	l.stir()
	l.mu.Lock()
	stop, stopped, ground := l.stop, l.stopped, l.ground
	l.stop = nil
	l.mu.Unlock()
	defer l.logic.release()
	if stop == nil {
		return
	}
	close(stop)
	// The session may have ended because the broker is away, and the process be told to end now.
	ended := context.AfterFunc(l.ctx, func() { time.AfterFunc(lastFlush, ground) })
	<-stopped
	ended()
	ground()
	if l.failure() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), lastFlush)
	defer cancel()
	if err := l.flush(ctx); err != nil {
		l.fail(fmt.Errorf("last flush of the session: %w", err))
	}
}

func (s *stage) joined() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
}

func (s *stage) count(w *work, times flushTimes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushes++
	s.records += int64(len(w.records))
	s.lastTook = times.Total()
}

// flush takes what was gathered and commits it. After an error the life is over.
func (l *life) flush(ctx context.Context) error {
	defer l.tasks.end(l.tasks.begin(func() string { return "a flush" }, l.opts.Clock.Now()))
	return l.guarded("a flush", func() error { return l.flushOnce(ctx) })
}

func (l *life) flushOnce(ctx context.Context) error {
	w, err := l.logic.take()
	l.flusher.taken()
	if err != nil || w == nil {
		return err
	}
	l.mu.Lock()
	m := l.session.member
	l.mu.Unlock()
	l.inFlight.Store(w.memory())
	if w.bytes > heavyFlush {
		l.heavy.Add(1)
	}
	defer l.inFlight.Store(0)
	times, err := l.producer.commit(ctx, m, w.flushRecords)
	if err != nil {
		l.limit.failed(err)
		return err
	}
	l.limit.committed(w.bytes, times.Total())
	l.count(w, times)
	if l.onCommit != nil {
		l.onCommit(w.flushRecords, times)
	}
	// What is committed may let the core go on with what had waited for that.
	l.flusher.touched()
	if w.applied != nil {
		return w.applied()
	}
	return nil
}

// touched tells the flusher of the session that something changed that is no message: a clock.
func (l *life) touched() {
	l.mu.Lock()
	f := l.flusher
	l.mu.Unlock()
	f.touched()
}
