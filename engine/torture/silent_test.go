package torture

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// silentLimit is how long results may stand still after all connections have fallen silent: a stage
// notices after ten seconds, and may come upon another silent connection while it begins again.
const silentLimit = 30 * time.Second

// TestHalfOpenConnections: the peer of every connection is gone and nobody is told. The processes find
// out by themselves that nothing is answered, and go on through new connections. With deaf, those are
// silent too for a while, as when the brokers' machine has lost its power.
func TestHalfOpenConnections(t *testing.T) {
	onKafkas(t, func(t *testing.T, k aKafka) {
		if _, ok := k.(*embedded); !ok && !*full {
			t.Log("in a test run only with the embedded broker, to save a minute; TestTorture has this fault with both")
			return
		}
		r := newRun(t, k, seed(t), 10*time.Minute)
		r.session = 6 * time.Second // what runs by default
		l := startLoad(t, k.addr(), r.app, 2_000, r.rnd, kgo.RequestTimeoutOverhead(2*time.Second), kgo.ProduceRequestTimeout(time.Second))
		for range 2 {
			p := r.member()
			r.start(p)
			r.members = append(r.members, p)
		}
		for _, p := range r.members {
			r.ready(p, time.Minute)
		}
		phases := []bool{false}
		if *full {
			phases = []bool{false, true, false, true}
		}
		for _, deaf := range phases {
			r.grow(time.Minute) // it runs
			r.silence(deaf)
			what := "half-open connections to new results"
			if deaf {
				what = "brokers out of reach, and back, to new results"
			}
			r.within(what, patience(t, silentLimit), r.grow(2*time.Minute))
		}
		r.revive()
		if _, _, err := l.stop(r.ctx); err != nil {
			t.Error(err)
		}
		r.finish()
		r.audit()
	})
}

// grow waits until there are some more results, and returns how long that took.
func (r *run) grow(limit time.Duration) time.Duration {
	r.t.Helper()
	c := kadm.NewClient(client(r.t, r.kafka.addr(), kgo.RequestTimeoutOverhead(time.Second), kgo.RetryTimeout(2*time.Second)))
	topic, from := r.app+".metrics", int64(-1)
	return r.measure(limit, func() (bool, error) {
		ends, err := c.ListCommittedOffsets(r.ctx, topic)
		if err == nil {
			err = ends.Error()
		}
		at, ok := ends.Lookup(topic, 0)
		if err != nil || !ok {
			return false, err
		}
		if from < 0 {
			from = at.Offset
		}
		return at.Offset > from+20, nil
	})
}
