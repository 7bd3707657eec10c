package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kadm"
)

// group is the sarama.ConsumerGroup that Goka is given. It stands between the two for four
// reasons, each of which was a measured fault of the plain pair:
//
//   - Goka marks an offset as soon as its callback is done, and a mark on message N+1 commits N,
//     whatever became of N. Here marks are swallowed; only our transactions commit.
//   - A flush has to be committed under the generation it was read in, so Setup and Cleanup are
//     seen here before Goka sees them: positions are read before its table opens, the last flush
//     is made before its table closes.
//   - Goka sleeps five seconds after every session. Here Consume is entered again at once, and
//     Goka's own loop never turns.
//   - A message through Goka costs about 1 µs. A route group hands over runs of records instead
//     (runs.go), and reads them with franz-go (fetcher.go).
//
// Errors that go away by themselves are ridden out here with backoff. What is left ends Consume,
// and with it the processor, which is then built anew.
type group struct {
	inner    sarama.ConsumerGroup
	name     string
	brokers  []string
	security *Security
	runs     *runs // nil: messages pass as they are
	fetch    int32 // bytes to ask of a partition at once
	hooks    groupHooks
	log      *slog.Logger
	backoff  backoff
	errs     chan error // never sent on: errors end Consume, so Goka need not watch them
	closed   sync.Once
	drained  chan struct{}

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the running Consume
	failed error                   // what fail was called with
	feed   *fetcher                // of the running session
	away   time.Time               // when Kafka was last found to be away
}

// lastAway is when Kafka was last found to be away, as far as this group has seen.
func (g *group) lastAway() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.away
}

// groupHooks are what a stage does around a session. None of them is called concurrently with
// another of the same group.
type groupHooks struct {
	// setup runs when partitions were assigned, before Goka recovers its table.
	setup func(*session) error
	// ready runs when Goka has recovered, before the first message.
	ready func(*session) error
	// cleanup runs when no more messages come, while the generation is still ours to commit in
	// and before Goka closes its table. It is called for every session whose setup was called.
	cleanup func(*session)
	// unstable runs when the offsets of the assigned partitions cannot be read because a
	// transaction that commits them is open.
	unstable func(context.Context) error
	// same tells of every answer to a fetch which topic it is of: an error if it is another than the
	// stage knows by this name. Unlike the others it is called at any time.
	same func(topic string, id kadm.TopicID) error
	// again is an error when a topic that Kafka does not know by its id any more was made again. It runs
	// beside the others.
	again func(context.Context, string) error
}

// member is who reads in a group: what fences a transaction.
type member struct {
	Group      string
	ID         string
	Instance   string
	Generation int32
}

// session is one assignment of partitions to this process, from one rebalance to the next.
type session struct {
	member
	Claims map[string][]int32 // topic -> partitions
	ctx    context.Context    // of sarama's session; over when the partitions have to be let go
	inner  sarama.ConsumerGroupSession
}

// start sets where reading of a partition begins, in place of the offset that sarama fetched for
// itself (which may be missing, or older than the one committed by a transaction that ended
// meanwhile). Only setup may call it.
func (s *session) start(topic string, partition int32, offset int64) {
	// sarama only raises a mark and only lowers a reset; one of the two takes effect.
	s.inner.ResetOffset(topic, partition, offset, "")
	s.inner.MarkOffset(topic, partition, offset, "")
}

// newGroup wraps a consumer group of sarama's.
func newGroup(inner sarama.ConsumerGroup, name string, r *runs, hooks groupHooks, log *slog.Logger) *group {
	g := &group{
		inner: inner, name: name, runs: r, hooks: hooks, log: log.With("group", name),
		errs: make(chan error), drained: make(chan struct{}),
	}
	go g.drain()
	return g
}

// groupBuilder returns Goka's builder of consumer groups. got is told the group that was built.
func groupBuilder(s clientSettings, r *runs, fetch int32, hooks groupHooks, log *slog.Logger, got func(*group)) goka.ConsumerGroupBuilder {
	return func(brokers []string, name, _ string) (sarama.ConsumerGroup, error) {
		inner, err := sarama.NewConsumerGroup(brokers, name, saramaConfig(s))
		if err != nil {
			return nil, fmt.Errorf("consumer group %s: %w", name, err)
		}
		g := newGroup(inner, name, r, hooks, log)
		g.brokers, g.security, g.fetch = brokers, s.security, fetch
		got(g)
		return g, nil
	}
}

