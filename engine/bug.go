package engine

import (
	"fmt"
	"runtime/debug"
)

// A panic is a bug of ours. In a callback Goka would take it for an error and begin again, with the
// same record, for ever; in a goroutine of ours it would end the process without a word about where.
// So what can panic runs within guarded. A stage then ends, and the engine with it, and says what it
// was doing. Nothing that is half done is committed: a partition gives nothing to a flush after a
// panic, and a flush that panics was not sent, or lacks in the store only, where the next start adds
// what the changelog has. A query gets the error for its answer, and nothing else ends.

// BugError is a panic of our own: where it was, what it said, and its stack.
type BugError struct {
	Where string // such as: group shop-route-orders, orders/2, offsets 18 to 30
	What  string
	Stack []byte
}

// Error says it in one line, without the stack.
func (e *BugError) Error() string {
	return fmt.Sprintf("this is a bug of penstock: panic in %s: %s", e.Where, e.What)
}

// guarded runs f and makes a *BugError of its panic. where is asked only then.
func guarded(where func() string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &BugError{Where: where(), What: fmt.Sprint(p), Stack: debug.Stack()}
		}
	}()
	return f()
}

// guarded is guarded for a stage: its error ends the engine, and shows the stack.
func (s *stage) guarded(where string, f func() error) error {
	return s.guardedAt(func() string { return where }, f)
}

func (s *stage) guardedAt(where func() string, f func() error) error {
	err := guarded(func() string { return "group " + s.group + ", " + where() }, f)
	if bug, ok := err.(*BugError); ok {
		return stopf("%w\nwhat was not committed is read again by the next start; please report this:\n%s", bug, bug.Stack)
	}
	return err
}

// watched runs what returns no error, in a goroutine beside the callbacks.
func (l *life) watched(what string, f func()) {
	err := l.guarded(what, func() error {
		f()
		return nil
	})
	if err != nil {
		l.fail(err)
	}
}

// guardedQuery is guarded for what answers a query: its error is the answer, the stack goes to the log.
func (e *Engine) guardedQuery(f func() error) error {
	err := guarded(func() string { return "a query" }, f)
	if bug, ok := err.(*BugError); ok {
		e.log.Error("panic in a query", "panic", bug.What, "stack", string(bug.Stack))
	}
	return err
}
