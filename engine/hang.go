package engine

import (
	"context"
	"sync"
	"time"
)

// A deadlock or a loop without end in our own code stops a partition, or a stage, and nobody hears of it: the
// group's heartbeats go on. So a run of a stream's rows and a flush are noted while they are worked on, and one
// that takes far longer than any should is logged. A frame that is never done with holds up the next
// flush, and shows as that. Nothing here takes a lock that the work may hold.

const (
	// hangAfter is how long a run or a flush may take at least. A flush may also take until Kafka gives its
	// transaction up, and as long to find out.
	hangAfter = time.Minute
	// hangLook is how often it is looked.
	hangLook = 15 * time.Second
)

// task is a piece of work that runs.
type task struct {
	where func() string
	since time.Time
	said  bool
}

// tasks are those of a stage.
type tasks struct {
	mu      sync.Mutex
	running map[*task]struct{}
}

func (x *tasks) begin(where func() string, now time.Time) *task {
	t := &task{where: where, since: now}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.running == nil {
		x.running = map[*task]struct{}{}
	}
	x.running[t] = struct{}{}
	return t
}

func (x *tasks) end(t *task) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.running, t)
}

// hanging calls fn for the tasks that take longer than they may, once for each.
func (x *tasks) hanging(now time.Time, may time.Duration, fn func(where string, took time.Duration)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for t := range x.running {
		if took := now.Sub(t.since); took >= may && !t.said {
			t.said = true
			fn(t.where(), took)
		}
	}
}

// watchWork logs the work of the stages that hangs.
func (e *Engine) watchWork(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.opts.Clock.After(hangLook):
		}
		for _, s := range e.stages {
			s.tasks.hanging(e.opts.Clock.Now(), max(hangAfter, 2*e.opts.TransactionTimeout), func(where string, took time.Duration) {
				s.log.Warn("no progress: kill -QUIT shows what every goroutine of the process does, and ends it", "at", where, "for", took.Round(time.Second))
			})
		}
	}
}
