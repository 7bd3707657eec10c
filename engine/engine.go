package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"penstock/engine/read"
	"penstock/query/plan"
	"penstock/storage"
)

// Engine runs one plan. It is made by New, runs once, and may be looked at by any goroutine
// while it does.
type Engine struct {
	opts    Options
	log     *slog.Logger
	cluster *cluster
	topics  *topicIDs
	specs   []topicSpec // of all topics it uses; set by prepare
	trimmer *trimmer
	scans   chan struct{} // one for each partition that is read from end to end, of all queries
	queries *read.Budget  // what all queries together may hold
	stirred chan struct{} // holds a signal: a stage has changed, which others may want to know

	mu        sync.Mutex
	ends      *ends          // nil before it runs
	store     *storage.Store // see local
	asides    []time.Time    // when it was set aside
	stages    []*stage
	routes    map[string]*routeLogic // by stream; of the life that runs now
	fold      *foldLogic
	serve     *serving // nil: it answers no other process
	fault     error    // of the store
	storeLife *storeLife
	stop      context.CancelCauseFunc // of Run
	state     string
}

// New checks the options and opens the state directory, so that a second process on the same
// state is told so before anything else happens. Close or Run closes it again.
func New(o Options) (*Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	setUpLibraries(o.Logger)
	e := &Engine{opts: o, log: o.Logger.With("app", o.App), routes: map[string]*routeLogic{}, state: "starting",
		scans: make(chan struct{}, scansAtOnce()), stirred: make(chan struct{}, 1)}
	e.queries = read.NewBudget(read.Limits{Bytes: sharesOf(o.Memory).query})
	if err := e.openStore(); err != nil {
		return nil, err
	}
	if err := e.identify(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// identify gives this process the instance id that its state directory remembers.
func (e *Engine) identify() error {
	if e.opts.InstanceID != "" {
		return nil
	}
	if id, ok := e.local().Meta("instance"); ok {
		e.opts.InstanceID = id
		return nil
	}
	b := make([]byte, 8)
	if _, err := rand.Read(b); err != nil {
		return fmt.Errorf("instance id: %w", err)
	}
	e.opts.InstanceID = hex.EncodeToString(b)
	return e.local().SetMeta("instance", e.opts.InstanceID)
}

// Close closes the state of an engine that is not run. After Run it does nothing.
func (e *Engine) Close() error { return e.local().Close() }

// Store is where the tables are. What a partition holds is only current while it is assigned
// (see Status). A store that is found damaged is replaced by another one: ask again.
func (e *Engine) Store() *storage.Store { return e.local() }

// connectTimeout is how long the first connection to Kafka may take.
const connectTimeout = 20 * time.Second

// Run runs the plan until ctx is done, or everything is caught up if the options ask for that,
// or an error that needs somebody to do something. It stops cleanly: what was read is committed,
// and the store is flushed and closed. It runs once.
func (e *Engine) Run(ctx context.Context) (err error) {
	defer func() {
		closed := e.Close()
		var store *storage.Error
		if errors.As(closed, &store) && errors.Is(err, store.Kind) {
			return // a store that has failed says so again
		}
		err = errors.Join(err, closed)
	}()
	connect, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	e.cluster, err = openCluster(connect, e.opts.Brokers, e.opts.Security, "penstock", e.log)
	if err == nil {
		defer e.cluster.close()
		e.topics = newTopicIDs(e.cluster)
		e.trimmer = newTrimmer(e.cluster, 10*time.Second)
		err = e.rideOut(ctx, e.prepare)
	}
	if ctx.Err() != nil {
		return nil // stopped before it began
	}
	if err != nil {
		if refused := Refused(err, e.opts.Brokers, e.opts.Security); refused != nil && !refused.Guess && !final(err) {
			return refused
		}
		return err
	}
	for {
		err := e.runOnce(ctx)
		if !errors.Is(err, storage.ErrCorrupt) {
			return err
		}
		if err := e.rebuild(ctx, err); err != nil {
			return err
		}
	}
}

// runOnce runs all stages on one store.
func (e *Engine) runOnce(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	e.build()
	return e.runAll(ctx, stop)
}

// rideOut does something at the start again until it succeeds or fails for a reason that waiting
// does not mend. A broker that was there a moment ago and is gone comes back.
func (e *Engine) rideOut(ctx context.Context, do func(context.Context) error) error {
	var b backoff
	for {
		err := do(ctx)
		if err == nil || final(err) || !transient(err) {
			return err
		}
		e.log.Warn("kafka is away, waiting", "err", err)
		if b.wait(ctx) != nil {
			return err
		}
	}
}

// prepare makes and checks the topics, and what the state remembers of them.
func (e *Engine) prepare(ctx context.Context) error {
	if err := e.cluster.checkVersions(ctx); err != nil {
		return err
	}
	sources := sourceTopics(e.opts.Plan, e.opts.CreateSources)
	specs := append(sources, ownedTopics(e.opts.App, e.opts.FoldPartitions)...)
	specs = append(specs, resultTopics(e.opts.Plan)...)
	states, err := e.cluster.ensureTopics(ctx, e.opts.ReplicationFactor, specs...)
	if err != nil {
		return err
	}
	e.topics.set(states)
	e.specs = specs
	lives, n := map[string]string{}, names{e.opts.App}
	for _, name := range []string{n.Frames(), n.FoldLoop(), n.FoldTable(), n.Decisions(), n.Replayed()} {
		lives["topic "+name] = states[name].id.String()
	}
	if err := e.checkLives(lives); err != nil {
		return err
	}
	if err := e.checkDefinitions(ctx); err != nil {
		return err
	}
	return e.startGroups(ctx)
}

// checkLives refuses to go on with a topic that was deleted and made again since this state was
// written: its offsets mean other records now.
func (e *Engine) checkLives(lives map[string]string) error {
	var errs []error
	for what, id := range lives {
		was, known := e.local().Meta(what)
		if !known {
			if err := e.local().SetMeta(what, id); err != nil {
				return err
			}
			continue
		}
		if was != id {
			errs = append(errs, stateError("%s was deleted and made again (id %s, now %s): the state in %s belongs to the old one; "+
				"start again under another --app and an empty --state-dir", what, was, id, e.opts.StateDir))
		}
	}
	return errors.Join(errs...)
}

// newStage makes a stage with what all of them share.
func (e *Engine) newStage(group string, packed bool, make func(*life) logic) *stage {
	return &stage{
		group: group, opts: e.opts, cluster: e.cluster, topics: e.topics, log: e.log.With("group", group),
		packed: packed, newLogic: make, changed: e.stir, same: e.sameTopics, sameFetched: e.sameFetched, began: e.opts.Clock.Now(),
		limit: newFlushLimit(e.opts.FlushBytes, e.opts.TransactionTimeout),
	}
}

func (e *Engine) build() {
	x := newEnds(e.cluster, e.opts.Clock, e.readTopics(), e.noteEnds)
	e.mu.Lock()
	e.ends = x
	e.mu.Unlock()
	var stages []*stage
	for _, s := range e.opts.Plan.Streams {
		stages = append(stages, newRouteStage(e, s))
	}
	stages = append(stages, newFoldStage(e))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stages, e.state = stages, "running"
}

// readTopics lists the topics that the streams read.
func (e *Engine) readTopics() []string {
	topics := []string{names{e.opts.App}.Replayed()}
	for _, s := range e.opts.Plan.Streams {
		if !slices.Contains(topics, s.Options.Topic) {
			topics = append(topics, s.Options.Topic)
		}
	}
	return topics
}

// noteEnds tells the source partitions where they end.
func (e *Engine) noteEnds() {
	for _, st := range e.opts.Plan.Streams {
		r := e.route(st)
		if r == nil {
			continue
		}
		at := r.ends.of(st.Options.Topic)
		for _, s := range r.assigned() {
			if end, ok := at[s.number]; ok {
				s.limit.Store(end)
			}
		}
	}
}

// runAll keeps all stages alive until ctx is done or one of them stops for good.
func (e *Engine) runAll(ctx context.Context, stop context.CancelCauseFunc) error {
	var wg, routes sync.WaitGroup
	routing, endRoutes := context.WithCancel(ctx)
	defer endRoutes()
	errs := make([]error, len(e.stages))
	supervise := func(ctx context.Context, i int) {
		if errs[i] = e.stages[i].supervise(ctx); errs[i] != nil {
			errs[i] = e.explained(ctx, errs[i])
			stop(errs[i])
		}
	}
	fold := len(e.stages) - 1 // see build
	for i := range fold {
		routes.Go(func() { supervise(routing, i) })
	}
	wg.Go(func() { supervise(ctx, fold) })
	wg.Go(func() { e.trimmer.run(ctx, e.opts.Clock) })
	wg.Go(func() { e.ends.run(ctx) })
	wg.Go(func() {
		if err := e.watchTopics(ctx); err != nil {
			stop(err)
		}
	})
	wg.Go(func() { e.rest(ctx) })
	wg.Go(func() { e.watchWork(ctx) })
	wg.Go(func() { e.served().run(ctx) })
	if e.opts.ExitWhenCaughtUp {
		wg.Go(func() {
			err := e.finish(ctx, func() {
				endRoutes()
				routes.Wait()
				e.depart(ctx, e.stages[:fold])
			})
			if err == nil {
				stop(errCaughtUp)
			} else if ctx.Err() == nil {
				stop(err)
			}
		})
	}
	e.mu.Lock()
	e.stop = stop
	if e.fault != nil {
		stop(e.fault)
	}
	e.mu.Unlock()
	unwatch := context.AfterFunc(ctx, func() { e.setState("stopping") })
	defer unwatch()
	routes.Wait()
	wg.Wait()
	e.depart(ctx, e.stages)
	cause := context.Cause(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = "stopped"
	switch {
	case e.fault != nil:
		return e.fault
	case errors.Is(cause, errCaughtUp), errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded):
		return errors.Join(errs...)
	}
	return cause
}

// stir tells that a stage has changed. It does not wait.
func (e *Engine) stir() {
	select {
	case e.stirred <- struct{}{}:
	default:
	}
}

func (e *Engine) setState(state string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = state
}

// departTimeout bounds the goodbye to the groups. Without it the others wait for the session
// timeout, which is no harm.
const departTimeout = 2 * time.Second

// depart leaves the groups of stages that have ended, if others are there to take over.
func (e *Engine) depart(ctx context.Context, stages []*stage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), departTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range stages {
		wg.Go(func() {
			if err := e.cluster.leave(ctx, s.group, e.opts.InstanceID); err != nil {
				e.log.Debug("leave", "group", s.group, "err", err)
			}
		})
	}
	wg.Wait()
}

func (e *Engine) setRoute(stream string, r *routeLogic) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.routes[stream] = r
}

func (e *Engine) setFold(f *foldLogic) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fold = f
}

func (e *Engine) route(s *plan.Stream) *routeLogic {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.routes[s.Name]
}