// drain takes sarama's errors. Nearly all of them tell of something it then retries; an offset
// that Kafka no longer has is the one that no retry mends, and without this the session would
// end and begin again for ever.
func (g *group) drain() {
	defer close(g.drained)
	for err := range g.inner.Errors() {
		var ce *sarama.ConsumerError
		if errors.As(err, &ce) && errors.Is(ce.Err, sarama.ErrOffsetOutOfRange) {
			g.fail(&LostOffsetError{Topic: ce.Topic, Partition: ce.Partition})
			continue
		}
		g.log.Debug("consumer", "err", err)
	}
}

// fail ends the running Consume, and so the processor, with an error.
func (g *group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = err
	}
	if g.cancel != nil {
		g.cancel(err)
	}
}

func (g *group) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

// shortSession is how soon a session may end before the next one waits. A rebalance storm is
// slower than this; a session that cannot run at all is faster.
const shortSession = 500 * time.Millisecond

// Consume implements sarama.ConsumerGroup. It returns when ctx is done (nil), when fail was
// called, when a hook or Goka's handler failed, or on an error that waiting does not mend.
func (g *group) Consume(ctx context.Context, topics []string, handler sarama.ConsumerGroupHandler) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g.mu.Lock()
	g.cancel = cancel
	g.mu.Unlock()
	for {
		if err := g.failure(); err != nil {
			return err
		}
		h := &groupHandler{group: g, inner: handler}
		began := time.Now()
		err := g.inner.Consume(ctx, topics, h)
		switch {
		case g.failure() != nil:
			return g.failure()
		case h.err != nil:
			return h.err
		case ctx.Err() != nil:
			return nil
		case err == nil && time.Since(began) > shortSession:
			g.log.Info("rebalance", "generation", h.generation)
			g.backoff.reset()
			continue
		case h.cut:
			err = nil
		case errors.Is(err, sarama.ErrUnstableOffsetCommit):
			if g.hooks.unstable != nil {
				if err := g.hooks.unstable(ctx); err != nil && ctx.Err() == nil {
					g.log.Warn("takeover", "err", err)
				}
			}
		case err != nil && !transient(err):
			return fmt.Errorf("consumer group %s: %w", g.name, err)
		}
		if err != nil {
			g.log.Warn("kafka is away, waiting", "err", err)
			g.mu.Lock()
			g.away = time.Now()
			g.mu.Unlock()
		}
		if g.backoff.wait(ctx) != nil {
			return g.failure()
		}
	}
}

// Errors implements sarama.ConsumerGroup for Goka, which logs what it receives and ends the
// processor on errors of its own. Both happen here already.
func (g *group) Errors() <-chan error { return g.errs }

// Close implements sarama.ConsumerGroup.
func (g *group) Close() error {
	var err error
	g.closed.Do(func() {
		err = g.inner.Close()
		<-g.drained
		close(g.errs)
	})
	return err
}

// Pause implements sarama.ConsumerGroup: no more fetches of these partitions. What was fetched
// already still comes.
func (g *group) Pause(partitions map[string][]int32) {
	if f := g.reader(); f != nil {
		f.pause(partitions)
	}
}

// Resume implements sarama.ConsumerGroup.
func (g *group) Resume(partitions map[string][]int32) {
	if f := g.reader(); f != nil {
		f.resume(partitions)
	}
}

func (g *group) reader() *fetcher {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.feed
}

// read sets the feed of the running session, nil when it is over.
func (g *group) read(f *fetcher) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.feed = f
}

// PauseAll implements sarama.ConsumerGroup.
func (g *group) PauseAll() { g.inner.PauseAll() }

// ResumeAll implements sarama.ConsumerGroup.
func (g *group) ResumeAll() { g.inner.ResumeAll() }

// groupHandler is the handler of one session.
type groupHandler struct {
	group      *group
	inner      sarama.ConsumerGroupHandler
	session    *session
	feed       *fetcher // nil when nothing was assigned
	begun      bool     // our setup was entered, so our cleanup has something to clean
	gokaUp     bool     // Goka's Setup was entered
	cut        bool     // the session ended while it was being set up
	generation int32
	err        error // of a hook or of Goka: not transient
}

