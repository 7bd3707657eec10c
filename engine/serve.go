package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/read"
	"penstock/query/plan"
)

// AskFunc brings a question to another process and its answer back; package httpapi has one.
type AskFunc func(ctx context.Context, address string, q PartRequest) ([]byte, error)

// Service is how an engine is reached by others. The zero value is an engine that answers for what
// it has itself and what it can ask others for without being asked.
type Service struct {
	// Address is the URL under which the other processes reach this one; empty: they do not.
	Address string
	// Ask brings a question to another process; nil: it asks nobody.
	Ask AskFunc
	// Emitted, if not nil, is told of every result this process has published, and how long after the
	// end of its interval; known is false where that cannot be told. It must not wait.
	Emitted func(metric string, after time.Duration, known bool)
}

// serving is what an engine that answers queries does beside running its plan: it tells the
// other processes that it is there, and follows what they tell and what metrics publish.
type serving struct {
	Service
	engine  *Engine
	members *members
	history *history

	mu       sync.Mutex
	cluster  *cluster                   // while the engine runs
	sizes    []PartitionSize            // when last counted
	bytes    map[int32]map[string]int64 // by partition and table, when last asked; not changed any more
	bytesDue time.Time                  // when to ask again
}

// Serve makes the engine answer for all processes of the application, and tell them where this one
// is reached. To be called before Run.
func (e *Engine) Serve(s Service) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serve = &serving{
		Service: s, engine: e, members: newMembers(e.opts.InstanceID),
		history: newHistory(e.opts.Plan.Metrics),
	}
}

// kafka is the engine's connection while it runs and serves, nil otherwise.
func (e *Engine) kafka() *cluster {
	s := e.served()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cluster
}

func (e *Engine) served() *serving {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.serve
}

// run serves until ctx is done. Nothing it does can stop the engine: what fails is tried again.
func (s *serving) run(ctx context.Context) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.cluster = s.engine.cluster
	s.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { s.keep(ctx, s.follow) })
	wg.Go(func() { s.announce(ctx) })
	wg.Go(func() { s.watchSizes(ctx) })
	wg.Wait()
	s.mu.Lock()
	s.cluster = nil
	s.mu.Unlock()
}

// keep runs something again, with pauses, until ctx is done.
func (s *serving) keep(ctx context.Context, run func(context.Context) error) {
	var b backoff
	for ctx.Err() == nil {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			s.engine.log.Warn("following members and results", "err", err)
		}
		if b.wait(ctx) != nil {
			return
		}
	}
}

// historyRecords is how many records from the end of each partition of a metrics topic are read
// at the start.
const historyRecords = 5000

// followWait is how long a broker may wait with the answer while nobody says anything.
const followWait = 5 * time.Second

// follow reads the members topic from its start, and the metrics topics from near their ends.
func (s *serving) follow(ctx context.Context) error {
	c := s.engine.cluster
	from := map[string]map[int32]kgo.Offset{}
	topics := []string{names{s.engine.opts.App}.Members()}
	for _, m := range s.engine.opts.Plan.Metrics {
		if !slices.Contains(topics, m.Topic) {
			topics = append(topics, m.Topic)
		}
	}
	for i, topic := range topics {
		limits, err := c.bounds(ctx, topic)
		if err != nil {
			return err
		}
		from[topic] = map[int32]kgo.Offset{}
		for p, b := range limits {
			at := b.Start
			if i > 0 {
				at = max(at, b.End-historyRecords)
			}
			from[topic][p] = kgo.NewOffset().At(at)
		}
	}
	opts := append(clientOptions(c.brokers, c.security, "penstock-serve", c.log), kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(followWait))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var bad error
		fetches.EachError(func(topic string, p int32, err error) { bad = fmt.Errorf("read %s/%d: %w", topic, p, err) })
		if bad != nil {
			return bad
		}
		now := s.engine.opts.Clock.Now()
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Topic == topics[0] {
				s.members.heard(r.Offset, r.Key, r.Value, now)
			} else {
				s.history.add(r)
			}
		})
	}
}

const (
	// beatEvery is how often a process says that it is there, expireAfter how long it is believed.
	beatEvery   = 2 * time.Second
	expireAfter = 7 * time.Second
	// changeEvery is how often it looks whether it has something new to say while something goes on.
	changeEvery = 200 * time.Millisecond
)

// announce tells the others what this process has, whenever that changes and every beat, and at
// the end that it is gone.
func (s *serving) announce(ctx context.Context) {
	var said Member
	var at time.Time
	for {
		now := s.engine.opts.Clock.Now()
		me := s.self()
		if !me.equal(said) || now.Sub(at) >= beatEvery {
			me.Memory, me.Bytes = s.engine.Memory(), s.ownBytes()
			if err := s.publish(ctx, me.encode()); err == nil {
				said, at = me, now
			}
		}
		wait := changeEvery
		if me.settled() {
			wait = max(wait, beatEvery-now.Sub(at))
		}
		select {
		case <-ctx.Done():
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = s.publish(bye, nil) // without it the others find out when we expire
			return
		case <-s.engine.stirred:
		case <-s.engine.opts.Clock.After(wait):
		}
	}
}

