package torture

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// TestRebalanceStorm: a third process comes and goes all the time, by SIGTERM and by kill -9, each time
// anew in the groups or as the member it was. The two others go on with the state they have, results
// come, and everything is equal.
func TestRebalanceStorm(t *testing.T) {
	long, rate := 5*time.Second, 2_000
	if *full {
		long, rate = 30*time.Second, 20_000
	}
	onKafkas(t, func(t *testing.T, k aKafka) {
		r := newRun(t, k, seed(t), 10*time.Minute)
		l := startLoad(t, k.addr(), r.app, rate, r.rnd)
		for range 2 {
			p := r.member()
			r.members = append(r.members, p)
			r.start(p)
		}
		for _, p := range r.members {
			r.ready(p, time.Minute)
		}
		published := r.published()
		came := r.storm(long)
		if n := r.published() - published; n < int64(long/time.Second) {
			t.Errorf("%d results came in a storm of %s", n, long)
		}
		for _, p := range r.members {
			r.keptState(p, came)
		}
		if _, _, err := l.stop(r.ctx); err != nil {
			t.Error(err)
		}
		r.finish()
		r.audit()
	})
}

// storm lets a process come and go, and returns how often it came.
func (r *run) storm(long time.Duration) (came int) {
	r.t.Helper()
	p := r.member()
	for began := time.Now(); time.Since(began) < long && r.ctx.Err() == nil; came++ {
		if r.rnd.IntN(3) == 0 {
			p = r.member() // another one than before, who may still be thought to be there
		}
		r.start(p)
		_ = wait(r.ctx, time.Second+time.Duration(r.rnd.Int64N(int64(time.Second))))
		if came%2 == 0 {
			p.kill()
		} else if _, err := p.end(r.ctx, 10*time.Second); err != nil {
			r.t.Error(err)
		}
	}
	return came
}

// published is how many results there are, and parts of results.
func (r *run) published() (n int64) {
	r.t.Helper()
	ends, err := kadm.NewClient(client(r.t, r.kafka.addr())).ListEndOffsets(r.ctx, r.app+".metrics")
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// recoveredLine is what a process says when it has read changelogs: of how many partitions it had nothing.
var recoveredLine = regexp.MustCompile(`tables recovered from the changelog.*anew"?[=:](\d+)`)

// keptState: a process that others have come to and gone from has read each of its table partitions anew
// at most once, when it first got it.
func (r *run) keptState(p *process, came int) {
	r.t.Helper()
	if !p.running() {
		r.t.Errorf("%s ended by itself: %v\n%s", p.name, p.err, p.tail())
	}
	lines, anew := recoveredLine.FindAllStringSubmatch(p.said(), -1), 0
	for _, m := range lines {
		n, _ := strconv.Atoi(m[1])
		anew += n
	}
	r.t.Logf("%s: another came %d times, tables recovered %d times, of which %d partitions anew", p.name, came, len(lines), anew)
	if len(lines) == 0 || anew > tablePartitions {
		r.t.Errorf("%s read %d partitions anew, expected at most %d\n%s", p.name, anew, tablePartitions, p.tail())
	}
	if p.says("local state dropped") || p.says("set aside") {
		r.t.Errorf("%s has lost its state\n%s", p.name, p.tail())
	}
}
