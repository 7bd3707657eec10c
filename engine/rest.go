package engine

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// restLook is how often it is looked whether there was anything to do, restAfter after how long
	// without it the engine rests.
	restLook  = 5 * time.Second
	restAfter = 15 * time.Second
)

// rest gives memory back once nothing has come for a while: rows and blocks that the store has on
// disk, and what was grown for the load before. The next rows find it smaller, not wrong.
func (e *Engine) rest(ctx context.Context) {
	seen, since, resting := int64(-1), e.opts.Clock.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.opts.Clock.After(restLook):
		}
		now := e.opts.Clock.Now()
		if n := e.rowsRead(); n != seen {
			seen, since, resting = n, now, false
			continue
		}
		if resting || now.Sub(since) < restAfter {
			continue
		}
		resting = true
		if err := e.giveBack(); err != nil {
			e.log.Debug("give memory back", "err", err) // whoever uses it next says what is wrong
		}
	}
}

// rowsRead counts what this process has read of all streams, and of frames.
func (e *Engine) rowsRead() (n int64) {
	for _, st := range e.opts.Plan.Streams {
		if r := e.route(st); r != nil {
			for _, s := range r.assigned() {
				n += s.core.Position().Offset
			}
		}
	}
	e.mu.Lock()
	stages := e.stages
	e.mu.Unlock()
	for _, s := range stages {
		n += s.heavy.Load()
	}
	return n
}

func (e *Engine) giveBack() error {
	for _, st := range e.opts.Plan.Streams {
		if r := e.route(st); r != nil {
			r.rest()
		}
	}
	e.mu.Lock()
	fold := e.fold
	e.mu.Unlock()
	if fold != nil {
		for _, p := range fold.assigned() {
			if err := p.rest(); err != nil {
				return err
			}
		}
	}
	err := e.local().Rest()
	debug.FreeOSMemory()
	return err
}

func (r *routeLogic) rest() {
	r.mu.Lock()
	router := r.router
	r.mu.Unlock()
	if router != nil {
		router.Rest()
	}
	if r.life.runs != nil {
		r.life.runs.rest()
	}
}

func (p *foldPart) rest() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.core == nil || p.over || p.failed != nil {
		return nil
	}
	p.failed = p.core.Rest()
	return p.failed
}