// Setup implements sarama.ConsumerGroupHandler.
func (h *groupHandler) Setup(inner sarama.ConsumerGroupSession) error {
	h.generation = inner.GenerationID()
	h.session = &session{
		member: member{Group: h.group.name, ID: inner.MemberID(), Generation: inner.GenerationID()},
		Claims: inner.Claims(),
		ctx:    inner.Context(),
		inner:  inner,
	}
	if h.group.runs != nil {
		h.group.runs.reset(h.session.partitions())
	}
	if err := h.openFetcher(); err != nil {
		return h.keep(err)
	}
	// Without a look at what is committed, Goka must not begin either.
	if h.session.ctx.Err() != nil {
		return h.end()
	}
	h.begun = true
	if err := h.hook("setup", h.group.hooks.setup); err != nil {
		return err
	}
	h.gokaUp = true
	if err := h.inner.Setup(silentSession{inner}); err != nil {
		return h.keep(fmt.Errorf("set up %s: %w", h.group.name, err))
	}
	return h.hook("start", h.group.hooks.ready)
}

// partitions is how many were assigned.
func (s *session) partitions() (n int) {
	for _, list := range s.Claims {
		n += len(list)
	}
	return n
}

// openFetcher prepares to read what was assigned.
func (h *groupHandler) openFetcher() error {
	if h.session.partitions() == 0 {
		return nil
	}
	f, err := newFetcher(h.session, h.group)
	if err != nil {
		return err
	}
	h.feed = f
	h.group.read(f)
	return nil
}

func (h *groupHandler) hook(what string, f func(*session) error) error {
	if h.session.ctx.Err() != nil {
		return h.end()
	}
	if f == nil {
		return nil
	}
	if err := f(h.session); err != nil {
		return h.keep(fmt.Errorf("%s %s: %w", what, h.group.name, err))
	}
	return nil
}

// end is the answer to a session that ended before it was set up: a rebalance that came on the
// heels of another.
func (h *groupHandler) end() error {
	h.cut = true
	return context.Cause(h.session.ctx)
}

// keep remembers an error, unless the session ended meanwhile: then it only tells so in other
// words, and the next session begins from what is committed.
func (h *groupHandler) keep(err error) error {
	if h.session.ctx.Err() != nil {
		h.cut = true
	} else if h.err == nil {
		h.err = err
	}
	return err
}

// Cleanup implements sarama.ConsumerGroupHandler.
func (h *groupHandler) Cleanup(inner sarama.ConsumerGroupSession) error {
	if h.feed != nil {
		h.group.read(nil)
		closed := make(chan struct{})
		go func() { // beside the last flush: without a broker it takes a second
			h.feed.close()
			close(closed)
		}()
		defer func() { <-closed }()
	}
	if h.begun && h.group.hooks.cleanup != nil {
		h.group.hooks.cleanup(h.session)
	}
	if !h.gokaUp {
		return nil
	}
	// Goka hands over here what stopped its partitions, a panic in a callback for instance. The
	// session is over at this point, so this error is kept whatever its context says.
	err := h.inner.Cleanup(silentSession{inner})
	if err != nil && h.err == nil {
		h.err = fmt.Errorf("%s: %w", h.group.name, err)
	}
	return err
}

// ConsumeClaim implements sarama.ConsumerGroupHandler.
func (h *groupHandler) ConsumeClaim(inner sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	fed := h.feed.start(inner.Context(), claim)
	defer fed.stop()
	return h.inner.ConsumeClaim(silentSession{inner}, fed)
}

// silentSession is a session whose marks go nowhere.
type silentSession struct {
	sarama.ConsumerGroupSession
}

// MarkOffset does nothing: offsets are committed by our transactions.
func (silentSession) MarkOffset(string, int32, int64, string) {}

// ResetOffset does nothing.
func (silentSession) ResetOffset(string, int32, int64, string) {}

// MarkMessage does nothing.
func (silentSession) MarkMessage(*sarama.ConsumerMessage, string) {}

// Commit does nothing.
func (silentSession) Commit() {}
