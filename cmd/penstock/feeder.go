package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/cmd/penstock/gen"
)

// feeder sends generated orders to a topic as a market would: at a rate, with the time at which
// they are sent.
type feeder struct {
	client    *kgo.Client // its default topic is where the orders go
	generator *gen.Generator
	perSecond float64
	sent      atomic.Int64
}

// maxBurst is how much a feeder makes up at once for time in which it could not send, such as a
// machine that was asleep.
const maxBurst = 2 * time.Second

// past sends the orders of a stretch of time up to now, dated then, and waits for the broker. A
// demo begins with them so that there is something to see before the first interval has passed.
func (f *feeder) past(ctx context.Context, now time.Time, length time.Duration) error {
	n := int(f.perSecond * length.Seconds())
	for i := range n {
		f.send(ctx, now.Add(-length+time.Duration(float64(i)/f.perSecond*float64(time.Second))))
	}
	if err := f.client.Flush(ctx); err != nil {
		return fmt.Errorf("send orders: %w", err)
	}
	return nil
}

// run sends orders until ctx ends, which is no error.
func (f *feeder) run(ctx context.Context) error {
	last, owed := time.Now(), 0.0
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			owed += min(now.Sub(last), maxBurst).Seconds() * f.perSecond
			last = now
			for ; owed >= 1; owed-- {
				f.send(ctx, now)
			}
		}
	}
}

func (f *feeder) send(ctx context.Context, at time.Time) {
	r := &kgo.Record{Value: f.generator.NextAt(nil, at), Timestamp: at}
	// The client sends again whatever it can; an error is left only when the demo ends.
	f.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
		if err == nil {
			f.sent.Add(1)
		}
	})
}
