package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// RunningError is returned by a reset while a process of the application runs, or may run.
type RunningError struct {
	App  string
	Who  []string // as Kafka knows them
	Seen bool     // one has said that it runs; otherwise Kafka only has not seen them leave
	Wait time.Duration
}

// Error says who runs.
func (e *RunningError) Error() string {
	if e.Seen {
		return fmt.Sprintf("application %q is running (%s); nothing was deleted", e.App, strings.Join(e.Who, ", "))
	}
	return fmt.Sprintf("after %s application %q still has members (%s), which may be processes that hang or that cannot reach Kafka; nothing was deleted", e.Wait, e.App, strings.Join(e.Who, ", "))
}

// await waits until nobody is in the groups. A process that has ended, even cleanly, is a member
// until its session has timed out; one that runs says so every two seconds.
func (x *resetting) await(ctx context.Context) error {
	if len(x.plan.Running) == 0 {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, x.Wait)
	defer cancel()
	seen := make(chan string, 1)
	stop, err := x.listen(limit, seen)
	if err != nil {
		return err
	}
	defer stop()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case who := <-seen:
			return &RunningError{App: x.App, Who: []string{who}, Seen: true}
		case <-limit.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &RunningError{App: x.App, Who: x.plan.Running, Wait: x.Wait}
		case <-tick.C:
		}
		who, err := x.members(limit, x.plan.Groups)
		if err != nil && limit.Err() == nil {
			return err
		}
		if err == nil {
			if x.plan.Running = who; len(who) == 0 {
				return nil
			}
		}
	}
}

// listen tells of the first process that says from now on that it runs. The caller calls stop.
func (x *resetting) listen(ctx context.Context, seen chan<- string) (stop func(), err error) {
	topic := x.names.Members()
	if !slices.ContainsFunc(x.plan.Topics, func(t ResetTopic) bool { return t.Topic == topic }) {
		return func() {}, nil
	}
	limits, err := x.cluster.bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(clientOptions(x.Brokers, x.Security, "penstock-reset", x.Logger),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(limits[0].End)}}))...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", topic, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if len(r.Value) > 0 { // no value is a goodbye
					select {
					case seen <- string(r.Key):
					default: // one is enough
					}
				}
			})
		}
	}()
	return func() {
		cancel()
		<-ended
		client.Close()
	}, nil
}
