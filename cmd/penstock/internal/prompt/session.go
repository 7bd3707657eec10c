package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"penstock/cmd/penstock/internal/human"

	"golang.org/x/term"
)

// Options are what a session is made of.
type Options struct {
	Server   Server
	In       *os.File
	Out, Err *os.File
	Color    bool
	Settings Settings
	URL      string // of the server, to show
	History  string // file of the history, empty: none

	Commands  []string // -c: run these and leave
	File      string   // -f: run this file and leave; - is In
	KeepGoing bool     // go on behind a statement that failed
	Quiet     bool     // no banner
	Output    string   // -o: a file for the answers

	// Interrupts lets a function have Ctrl-C instead of the process, until the result is called.
	Interrupts func(func()) func()
	// Lines is told where to write what others have to say while the session has the terminal; nil: to
	// the terminal again. Nil: nobody has anything to say.
	Lines func(io.Writer)
	// Leaving is asked before an interactive session ends; false: stay. Nil: nothing to ask.
	Leaving func(answer func(question string) string) bool
}

// ErrFailed is returned by Run when a statement failed; what was wrong has been shown.
var ErrFailed = errors.New("a statement failed")

// errQuit ends a session from a command.
var errQuit = errors.New("quit")

// errCancelled is the cause of a context that Ctrl-C has ended.
var errCancelled = errors.New("cancelled")

// Session is one run of the prompt. It belongs to one goroutine.
type Session struct {
	Options
	person bool // somebody sits at a terminal
	editor *editor

	target *target // \o
	once   bool    // only for the next answer

	buffer string // the statement that is being entered
	script script // where it comes from
	nested int    // how deep \i is
	hinted bool   // the way out was shown

	pending string // the statement before a command on its line
	last    string // the last statement that ran
	lastErr error
	lastBad string // what it was about
	vars    map[string]string

	mu        sync.Mutex
	app       string     // of the server
	relations []Relation // for completion
	asked     time.Time

	early   atomic.Bool // Ctrl-C came behind Enter, before anything ran
	failed  bool
	notices notices
}

// script is the text that statements come from, and where in it the buffer begins: so that a fault
// is shown with the line of its file.
type script struct {
	name   string
	text   string
	offset int
}

// Run reads statements and commands until their end: from -c, a file, a pipe or a person.
func Run(ctx context.Context, o Options) error {
	s := &Session{Options: o, vars: map[string]string{}}
	defer s.closeTarget()
	if o.Output != "" {
		if err := s.openTarget(home(o.Output)); err != nil {
			return err
		}
	}
	switch {
	case len(o.Commands) > 0:
		for _, text := range o.Commands {
			if err := s.runScript(ctx, "-c", text); err != nil {
				return s.end(ctx, err)
			}
		}
	case o.File != "":
		if err := s.include(ctx, o.File); err != nil {
			return s.end(ctx, err)
		}
	case !term.IsTerminal(int(o.In.Fd())):
		if err := s.runReader(ctx, "stdin", o.In); err != nil {
			return s.end(ctx, err)
		}
	default:
		s.person = term.IsTerminal(int(o.Out.Fd()))
		return s.end(ctx, s.interact(ctx))
	}
	return s.end(ctx, nil)
}

// end is how a session ends: an error has been shown already, unless the whole process was asked
// to stop.
func (s *Session) end(ctx context.Context, err error) error {
	var away *Unreachable
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil && s.failed:
		return ErrFailed
	case err == nil, errors.Is(err, errQuit):
		return nil
	case errors.As(err, &away):
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return ErrFailed
}

// interact talks with a person.
func (s *Session) interact(ctx context.Context) error {
	h, err := openHistory(s.History)
	if err != nil {
		s.warn("%v", err)
	}
	if s.editor, err = newEditor(s.In, s.Out, h, s.Color); err != nil {
		return err
	}
	c := &completer{relations: s.known, settings: settingNames}
	s.editor.complete = c.complete
	s.editor.show = func(list []candidate) {
		s.editor.print(menu(list, s.editor.width(), s.paint))
	}
	stop := context.AfterFunc(ctx, s.editor.close)
	defer stop()
	if s.Interrupts != nil {
		// A Ctrl-C between two queries ends nothing; between Enter and its query, it is the query's.
		defer s.Interrupts(func() { s.early.Store(true) })()
	}
	if s.Lines != nil {
		s.Lines(&s.notices)
		defer s.Lines(nil)
	}
	s.notices.to(s.editor.rl.Stdout())
	s.banner(ctx)
	go s.refresh(ctx)
	for ctx.Err() == nil {
		s.early.Store(false)
		line, err := s.editor.read(s.prompt(), s.buffer)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case errors.Is(err, errDropped):
			s.dropped(line)
			continue
		case err != nil && s.leaves():
			return nil
		case err != nil:
			continue
		}
		if err := s.enter(ctx, line); errors.Is(err, errQuit) {
			if s.leaves() {
				return nil
			}
		}
	}
	return nil
}

// leaves tells whether the session may end.
func (s *Session) leaves() bool {
	return s.Leaving == nil || s.Leaving(func(question string) string {
		line, err := s.editor.read(question, "")
		if err != nil {
			return ""
		}
		return strings.TrimSpace(line)
	})
}

func (s *Session) dropped(line string) {
	if line == "" && s.buffer == "" && !s.hinted {
		fmt.Fprintln(s.Out, `(\q or Ctrl-D to leave)`)
		s.hinted = true
	}
	s.reset()
}

