package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/storage"
)

// A store that is damaged is nobody's to mend: what it held is in the changelog. It is set aside, an
// empty one takes its place, and the engine goes on as with an emptied state directory. Damage that
// comes back is another matter: then it is the disk or the memory of the machine.

const (
	mostAsides  = 3
	asideWithin = time.Hour
)

// local is the store that is open now.
func (e *Engine) local() *storage.Store {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.store
}

// openStore opens the state directory, and sets aside what is damaged in it.
func (e *Engine) openStore() error {
	s := sharesOf(e.opts.Memory)
	for {
		o := storage.Options{
			App: e.opts.App, CacheBytes: s.cache, MemTableBytes: s.memTable, MaxMemTables: maxMemTables,
			Logger: e.opts.Logger.With("lib", "pebble"),
		}
		life := new(storeLife)
		o.OnFault = func(err error) { e.storeFault(life, err) }
		e.mu.Lock()
		e.storeLife, e.fault = life, nil
		e.mu.Unlock()
		store, err := storage.Open(e.opts.StateDir, o)
		if err == nil {
			e.mu.Lock()
			e.store = store
			e.mu.Unlock()
			return nil
		}
		if !errors.Is(err, storage.ErrCorrupt) {
			return err
		}
		if err := e.setAside(err); err != nil {
			return err
		}
	}
}

// storeLife tells the faults of one store from those of the one before.
type storeLife struct{ _ byte }

// setAside moves the damaged state away, unless that has helped too often.
func (e *Engine) setAside(cause error) error {
	now := e.opts.Clock.Now()
	e.mu.Lock()
	for len(e.asides) > 0 && now.Sub(e.asides[0]) > asideWithin {
		e.asides = e.asides[1:]
	}
	e.asides = append(e.asides, now)
	often := len(e.asides) > mostAsides
	e.mu.Unlock()
	if often {
		return fmt.Errorf("damaged again after it was set aside %d times within %s, look at the disk and the memory of this machine: %w", mostAsides, asideWithin, cause)
	}
	moved, err := storage.SetAside(e.opts.StateDir, storage.Options{App: e.opts.App})
	if err != nil {
		return fmt.Errorf("set the damaged state aside: %w", errors.Join(err, cause))
	}
	e.log.Warn("the state is damaged, it was set aside and is recovered from the changelog", "dir", e.opts.StateDir, "moved", moved, "err", cause)
	return nil
}

// rebuild begins again with an empty store, after the one that was open was found damaged. It is nil
// when there is one.
func (e *Engine) rebuild(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	_ = e.Close() // it failed, and says so again
	e.setState("starting")
	if err := e.setAside(cause); err != nil {
		return err
	}
	if err := e.openStore(); err != nil {
		return err
	}
	return e.rideOut(ctx, e.prepare)
}

// storeFault ends what runs when the store has stopped working for good.
func (e *Engine) storeFault(of *storeLife, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.storeLife != of {
		return // the one before
	}
	e.fault = &StopError{Err: err}
	if e.stop != nil {
		e.stop(e.fault)
	}
}
