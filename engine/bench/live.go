package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// liveEvery is the interval of the metrics of (f): a second and not five, so that there are more
// results to measure. liveSettle is how long orders come before anything is counted.
const (
	liveEvery  = time.Second
	liveSettle = 3 * time.Second
	liveLinger = 5 * time.Millisecond // of the producer, part of what is measured
)

// live measures the time from an interval's end to its result while orders come at a rate. They have
// Kafka's time, which is the wall clock of their producer, and the stream has no delay: what is
// measured is all that the engine adds.
func (r *run) live(ctx context.Context, rate int) (Measure, error) {
	name := fmt.Sprintf("live-%d", rate)
	query := strings.ReplaceAll(r.queryOf(name), "5 SECONDS", "1 SECONDS")
	// The engine does not make source topics, and the producer begins only when all is ready.
	if _, err := r.child(ctx, task{Step: stepLoad, Topic: name}); err != nil {
		return Measure{}, err
	}
	p, err := r.start(ctx, name, query, name)
	if err != nil {
		return Measure{}, err
	}
	if _, err := p.awaitReady(ctx); err != nil {
		return Measure{}, err
	}
	cpu := p.cpu()
	got, err := r.child(ctx, task{Step: stepLive, Topic: name, Rate: rate, For: r.LiveFor})
	if err != nil {
		return Measure{}, err
	}
	m := Measure{Rows: got.Rows, Took: got.Took, CPU: p.cpu() - cpu, Peak: p.peak(), Note: got.Note}
	return m, p.end()
}

// live sends orders in real time and waits for the results of each interval.
func (w *worker) live(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.task.Brokers...), kgo.ConsumeTopics(metricsTopic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	l, err := w.newLoader(ctx, liveLinger)
	if err != nil {
		return err
	}
	defer l.client.Close()
	began := time.Now()
	sent := make(chan error, 1)
	counts := counter{}
	go func() { sent <- l.pace(ctx, w.task.Rate, liveSettle+w.task.For, counts) }()
	a := &arrivals{from: began.Add(liveSettle).Truncate(liveEvery).Add(liveEvery), seen: map[string]map[int64]arrival{}}
	until := began.Add(liveSettle + w.task.For).Truncate(liveEvery) // the last interval that has all its orders
	if err := a.collect(ctx, cl, until, sent); err != nil {
		return err
	}
	w.stop()
	w.got.Rows = l.sent
	w.got.Note, err = a.report(until, counts)
	return err
}

// counter counts orders by side and end of their interval in milliseconds.
type counter map[byte]map[int64]int64

// pace sends orders at a rate for a time, each stamped with the moment it is sent. What the machine
// did not give time for is made up for at once, so the rate holds.
func (l *loader) pace(ctx context.Context, rate int, long time.Duration, counts counter) error {
	counts['B'], counts['S'] = map[int64]int64{}, map[int64]int64{}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for {
		var now time.Time
		select {
		case <-tick.C:
			now = time.Now()
		case <-ctx.Done():
			return ctx.Err()
		}
		passed := now.Sub(began)
		if passed >= long {
			return l.flush(ctx)
		}
		end := now.Truncate(liveEvery).Add(liveEvery).UnixMilli()
		for due := int(passed.Seconds() * float64(rate)); l.sent < due; {
			line := l.send(ctx, now)
			counts[line[len(line)-1]][end]++
		}
	}
}

type arrival struct {
	late time.Duration // behind the interval's end
	rows []map[string]any
}

// arrivals are the results that came, by metric and end of the interval in milliseconds.
type arrivals struct {
	from time.Time // the first end that counts
	seen map[string]map[int64]arrival
}

// liveGrace is how long a result is waited for after the last order: far more than it takes, and an
// error then.
const liveGrace = 10 * time.Second

// collect takes results until all metrics have one of every interval up to a time, or none comes.
func (a *arrivals) collect(ctx context.Context, cl *kgo.Client, until time.Time, sent <-chan error) error {
	ctx, cancel := context.WithDeadline(ctx, until.Add(liveGrace))
	defer cancel()
	for sending := true; sending || !a.complete(until); {
		poll, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		fetches := cl.PollFetches(poll)
		stop()
		now := time.Now()
		if ctx.Err() != nil {
			return fmt.Errorf("no result of %s came within %s", until, liveGrace)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			if err := a.add(it.Next(), now); err != nil {
				return err
			}
		}
		select {
		case err := <-sent:
			if sending = false; err != nil {
				return err
			}
		default:
		}
	}
	return nil
}

func (a *arrivals) add(rec *kgo.Record, now time.Time) error {
	p, err := parsePublished(rec.Value)
	if err != nil {
		return err
	}
	if p.Intervals > 1 || p.End.Before(a.from) {
		return nil
	}
	if a.seen[p.Metric] == nil {
		a.seen[p.Metric] = map[int64]arrival{}
	}
	end := p.End.UnixMilli()
	if _, ok := a.seen[p.Metric][end]; ok {
		return fmt.Errorf("%s of %s was published twice", p.Metric, p.End)
	}
	a.seen[p.Metric][end] = arrival{late: now.Sub(p.End), rows: p.Rows}
	return nil
}

func (a *arrivals) complete(until time.Time) bool {
	for _, ends := range a.seen {
		if _, ok := ends[until.UnixMilli()]; !ok {
			return false
		}
	}
	return len(a.seen) == 4
}

// report checks that every interval is there with the right counts, and says how late results were.
func (a *arrivals) report(until time.Time, counts counter) (string, error) {
	var late []time.Duration
	for metric, ends := range a.seen {
		for end := a.from; !end.After(until); end = end.Add(liveEvery) {
			ms := end.UnixMilli()
			got, ok := ends[ms]
			if !ok {
				return "", fmt.Errorf("%s of %s is missing", metric, end)
			}
			late = append(late, got.late)
			if side, ok := map[string]byte{"BUYS": 'B', "SELLS": 'S'}[metric]; ok {
				if err := sameCount(got.rows, counts[side][ms]); err != nil {
					return "", fmt.Errorf("%s of %s: %w", metric, end, err)
				}
			}
		}
	}
	if len(late) == 0 {
		return "", fmt.Errorf("no interval ended within the time")
	}
	slices.Sort(late)
	at := func(share float64) time.Duration {
		return late[int(share*float64(len(late)-1))].Round(time.Millisecond)
	}
	return fmt.Sprintf("%d results, p50 %s, p99 %s, max %s after their interval's end", len(late), at(0.5), at(0.99), at(1)), nil
}
