package engine

import (
	"context"
	"sync"
	"testing"
	"time"
)

// handClock goes on when the test says so. What is waited for is told to the test, which ends the wait.
type handClock struct {
	mu    sync.Mutex
	now   time.Time
	waits chan handWait
}

type handWait struct {
	d   time.Duration
	end chan time.Time
}

func newHandClock() *handClock {
	return &handClock{now: time.Unix(1_000_000, 0), waits: make(chan handWait, 10)}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) After(d time.Duration) <-chan time.Time {
	w := handWait{d, make(chan time.Time, 1)}
	c.waits <- w
	return w.end
}

func (c *handClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// TestFlusherSleeps: without anything to take nothing is waited for but a signal; the first after a quiet
// time waits a fifth of the interval for others, and under load flushes follow at the interval, or
// at once when one takes longer. A clock that is set makes no flush late.
func TestFlusherSleeps(t *testing.T) {
	ctx := testContext(t, 10*time.Second)
	clock := newHandClock()
	began, end := make(chan bool), make(chan bool)
	f := newFlusher(Options{Clock: clock, FlushInterval: 100 * time.Millisecond}, newFlushLimit(1<<20, time.Second),
		func() int { return 0 }, func(context.Context) error {
			began <- true
			<-end
			return nil
		})
	stop, done := make(chan struct{}), make(chan error)
	go func() { done <- f.run(ctx, stop) }()
	// Whether it had gone to sleep when it is touched cannot be seen: it may be so quick that it flushes at once.
	const quiet = 20 * time.Millisecond
	flush := func(wait time.Duration, during func()) {
		t.Helper()
		select {
		case w := <-clock.waits:
			if w.d != wait {
				t.Fatalf("waits %v, expected %v", w.d, wait)
			}
			clock.move(w.d)
			w.end <- clock.Now()
			<-began
		case <-began:
			if wait > quiet {
				t.Fatalf("does not wait, expected %v", wait)
			}
		case <-ctx.Done():
			t.Fatal("nothing happens")
		}
		during()
		end <- true
	}
	nothing := func() {}
	flush(100*time.Millisecond, nothing) // what was there at the start
	clock.move(time.Hour)
	f.touched()
	flush(quiet, func() { f.touched(); clock.move(30 * time.Millisecond) })
	flush(70*time.Millisecond, func() { f.touched(); clock.move(time.Second) })
	flush(0, nothing)
	f.touched()
	flush(100*time.Millisecond, nothing) // the hour did not pass since the last one
	clock.move(-time.Hour)
	f.touched()
	flush(100*time.Millisecond, nothing) // a clock that was set back holds up nothing
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(clock.waits) > 0 {
		t.Errorf("it waits %v although there is nothing to take", (<-clock.waits).d)
	}
}