func (s *Session) reset() { s.buffer, s.script = "", script{} }

// prompt is the name of the application, or what is open.
func (s *Session) prompt() string {
	if s.buffer != "" {
		return openPrompt(s.buffer)
	}
	return s.name() + "=> "
}

// enter takes a line that a person typed. What was entered goes to the history when it is
// complete, as one entry.
func (s *Session) enter(ctx context.Context, line string) error {
	if s.buffer == "" && strings.TrimSpace(line) == "" {
		return nil
	}
	if to := bare[strings.ToLower(strings.TrimSpace(line))]; to != "" && s.buffer != "" {
		fmt.Fprintf(s.Out, "(a statement is open; here it is %s, and Ctrl-C drops the statement)\n", to)
	}
	s.buffer += line + "\n"
	s.script = script{name: "prompt", text: s.buffer}
	entered := s.buffer
	if !cut(s.buffer).complete {
		return nil
	}
	if err := s.editor.history.add(entered); err != nil {
		s.warn("%v", err)
		s.editor.history.file = ""
	}
	s.editor.remember()
	err := s.drain(ctx)
	if s.buffer == "" {
		s.script = script{}
	}
	return err
}

// drain does what is complete in the buffer, and leaves the rest.
func (s *Session) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		p := cut(s.buffer)
		if !p.complete {
			break
		}
		at := s.script
		at.offset += p.start
		s.buffer = s.buffer[p.rest:]
		s.script.offset += p.rest
		if err := s.do(ctx, p, at); err != nil {
			return err
		}
		if strings.TrimSpace(s.buffer) == "" {
			s.reset()
			return nil
		}
	}
	return nil
}

// do runs one piece. Errors of statements are shown here; they are returned when they end the
// session.
func (s *Session) do(ctx context.Context, p piece, at script) error {
	var err error
	switch {
	case p.command != "":
		s.pending = p.statement
		err = s.command(ctx, p.command, at)
		s.pending = ""
	case p.statement != "":
		err = s.interruptible(ctx, func(ctx context.Context) error { return s.run(ctx, p.statement) })
	}
	if err == nil || errors.Is(err, errQuit) {
		return err
	}
	if !errors.Is(err, errShown) {
		s.lastBad = strings.TrimSpace(p.statement + " " + p.command)
	}
	return s.fault(ctx, err, at)
}

// fault shows an error; the result ends a script and is nil for a person.
func (s *Session) fault(ctx context.Context, err error, at script) error {
	if ctx.Err() != nil {
		return err
	}
	if !errors.Is(err, errShown) {
		s.lastErr = err
		s.showError(err, at)
	}
	s.failed = s.failed || !s.person
	if s.person || s.KeepGoing {
		return nil
	}
	return err
}

// errShown is an error that was shown where it arose, in a file that \i read.
var errShown = errors.New("shown")

// runScript runs a text to its end. What is left there without a `;` is a statement too.
func (s *Session) runScript(ctx context.Context, name, text string) error {
	saved, script0 := s.buffer, s.script
	defer func() { s.buffer, s.script = saved, script0 }()
	s.buffer, s.script = text, script{name: name, text: text}
	if err := s.drain(ctx); err != nil {
		return err
	}
	p := cut(s.buffer)
	if p.statement == "" || ctx.Err() != nil {
		return nil
	}
	at := s.script
	at.offset += p.start
	p.statement = strings.TrimRight(p.statement, " \t\r\n")
	return s.do(ctx, p, at)
}

// runReader runs what a pipe brings, statement by statement as it comes.
func (s *Session) runReader(ctx context.Context, name string, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(human.Until(ctx, r), maxScript+1))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return s.fault(ctx, fmt.Errorf("read %s: %w", name, plainError(err)), script{})
	case len(text) > maxScript:
		return s.fault(ctx, fmt.Errorf("%s is larger than %s", name, human.Bytes(maxScript)), script{})
	}
	return s.runScript(ctx, name, string(text))
}

// maxScript is how long a script may be.
const maxScript = 64 << 20

// interruptible runs something that Ctrl-C cancels. The second Ctrl-C does not wait for it.
func (s *Session) interruptible(ctx context.Context, work func(context.Context) error) error {
	if !s.person || s.Interrupts == nil {
		return work(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	hits, force := 0, make(chan struct{})
	stop := s.Interrupts(func() {
		if hits++; hits == 2 {
			close(force)
		}
		cancel(errCancelled)
	})
	defer stop()
	if s.editor != nil && s.editor.keys.interrupted() || s.early.Load() {
		cancel(errCancelled)
	}
	started := time.Now()
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-force:
		err = errCancelled
	}
	if errors.Is(context.Cause(ctx), errCancelled) && err != nil {
		fmt.Fprintf(s.Out, "\ncancelled after %s\n", human.Seconds(time.Since(started)))
		return nil
	}
	return err
}

// paint colours a text for the terminal.
func (s *Session) paint(style, text string) string {
	if !s.Color || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// warn says something beside the answers.
func (s *Session) warn(format string, args ...any) {
	fmt.Fprintf(s.Err, s.paint("33", "warning")+": "+format+"\n", args...)
}

// tell says something to a person, and nothing to a script.
func (s *Session) tell(format string, args ...any) {
	if s.person {
		fmt.Fprintf(s.Out, format+"\n", args...)
	}
}
