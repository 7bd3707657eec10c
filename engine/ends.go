package engine

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
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
	gone   time.Time                  // when Kafka was last found to be away
	asking bool                       // a question is on its way
	asked  chan struct{}              // closed by the next answer
}

// endsEvery is how often the ends are asked for.
const endsEvery = time.Second

// slowAnswer is how long an answer takes only when a broker was away: clients try again by
// themselves, so that a broker that is back within seconds is no error, only late.
const slowAnswer = time.Second

func newEnds(c *cluster, clock Clock, topics []string, seen func()) *ends {
	return &ends{cluster: c, clock: clock, topics: topics, seen: seen, at: map[string]map[int32]int64{}, asked: make(chan struct{})}
}

func (x *ends) run(ctx context.Context) {
	for {
		began := x.clock.Now()
		x.ask()
		list, err := x.cluster.admin.ListEndOffsets(ctx, x.topics...)
		if err == nil {
			err = list.Error()
		}
		x.answered(began, list, err)
		if err == nil {
			x.seen()
		}
		select {
		case <-ctx.Done():
			return
		case <-x.clock.After(endsEvery):
		}
	}
}

func (x *ends) answered(asked time.Time, list kadm.ListedOffsets, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asking = false
	if now := x.clock.Now(); err != nil || now.Sub(asked) > slowAnswer {
		x.gone = now
	}
	if err != nil {
		return // the last ones stay
	}
	for topic, parts := range list {
		at := make(map[int32]int64, len(parts))
		for p, o := range parts {
			at[p] = o.Offset
		}
		x.at[topic] = at
	}
	close(x.asked)
	x.asked = make(chan struct{})
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

// lastAway is when Kafka was last found to be away. While a question is on its way that is not known: a broker
// that is back answers a new question at once and this one only when the client tries again.
func (x *ends) lastAway() (at time.Time, known bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone, !x.asking
}

// next returns a channel that is closed by the next answer.
func (x *ends) next() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.asked
}
