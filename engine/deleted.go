package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// A topic that was deleted and made again has the name of the old one and nothing else: its offsets mean
// other records, and Kafka has deleted the group's with the old one, so that its partitions look as if they
// had appeared just now. At a start that is noticed by the topic's id (start.go). While the engine runs
// three things notice it, because each alone leaves a gap:
//
//   - watchTopics asks for the ids every two seconds, also when nothing is read or written;
//   - a session looks at them after it has read the committed offsets, and before it goes on from there (sameTopics);
//   - the fetcher takes no record of a topic with another id (same): between that look and the first
//     fetch the topic may be made again, and the fetching client knows only the new one.
//
// A topic of a stream that is deleted and not made again is waited for, with a warning: a broker that has
// only just started may say so too, and the other streams go on meanwhile. What the engine writes to cannot
// be waited for like that, it ends.

const (
	// watchEvery is how often the ids of all topics are asked for.
	watchEvery = 2 * time.Second
	// missingFor is how long a topic has to be missing before it counts as deleted.
	missingFor = 6 * time.Second
	// explainTimeout bounds what an error waits for, to be a better one.
	explainTimeout = 2 * time.Second
)

// topicWatch looks for topics that are gone, or are others.
type topicWatch struct {
	engine  *Engine
	missing map[string]time.Time // since when
	warned  map[string]bool
}

// watchTopics ends with an error when a topic is deleted or made again without which the engine cannot go
// on, and without one when ctx is done.
func (e *Engine) watchTopics(ctx context.Context) error {
	w := &topicWatch{engine: e, missing: map[string]time.Time{}, warned: map[string]bool{}}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.opts.Clock.After(watchEvery):
		}
		if err := w.look(ctx); err != nil {
			return err
		}
	}
}

func (w *topicWatch) look(ctx context.Context) error {
	e := w.engine
	have, err := e.cluster.describeTopics(ctx, specNames(e.specs))
	if err != nil {
		clear(w.missing) // when Kafka is back, it may not know all its topics at once
		return nil
	}
	now := e.opts.Clock.Now()
	for _, s := range e.specs {
		state, there := have[s.name]
		switch {
		case there && !e.topics.same(s.name, state.id):
			if err := e.madeAgain(s, state.id); err != nil {
				return err
			}
			e.log.Warn("topic was deleted and made again", "topic", s.name, "what", s.what)
			e.topics.set(map[string]topicState{s.name: state})
			e.cluster.client.PurgeTopicsFromClient(s.name) // which otherwise writes to the old one only
		case there:
			delete(w.missing, s.name)
			delete(w.warned, s.name)
		case w.missing[s.name].IsZero():
			w.missing[s.name] = now
		case now.Sub(w.missing[s.name]) >= missingFor:
			if err := w.deleted(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleted says what becomes of it that a topic is gone.
func (w *topicWatch) deleted(s topicSpec) error {
	e := w.engine
	if e.reads(s.name) && !e.opts.ExitWhenCaughtUp {
		if !w.warned[s.name] {
			w.warned[s.name] = true
			e.log.Warn("source topic was deleted, waiting; other streams go on", "what", s.what, "topic", s.name, "read", e.readSoFar(s.name))
		}
		return nil
	}
	switch {
	case e.reads(s.name):
		return stateError("%s: topic %s was deleted while application %q read it; %s; what was not read is lost to it: start again under another --app",
			s.what, s.name, e.opts.App, e.readSoFar(s.name))
	case s.renewable:
		return stopf("topic %s (%s) was deleted while application %q ran; start it again and it is made again, empty", s.name, s.what, e.opts.App)
	}
	return stateError("topic %s (%s) was deleted while application %q ran; what was on it cannot be computed again from what there is: start again under another --app",
		s.name, s.what, e.opts.App)
}

// madeAgain is the error about a topic that has another id than when the engine began; nil for one that
// nothing reads on from where it was.
func (e *Engine) madeAgain(s topicSpec, id kadm.TopicID) error {
	ids := fmt.Sprintf("(id %s, now %x)", e.topics.known(s.name), id[:])
	switch {
	case e.reads(s.name):
		return stateError("%s: topic %s was deleted and made again while application %q read it %s; %s; its offsets mean other records now: start again under another --app",
			s.what, s.name, e.opts.App, ids, e.readSoFar(s.name))
	case s.renewable:
		return nil
	}
	return stateError("topic %s (%s) was deleted and made again while application %q ran %s; what was on it is lost: start again under another --app",
		s.name, s.what, e.opts.App, ids)
}

// sameTopics is an error if one of the topics is another than when the engine began.
func (e *Engine) sameTopics(ctx context.Context, topics ...string) error {
	have, err := e.cluster.describeTopics(ctx, topics)
	if err != nil {
		return err
	}
	for _, s := range e.specs {
		if state, there := have[s.name]; there && !e.topics.same(s.name, state.id) {
			if err := e.madeAgain(s, state.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameFetched is sameTopics for a record that was fetched.
func (e *Engine) sameFetched(topic string, id kadm.TopicID) error {
	if e.topics.same(topic, id) {
		return nil
	}
	for _, s := range e.specs {
		if s.name == topic {
			return e.madeAgain(s, id)
		}
	}
	return nil
}

// explained is an error that ends a stage, or the better one: that a topic was made again comes out as an
// offset that is not there, for instance.
func (e *Engine) explained(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	if better := e.sameTopics(ctx, specNames(e.specs)...); final(better) {
		return better
	}
	return err
}

// reads tells whether a stream reads a topic.
func (e *Engine) reads(topic string) bool {
	for _, s := range e.opts.Plan.Streams {
		if s.Options.Topic == topic {
			return true
		}
	}
	return false
}

// readSoFar says up to where this process has read a stream's topic.
func (e *Engine) readSoFar(topic string) string {
	const few = 8
	var at []string
	for _, st := range e.opts.Plan.Streams {
		r := e.route(st)
		if st.Options.Topic != topic || r == nil {
			continue
		}
		now, before := r.status()
		for _, p := range append(now, before...) {
			if text := fmt.Sprintf("%d of partition %d", p.Offset, p.Partition); !slices.Contains(at, text) {
				at = append(at, text)
			}
		}
	}
	if len(at) == 0 {
		return "this process had none of its partitions"
	}
	more := ""
	if len(at) > few {
		more = fmt.Sprintf(" and so on of %d", len(at))
		at = at[:few]
	}
	return "this process has read it up to offset " + strings.Join(at, ", ") + more
}

func specNames(specs []topicSpec) []string {
	list := make([]string, len(specs))
	for i, s := range specs {
		list[i] = s.name
	}
	slices.Sort(list)
	return slices.Compact(list)
}
