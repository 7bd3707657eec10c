package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"penstock/engine"
	"penstock/query/syntax"
)

// The exit codes. Scripts and service managers decide by them, so they are listed in one place
// and nothing else calls os.Exit (but for the abort by a second Ctrl-C).
const (
	exitDone        = 0   // done, or stopped cleanly by SIGINT or SIGTERM where running is the job
	exitFailed      = 1   // the work failed
	exitUsage       = 2   // flags or arguments were wrong
	exitInvalid     = 3   // a query file is invalid
	exitUnreachable = 4   // broker or server unreachable, or it refused us
	exitState       = 5   // state, local or in Kafka, is in use, or does not fit what there is now
	exitDifferent   = 6   // fmt -l, fmt -d, topics create --check: differences found
	exitInterrupted = 130 // stopped by Ctrl-C before the work was done
)

// failure is an error with an exit code and, where we have one, advice.
type failure struct {
	code  int
	id    string // stable name such as P4001; empty for most
	text  string
	hints []string
	err   error // what it came from, for errors.Is
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// usage makes an error about the command line itself.
func usage(format string, args ...any) *failure {
	return &failure{code: exitUsage, text: fmt.Sprintf(format, args...)}
}

// hint adds a line of advice and returns the failure.
func (f *failure) hint(format string, args ...any) *failure {
	f.hints = append(f.hints, fmt.Sprintf(format, args...))
	return f
}

// near adds what a mistyped name was probably meant to be.
func (f *failure) near(typed string, names []string) *failure {
	if text := syntax.DidYouMean(typed, names); text != "" {
		f.hint("%s", text)
	}
	return f
}

// errSilent carries an exit code for a command that has already said everything.
type errSilent int

func (e errSilent) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// errInterrupted is the cause of a context that Ctrl-C or SIGTERM has ended.
var errInterrupted = errors.New("interrupted")

// report shows an error, once, and returns the exit code. A command that returned nil after a
// Ctrl-C has stopped cleanly, which is success; one that returns the context's error has not
// done its work.
func (a *app) report(ctx context.Context, err error) int {
	var f *failure
	var silent errSilent
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &silent):
		return int(silent)
	case errors.Is(err, errInterrupted),
		errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errInterrupted):
		a.say("interrupted")
		return exitInterrupted
	case !errors.As(err, &f):
		f = &failure{code: exitFailed, text: err.Error()}
		if no := engine.Refused(err, nil, nil); no != nil && !no.Guess {
			f = &failure{code: exitUnreachable, id: "P4002", text: err.Error(), hints: []string{no.Hint}}
		}
	case f.Error() != err.Error():
		// The failure was wrapped on its way: its code and hints hold, the longer text is shown.
		g := *f
		g.text = err.Error()
		f = &g
	}
	a.say("%s", a.render(f))
	return f.code
}

// render gives the text of a failure: the error first, then the hints.
func (a *app) render(f *failure) string {
	var b strings.Builder
	word := "error"
	if f.id != "" {
		word += "[" + f.id + "]"
	}
	b.WriteString(a.paint("1;31", word) + ": " + f.text)
	for _, h := range f.hints {
		b.WriteString("\n   = " + h)
	}
	return b.String()
}

// plainPathError drops the operation and the path that os puts before its reason, for callers that
// have already said both.
func plainPathError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// reason is what an error of the network comes down to: "connection refused" of "unable to dial:
// dial tcp 127.0.0.1:9092: connect: connection refused".
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer"
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+len(": "):]
	}
	return text
}
