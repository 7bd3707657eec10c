package engine

import (
	"context"
	"errors"
	"sync"
	"time"
)

// flusher decides when a stage's flush is taken: an interval after the last one was, or earlier
// when much has gathered. Nothing happens while there is nothing to take: whoever adds something,
// a row or a moved clock, says so (touched), and the first after a quiet time waits a moment for
// those that come with it: the clocks of all partitions move together, and the frames of one
// transaction reach all table partitions, and what they lead to belongs into one transaction too.
//
// One goroutine takes, commits and applies, so one transaction is in
// flight at a time, and the next flush grows meanwhile: load makes flushes larger by itself.
//
// A flush that takes long to commit risks its transaction's timeout, so how much may gather
// follows the measured rate: what commits in a fifth of the timeout. Beyond twice that, input
// waits in grown.
type flusher struct {
	clock    Clock
	interval time.Duration
	once     func(context.Context) error // takes one flush and sees it through
	pending  func() int                  // bytes that wait to be taken
	limit    *flushLimit
	wake     chan struct{} // flush at once
	some     chan struct{} // there may be something to take

	mu   sync.Mutex
	room *sync.Cond // signalled when a flush was taken, or the flusher stops
	over bool
}

func newFlusher(o Options, limit *flushLimit, pending func() int, once func(context.Context) error) *flusher {
	f := &flusher{
		clock: o.Clock, interval: o.FlushInterval, limit: limit, pending: pending, once: once,
		wake: make(chan struct{}, 1), some: make(chan struct{}, 1),
	}
	f.touched() // what was there when it began
	f.room = sync.NewCond(&f.mu)
	return f
}

// gatherShare is which part of the interval the first thing after a quiet time waits for others.
const gatherShare = 5

// run flushes until stop is closed, or ends with the first error.
func (f *flusher) run(ctx context.Context, stop <-chan struct{}) error {
	defer f.release()
	began := f.clock.Now()
	for {
		urgent, least := false, time.Duration(0)
		select {
		case <-f.some:
		default:
			select {
			case <-f.some:
				least = f.interval / gatherShare
			case <-f.wake:
				urgent = true
			case <-stop:
				return nil
			case <-ctx.Done():
				return nil
			}
		}
		// At most the interval: a clock without a monotonic reading may have been set back.
		if wait := min(f.interval, max(least, f.interval-f.clock.Now().Sub(began))); wait > 0 && !urgent {
			select {
			case <-f.wake:
			case <-f.clock.After(wait):
			case <-stop:
				return nil
			case <-ctx.Done():
				return nil
			}
		}
		began = f.clock.Now()
		if err := f.once(ctx); err != nil {
			return err
		}
	}
}

// touched tells that there may be something to take. It does not wait.
func (f *flusher) touched() {
	select {
	case f.some <- struct{}{}:
	default:
	}
}

// taken tells those who wait in grown that there is room.
func (f *flusher) taken() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room.Broadcast()
}

// release lets everybody pass from now on: nothing more will be taken.
func (f *flusher) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.room.Broadcast()
}

// now asks for a flush without waiting for the interval.
func (f *flusher) now() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// grown is called by the input after it added something. It waits when far more has gathered
// than one transaction should hold.
func (f *flusher) grown() {
	f.touched()
	limit := f.limit.get()
	if f.pending() < limit {
		return
	}
	f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.over && f.pending() >= 2*limit {
		f.room.Wait()
	}
}

// flushLimit is how many bytes a flush may hold. It outlives the stage's lives, because a
// transaction that timed out ends one of them.
type flushLimit struct {
	most    int
	timeout time.Duration

	mu  sync.Mutex
	now int
}

// leastFlush is what any broker commits in time.
const leastFlush = 256 << 10

func newFlushLimit(most int, timeout time.Duration) *flushLimit {
	return &flushLimit{most: most, timeout: timeout, now: most}
}

func (l *flushLimit) get() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// committed learns from a transaction. Small ones tell nothing about the rate: their time is
// that of the round trips.
func (l *flushLimit) committed(bytes int, took time.Duration) {
	if bytes < leastFlush || took <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fifth := float64(bytes) / took.Seconds() * (l.timeout / 5).Seconds()
	// Half way each time, so that one slow transaction does not decide.
	l.now = min(l.most, max(leastFlush, (l.now+int(min(fifth, float64(l.most))))/2))
}

// failed learns from a transaction that did not end in time.
func (l *flushLimit) failed(err error) {
	if !errors.Is(err, context.DeadlineExceeded) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = max(leastFlush, l.now/2)
}
