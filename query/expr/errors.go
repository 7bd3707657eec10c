package expr

import "fmt"

// TypeError is what a constructor returns for an expression that has no meaning. Message says
// what was found (and expected), Hint what to do; neither has a place, the binder knows it.
type TypeError struct {
	Message string
	Hint    string // may be empty
}

// Error returns the message and the hint in one line.
func (e *TypeError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + ": " + e.Hint
}

func typeError(hint, format string, args ...any) error {
	return &TypeError{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// UnknownFunction is returned by Call and NewAggregate for a name that is neither a function nor
// an aggregate, so that the binder can suggest others.
type UnknownFunction struct {
	Name    string
	Similar []string // the nearest names, best first, at most two
}

func (e *UnknownFunction) Error() string {
	text := "unknown function " + e.Name
	switch len(e.Similar) {
	case 1:
		text += ": did you mean " + e.Similar[0] + "?"
	case 2:
		text += ": did you mean " + e.Similar[0] + " or " + e.Similar[1] + "?"
	}
	return text
}

// Errors are the rows of one batch that failed, each with the first reason. The zero value is
// ready. It belongs to the goroutine that evaluates the batch, and serves any number of
// programs over it: a row that failed in one has failed in all.
type Errors struct {
	// Text bounds the text that is made; nil: nothing does.
	Text *TextRoom

	at     []error
	failed []int32
}

// Reset makes all n rows of the next batch good.
func (e *Errors) Reset(n int) {
	for _, i := range e.failed {
		e.at[i] = nil
	}
	e.failed = e.failed[:0]
	if n > len(e.at) {
		e.at = make([]error, max(n, 2*len(e.at)))
	}
}

// Fail marks row i. Only the first reason of a row is kept.
func (e *Errors) Fail(i int32, reason error) {
	if int(i) >= len(e.at) {
		e.at = append(e.at, make([]error, int(i)+1-len(e.at))...)
	}
	if e.at[i] == nil {
		e.at[i] = reason
		e.failed = append(e.failed, i)
	}
}

// Any tells whether a row failed.
func (e *Errors) Any() bool { return len(e.failed) > 0 }

// At returns why row i failed, nil when it did not.
func (e *Errors) At(i int32) error {
	if int(i) >= len(e.at) {
		return nil
	}
	return e.at[i]
}

// Drop removes the failed positions from sel, in place.
func (e *Errors) Drop(sel []int32) []int32 {
	if len(e.failed) == 0 {
		return sel
	}
	kept := sel[:0]
	for _, i := range sel {
		if e.At(i) == nil {
			kept = append(kept, i)
		}
	}
	return kept
}
