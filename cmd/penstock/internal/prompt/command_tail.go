package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"penstock/cmd/penstock/internal/human"
	"penstock/cmd/penstock/live"
	"penstock/query/syntax"
)

// mostTailed is how many past records or results may be asked for.
const mostTailed = 250

// tail is \tail METRIC|TOPIC [N]: the last results or records, and those that come.
func (s *Session) tail(ctx context.Context, arg string, _ script) error {
	words := strings.Fields(strings.TrimRight(arg, "; "))
	n := 10
	switch len(words) {
	case 2:
		var err error
		if n, err = strconv.Atoi(words[1]); err != nil || n < 0 || n > mostTailed {
			return wrong(`\tail %s: expected how many, from 0 to %d`, arg, mostTailed)
		}
	case 1:
	default:
		return wrong(`\tail: expected the name of a metric or a topic, and how many`)
	}
	return s.untilKey(ctx, func(ctx context.Context, out io.Writer, seen *atomic.Int64) error {
		return s.follow(ctx, strings.Trim(words[0], `"`), n, out, seen)
	})
}

// follow writes what a metric or a topic brings until ctx ends.
func (s *Session) follow(ctx context.Context, name string, n int, out io.Writer, seen *atomic.Int64) error {
	metric, err := s.isMetric(ctx, name)
	switch {
	case err != nil:
		return withoutPlace(err)
	case metric:
		return withoutPlace(s.Server.Tail(ctx, name, n, func(r Result) error {
			seen.Add(1)
			_, err := fmt.Fprintln(out, s.resultLine(r))
			return err
		}))
	}
	return withoutPlace(s.Server.Records(ctx, name, n, func(r Record) error {
		seen.Add(1)
		_, err := fmt.Fprintln(out, s.recordLine(r))
		return err
	}, func(skipped int64) error {
		_, err := fmt.Fprintln(out, s.paint("33", fmt.Sprintf("… %s left out: more come than can be shown", count(skipped, "record"))))
		return err
	}))
}

// isMetric tells whether a name is a metric's; it is an error when it is nothing that can be followed.
func (s *Session) isMetric(ctx context.Context, name string) (bool, error) {
	relations, err := s.Server.Relations(ctx)
	if err != nil {
		return false, err
	}
	var metrics, topics []string
	table := false
	for _, r := range relations {
		same := strings.EqualFold(r.Name, name)
		switch r.Kind {
		case "metric":
			if same {
				return true, nil
			}
			metrics = append(metrics, r.Name)
		case "stream":
			if same {
				return false, nil
			}
		case "table":
			table = table || same
		}
	}
	if topics, err = s.Server.Topics(ctx); err != nil {
		return false, err
	}
	for _, t := range topics {
		if t == name || strings.EqualFold(name, "rejects") || strings.EqualFold(name, "decisions") {
			return false, nil
		}
	}
	if table {
		return false, &Problem{Message: name + " is a table, and has no topic", Hints: []string{`to see it change: \live SELECT * FROM ` + name}}
	}
	p := &Problem{Message: "no metric or topic named " + strconv.Quote(name)}
	if near := syntax.DidYouMean(name, append(metrics, topics...)); near != "" {
		p.Hints = append(p.Hints, near)
	}
	p.Hints = append(p.Hints, "there are: metrics "+strings.Join(metrics, ", ")+"; topics "+strings.Join(topics, ", "))
	return false, p
}

// recordLine is one record in a line: where and when, its key, and its value as text.
func (s *Session) recordLine(r Record) string {
	text := s.paint("2", fmt.Sprintf("%s  %d @ %s", clock(r.Time), r.Partition, numberText(r.Offset))) + "  "
	if r.Key != nil {
		text += s.paint("36", safe(string(r.Key))) + "  "
	}
	if r.Value == nil {
		return text + s.paint("2", "null")
	}
	text += safe(string(r.Value))
	if r.Cut {
		text += "…"
	}
	return text
}

// errLeft is the cause of a context that q has ended.
var errLeft = errors.New("left")

// untilKey runs something that q, Ctrl-C or Ctrl-D ends. Meanwhile the terminal gives keys one by one and
// echoes none, so work writes to out, which ends lines as that needs. It counts what it has shown.
func (s *Session) untilKey(ctx context.Context, work func(ctx context.Context, out io.Writer, seen *atomic.Int64) error) error {
	var seen atomic.Int64
	in := int(s.In.Fd())
	if !s.person || s.editor == nil || !term.IsTerminal(in) {
		return work(ctx, s.Out, &seen)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.editor.keys.interrupted() || s.early.Load() {
		cancel(errCancelled)
	}
	state, err := term.MakeRaw(in)
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	s.notices.to(nil)
	s.editor.keys.give(viewer)
	keys := make(chan byte, 16)
	pressed := make(chan struct{})
	go func() {
		defer close(pressed)
		s.editor.keys.pressed(keys)
	}()
	started, done := time.Now(), make(chan error, 1)
	go func() { done <- work(ctx, rawLines{s.Out}, &seen) }()
	err = s.awaitKey(keys, done, cancel)
	s.editor.keys.give(nobody)
	<-pressed
	restored := term.Restore(in, state)
	s.notices.to(s.editor.rl.Stdout())
	text := fmt.Sprintf(" after %s, %s", human.Seconds(time.Since(started)), count(seen.Load(), "record"))
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCancelled):
		fmt.Fprintf(s.Out, "^C\ncancelled%s\n", text)
	case errors.Is(cause, errLeft):
		fmt.Fprintf(s.Out, "closed%s\n", text)
	default:
		return errors.Join(err, restored)
	}
	return restored
}

// awaitKey waits for the end of the work, or for a key that ends it. The second such key does not wait.
func (s *Session) awaitKey(keys <-chan byte, done <-chan error, cancel context.CancelCauseFunc) error {
	hits := 0
	for {
		select {
		case err := <-done:
			return err
		case key := <-keys:
			if !live.Leaves(key) {
				continue
			}
			if hits++; hits == 2 {
				return errCancelled
			}
			if key == 3 {
				cancel(errCancelled)
			} else {
				cancel(errLeft)
			}
		}
	}
}

// rawLines ends lines as a terminal in raw mode needs it.
type rawLines struct{ out io.Writer }

// Write writes text of whole lines.
func (r rawLines) Write(p []byte) (int, error) {
	_, err := io.WriteString(r.out, strings.ReplaceAll(string(p), "\n", "\r\n"))
	return len(p), err
}
