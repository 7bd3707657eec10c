package engine

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// setClock is the machine's clock, which a test sets: what it shows moves, what is measured with it does not.
type setClock struct{ by atomic.Int64 }

func (c *setClock) set(by time.Duration) { c.by.Store(int64(by)) }

func (c *setClock) Now() time.Time { return shownAs(time.Now(), time.Duration(c.by.Load())) }

func (c *setClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// shownAs moves the wall reading of a time by whole seconds, and leaves the monotonic one: what a program sees
// when the clock is set. Of a time with both, the wall's seconds stand in the first word, above 30 bits
// of nanoseconds (package time says so, and TestWallWatch would notice if that changed).
func shownAs(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(by/time.Second) << 30
	return t
}

// TestWallWatch: what a clock is set forward by is not believed until a row is dated so late, or nothing has
// come for a minute; what it is set back by is.
func TestWallWatch(t *testing.T) {
	start := time.Now()
	var w wallWatch
	at := func(passed, set time.Duration) time.Time { return shownAs(start.Add(passed), set) }
	look := func(passed, set, step, doubt time.Duration) {
		t.Helper()
		if got := w.look(at(passed, set)); got != step || w.doubt != doubt {
			t.Errorf("after %v, set by %v: a step of %v, %v not believed, expected %v and %v", passed, set, got, w.doubt, step, doubt)
		}
	}
	look(0, 0, 0, 0)
	look(time.Second, 0, 0, 0)
	look(2*time.Second, time.Hour, time.Hour, time.Hour)
	if got := w.time(at(2*time.Second, time.Hour)); !got.Round(0).Equal(at(2*time.Second, 0).Round(0)) {
		t.Errorf("the time is taken for %v", got)
	}
	// A row of before speaks against it, and for a minute from then on it is not believed.
	w.row(start, at(30*time.Second, time.Hour))
	look(89*time.Second, time.Hour, 0, time.Hour)
	// Set back, all is as it was.
	look(90*time.Second, 0, -time.Hour, 0)
	look(91*time.Second, -time.Hour, -time.Hour, 0)
	look(92*time.Second, 0, time.Hour, time.Hour)
	// Kafka's clock was set, too.
	w.row(start.Add(time.Hour+90*time.Second), at(93*time.Second, time.Hour))
	if w.doubt != 3*time.Second {
		t.Errorf("%v is not believed after a row that is dated 3 s ago", w.doubt)
	}
	look(94*time.Second, 2*time.Hour, 2*time.Hour, 2*time.Hour+3*time.Second)
	look(155*time.Second, 2*time.Hour, 0, 0)
}

// TestClockIsSet sets the clock of the machine forward by two hours and back, then back and forward, while
// rows come and time is Kafka's: each interval is published once, every row is counted, none is late or of
// the future, and the engine goes on flushing all the time.
func TestClockIsSet(t *testing.T) {
	ctx := testContext(t, time.Minute)
	brokers, app := testBroker(t), "shop"
	p := bindText(t, app, formatText(tickingCount, ""))
	clock := &setClock{}
	e := startEngine(t, ctx, Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 2, CreateSources: true, Clock: clock})
	r := followResults(t, ctx, brokers, p.Metrics[0].Topic)
	c := testCluster(t, ctx, brokers)
	topic := p.Streams[0].Options.Topic
	if _, err := c.awaitTopics(ctx, []string{topic}); err != nil {
		t.Fatal(err)
	}
	last, sent, counted := r.next(), 0, 0
	// send sends a row to two of three partitions.
	send := func() {
		t.Helper()
		for p := range int32(2) {
			if err := c.write(ctx, value(topic, p, fmt.Sprintf("2026-01-01 00:00:00,%d", sent))); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	next := func() {
		t.Helper()
		x := r.next()
		if !x.Start.Equal(last.End) {
			t.Fatalf("after the interval up to %v came %+v", last.End, x)
		}
		if now := time.Now(); x.End.After(now) {
			t.Fatalf("at %v came the result of the interval up to %v", now, x.End)
		}
		counted += int(x.Rows[0]["n"].(float64))
		last = x
	}
	for _, by := range []time.Duration{0, 2 * time.Hour, 0, -2 * time.Hour, 0} {
		before := written(e)
		clock.set(by)
		if by < 0 {
			// Idle partitions wait until the clock has come back. What comes is read, and committed.
			send()
			eventually(t, ctx, "the rows are committed", func() bool { return ended(e) && written(e) > before })
			continue
		}
		for range 2 {
			send()
			next()
		}
	}
	for counted < sent {
		next()
	}
	s := e.Status().Streams[0].Tally()
	if counted > sent || s.Read != int64(sent) || s.Bad > 0 || s.Tables[0].Late > 0 {
		t.Errorf("%d rows were sent, %d counted: %+v", sent, counted, s)
	}
}
