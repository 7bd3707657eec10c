package engine

import (
	"context"
	"time"
)

// backoff is how long to wait before the next try: it doubles from a tenth of a second to five
// seconds. It belongs to one goroutine.
type backoff struct {
	next time.Duration
}

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// wait waits its turn, or until ctx is done and then returns its error.
func (b *backoff) wait(ctx context.Context) error {
	b.next = min(max(2*b.next, firstBackoff), lastBackoff)
	t := time.NewTimer(b.next)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reset makes the next wait short again.
func (b *backoff) reset() { b.next = 0 }
