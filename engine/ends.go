package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ends asks Kafka once a second where the topics end that the engine reads: those of the streams, and that
// of replayed rows. One request does for all who want to know: the lag is counted from the ends,
// replayed rows are looked for, and the keepers of the clocks learn when Kafka was away, also
// while nothing else is asked of it.
type ends struct {
	cluster *cluster
	clock   Clock
	topics  []string
	seen    func() // is told of every answer

	mu     sync.Mutex
	at     map[string]map[int32]int64 // by topic; the maps are not changed
	gone   map[string]time.Time       // by topic: when Kafka, or a leader of the topic, was last found to be away
	asking bool                       // a question is on its way
	asked  chan struct{}              // closed by the next answer
}

// endsEvery is how often the ends are asked for.
const endsEvery = time.Second

// slowAnswer is how long an answer takes only when a broker was away: clients try again by
// themselves, so that a broker that is back within seconds is no error, only late.
const slowAnswer = time.Second

func newEnds(c *cluster, clock Clock, topics []string, seen func()) *ends {
	return &ends{cluster: c, clock: clock, topics: topics, seen: seen,
		at: map[string]map[int32]int64{}, gone: map[string]time.Time{}, asked: make(chan struct{})}
}

func (x *ends) run(ctx context.Context) {
	for {
		began := x.clock.Now()
		x.ask()
		list, err := x.cluster.admin.ListEndOffsets(ctx, x.topics...)
		if x.answered(began, list, err) {
			x.seen()
		}
		select {
		case <-ctx.Done():
			return
		case <-x.clock.After(endsEvery):
		}
	}
}

// answered notes an answer, and tells whether there is an end in it.
func (x *ends) answered(asked time.Time, list kadm.ListedOffsets, err error) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asking = false
	now := x.clock.Now()
	missing, some := unanswered(x.topics, list, err), false
	for _, topic := range x.topics {
		if missing[topic] || now.Sub(asked) > slowAnswer {
			x.gone[topic] = now
		}
		if missing[topic] {
			continue // the last ones stay
		}
		at := make(map[int32]int64, len(list[topic]))
		for p, o := range list[topic] {
			at[p] = o.Offset
		}
		x.at[topic], some = at, true
	}
	if some {
		close(x.asked)
		x.asked = make(chan struct{})
	}
	return some
}

// unanswered are the topics for which an answer lacks an end: one that was deleted, one of whose partitions
// has no leader. Without telling them apart a topic that is gone would hold up the clocks of every
// stream for ever.
func unanswered(topics []string, list kadm.ListedOffsets, err error) map[string]bool {
	missing := map[string]bool{}
	for _, topic := range topics {
		_, ok := list[topic]
		missing[topic] = !ok
		for _, o := range list[topic] {
			missing[topic] = missing[topic] || o.Err != nil
		}
	}
	if err != nil {
		for _, topic := range concerned(err, topics) {
			missing[topic] = true
		}
	}
	return missing
}

// concerned are the topics that an error of listing offsets is about: all, unless Kafka itself says so of some.
func concerned(err error, topics []string) (some []string) {
	var parts *kadm.ShardErrors
	if !errors.As(err, &parts) {
		return topics
	}
	for _, part := range parts.Errs {
		var code *kerr.Error
		req, ok := part.Req.(*kmsg.ListOffsetsRequest)
		if !ok || !errors.As(part.Err, &code) {
			return topics // a broker could not be asked
		}
		for _, t := range req.Topics {
			some = append(some, t.Topic)
		}
	}
	return some
}

// of returns where the partitions of a topic ended when last asked, nil when that is not known. The
// map is not to be changed.
func (x *ends) of(topic string) map[int32]int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.at[topic]
}

func (x *ends) ask() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asking = true
}

// lastAway is when Kafka was last found to be away, or a leader of the topic. While a question is on its way
// that is not known: a broker that is back answers a new question at once and this one only when the
// client tries again.
func (x *ends) lastAway(topic string) (at time.Time, known bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone[topic], !x.asking
}

// next returns a channel that is closed by the next answer.
func (x *ends) next() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.asked
}
