package torture

import (
	"os"
	"strings"
	"testing"
	"time"
)

// limits of what a user waits for. They are the promise; the first number of each line of the log
// is what it took.
const (
	backLimit     = 3 * time.Second  // kill -9 to all partitions serving, with own state
	takeoverLimit = 15 * time.Second // kill -9 to the other process having all partitions
	endLimit      = 5 * time.Second  // SIGTERM under load
	deadEndLimit  = 10 * time.Second // SIGTERM without a broker
)

// patience stretches the limits on a machine that is busy with something else: the promise is
// about one that is not. PENSTOCK_PATIENCE=1 asks for the promise itself.
func patience(t *testing.T, limit time.Duration) time.Duration {
	if *full || os.Getenv("PENSTOCK_PATIENCE") == "1" {
		return limit
	}
	t.Logf("limit %s, three times of it allowed in a test run", limit)
	return 3 * limit
}

// TestTimes measures how long a user waits after a kill, for a takeover and for an end.
func TestTimes(t *testing.T) {
	onKafkas(t, func(t *testing.T, k aKafka) {
		r := newRun(t, k, seed(t), 5*time.Minute)
		r.session = 6 * time.Second // what runs by default
		rate := 5_000
		if *full {
			rate = 50_000
		}
		l := startLoad(t, k.addr(), r.app, rate, r.rnd)
		p := r.member()
		r.start(p)
		r.ready(p, time.Minute)
		_ = wait(r.ctx, 5*time.Second)

		p.kill()
		r.start(p)
		r.within("kill -9 to ready with its own state", patience(t, backLimit), r.ready(p, time.Minute))

		other := r.member()
		r.start(other)
		r.ready(other, time.Minute)
		_ = wait(r.ctx, 3*time.Second)
		assigned := strings.Count(other.said(), "partitions assigned")
		p.kill()
		r.within("kill -9 to taken over", patience(t, takeoverLimit), r.measure(time.Minute, func() (bool, error) {
			// One line for each of the three groups, of all their partitions.
			return strings.Count(other.said(), "partitions assigned") >= assigned+3, nil
		}))

		took, err := other.end(r.ctx, time.Minute)
		if err != nil {
			t.Error(err)
		}
		r.within("SIGTERM under load to exit 0", patience(t, endLimit), took)

		r.start(p)
		r.ready(p, time.Minute)
		_ = wait(r.ctx, 2*time.Second)
		if err := k.kill(r.ctx); err != nil {
			t.Fatal(err)
		}
		_ = wait(r.ctx, time.Second)
		took, err = p.end(r.ctx, time.Minute)
		if err != nil {
			t.Error(err)
		}
		r.within("SIGTERM without a broker to exit 0", patience(t, deadEndLimit), took)
		l.cancel()
	})
}

// ready waits until a process says that it is, and returns how long that took.
func (r *run) ready(p *process, limit time.Duration) time.Duration {
	r.t.Helper()
	return r.measure(limit, func() (bool, error) { return p.says("ready in"), nil })
}

func (r *run) measure(limit time.Duration, ok func() (bool, error)) time.Duration {
	r.t.Helper()
	began := time.Now()
	if err := until(r.ctx, limit, ok); err != nil {
		r.t.Error(err)
	}
	return time.Since(began)
}

func (r *run) within(what string, limit, took time.Duration) {
	r.t.Helper()
	r.t.Logf("%s: %s", what, took.Round(time.Millisecond))
	if took > limit {
		r.t.Errorf("%s took %s, expected at most %s", what, took.Round(time.Millisecond), limit)
	}
}