func (s *serving) publish(ctx context.Context, value []byte) error {
	topic := names{s.engine.opts.App}.Members()
	return s.engine.cluster.write(ctx, &kgo.Record{Topic: topic, Key: []byte(s.engine.opts.InstanceID), Value: value})
}

// self is what this process has now.
func (s *serving) self() Member {
	e := s.engine
	m := Member{Instance: e.opts.InstanceID, Address: s.Address, Plan: planFingerprint(e.opts.Plan), Restoring: map[int32]int{}, Sources: map[string][]int32{}, Paused: map[string][]int32{}}
	e.mu.Lock()
	m.State = e.state
	e.mu.Unlock()
	for n := range int32(e.opts.FoldPartitions) {
		switch p := e.standing(n); p.State {
		case "":
			m.Partitions = append(m.Partitions, n)
		case stateRestoring:
			m.Restoring[n] = p.Percent
		}
	}
	for _, st := range e.opts.Plan.Streams {
		if r := e.route(st); r != nil {
			for _, src := range r.assigned() {
				m.Sources[st.Name] = append(m.Sources[st.Name], src.number)
				if src.held.Load() {
					m.Paused[st.Name] = append(m.Paused[st.Name], src.number)
				}
			}
			slices.Sort(m.Sources[st.Name])
			slices.Sort(m.Paused[st.Name])
		}
	}
	return m
}

// endsOf returns the end offsets of a stream's partitions when last asked, nil when not known.
func (e *Engine) endsOf(st *plan.Stream) map[int32]int64 {
	e.mu.Lock()
	x := e.ends
	e.mu.Unlock()
	if x == nil {
		return nil
	}
	return x.of(st.Options.Topic)
}

// lagOf is how many records of a stream are not in what was made from the given offsets, -1 when
// that is not known.
func (e *Engine) lagOf(st *plan.Stream, offsets map[int32]int64) int64 {
	ends := e.endsOf(st)
	if ends == nil {
		return -1
	}
	var lag int64
	for p, end := range ends {
		lag += max(0, end-offsets[p])
	}
	return lag
}

// ownerOf is the process that has a partition, empty when nobody says so.
func (e *Engine) ownerOf(n int32) string {
	if s := e.served(); s != nil {
		return s.members.owner(n, e.opts.Clock.Now())
	}
	return e.opts.InstanceID
}

// askMember asks one other process. One that does not answer is no error: its partitions are
// missing.
func (e *Engine) askMember(ctx context.Context, q Query, r *plan.Read, owner string, partitions []int32, b *read.Budget) ([]*partAnswer, error) {
	s := e.served()
	m, ok := s.members.get(owner)
	why := "its process has no HTTP address"
	if ok && m.Address != "" && s.Ask != nil {
		body, err := s.Ask(ctx, m.Address, PartRequest{
			App: e.opts.App, Plan: planFingerprint(e.opts.Plan), Instance: owner, SQL: q.SQL,
			Partitions: partitions, Closed: q.Closed, MaxBytes: q.MaxBytes, MaxRows: q.MaxRows,
		})
		if err == nil {
			var list []*partAnswer
			if list, err = parseParts(r, owner, body, b); err == nil && answers(list, partitions) {
				return list, nil
			}
		}
		var limit *read.LimitError
		if errors.As(err, &limit) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			err = errDamagedParts
		}
		e.log.Debug("another process does not answer", "instance", owner, "address", m.Address, "err", err)
		why = "its process does not answer: " + err.Error()
	}
	var list []*partAnswer
	for _, n := range partitions {
		list = append(list, &partAnswer{Partition: n, State: stateUnreachable, Reason: why, instance: owner})
	}
	return list, nil
}

// answers tells whether a list is about exactly these partitions.
func answers(list []*partAnswer, partitions []int32) bool {
	var got []int32
	for _, p := range list {
		got = append(got, p.Partition)
	}
	slices.Sort(got)
	want := slices.Clone(partitions)
	slices.Sort(want)
	return slices.Equal(got, want)
}

// Members lists the processes of the application as they announce themselves, this one first.
func (e *Engine) Members() []Member {
	s := e.served()
	if s == nil {
		return nil
	}
	list := []Member{s.self()}
	for _, m := range s.members.alive(e.opts.Clock.Now()) {
		if m.Instance != e.opts.InstanceID {
			list = append(list, m)
		}
	}
	return list
}
