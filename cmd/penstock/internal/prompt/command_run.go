package prompt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// deepest is how deep \i may be nested: a file that includes itself ends there.
const deepest = 16

// include runs a file; "-" is stdin.
func (s *Session) include(ctx context.Context, name string) error {
	name = home(name)
	if name == "" {
		return wrong(`\i: expected the name of a file`)
	}
	if s.nested >= deepest {
		return wrong(`\i %s: files are nested more than %d deep`, name, deepest)
	}
	if name == "-" {
		return s.runReader(ctx, "stdin", s.In)
	}
	f, err := os.Open(name)
	if err != nil {
		return s.fault(ctx, fmt.Errorf("open %s: %w", name, plainError(err)), script{})
	}
	defer f.Close()
	s.nested++
	defer func() { s.nested-- }()
	// A person who reads a file in wants it to stop where it goes wrong, as a script does.
	person := s.person
	s.person = false
	defer func() { s.person = person }()
	failed := s.failed
	if err := s.runReader(ctx, name, f); err != nil {
		if person {
			s.failed = failed
			return errShown
		}
		return shownOnce(err)
	}
	return nil
}

// shownOnce marks an error of a nested file as shown.
func shownOnce(err error) error {
	if errors.Is(err, errShown) || errors.Is(err, errQuit) {
		return err
	}
	return fmt.Errorf("%w: %w", errShown, err)
}

// again is \g: what was entered before it on the line, or the last query.
func (s *Session) again(ctx context.Context, arg string, at script) error {
	sql := orElse(s.pending, s.last)
	if sql == "" {
		return wrong("no query so far")
	}
	if arg != "" {
		if err := s.outputOnce(ctx, arg, at); err != nil {
			return err
		}
	}
	return s.interruptible(ctx, func(ctx context.Context) error { return s.run(ctx, ended(sql)) })
}

func (s *Session) againVertical(ctx context.Context, arg string, at script) error {
	saved := s.Settings
	defer func() { s.Settings = saved }()
	s.Settings.Expanded = "on"
	return s.again(ctx, arg, at)
}

// ended puts a `;` behind a statement that has none.
func ended(sql string) string {
	if strings.HasSuffix(strings.TrimSpace(sql), ";") {
		return sql
	}
	return sql + ";"
}

// watch runs the last query again and again until Ctrl-C.
func (s *Session) watch(ctx context.Context, arg string, _ script) error {
	every := 2 * time.Second
	if arg = strings.TrimRight(arg, "; "); arg != "" {
		n, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(n > 0 && n <= 86400) {
			return wrong(`\watch %s: expected seconds`, arg)
		}
		every = time.Duration(n * float64(time.Second))
	}
	sql := orElse(s.pending, s.last)
	if sql == "" {
		return wrong("no query to watch")
	}
	sql = ended(sql)
	pager := s.Settings.Pager
	s.Settings.Pager = false
	defer func() { s.Settings.Pager = pager }()
	return s.interruptible(ctx, func(ctx context.Context) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			fmt.Fprintln(s.Out, s.paint("1", fmt.Sprintf("%s (every %s)", time.Now().UTC().Format(time.TimeOnly), interval(every))))
			if err := s.run(ctx, sql); err != nil {
				return err
			}
			fmt.Fprintln(s.Out)
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-tick.C:
			}
		}
	})
}

func interval(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'g', -1, 64) + " s" }

// resultLine is one result in a line: its time and its values.
func (s *Session) resultLine(r Result) string {
	rows := make([]string, len(r.Rows))
	for i, cells := range r.Rows {
		texts := make([]string, len(cells))
		for c, cell := range cells {
			text, ok := cellText(cell, Column{})
			if !ok {
				text = "null"
			}
			texts[c] = safe(text)
		}
		rows[i] = strings.Join(texts, " ")
		if len(r.Rows) == 1 && len(r.Columns) == len(cells) {
			for c := range texts {
				texts[c] = safe(r.Columns[c]) + " " + texts[c]
			}
			rows[i] = strings.Join(texts, "  ")
		}
	}
	text := strings.Join(rows, " · ")
	if len(rows) == 0 {
		text = "(no rows)"
	}
	return s.paint("2", clock(r.End)) + "  " + text
}

// edit is \e: the last statement or a file in $EDITOR; what comes out of it is run.
func (s *Session) edit(ctx context.Context, arg string, at script) error {
	name := home(arg)
	if name == "" {
		f, err := os.CreateTemp("", "penstock-*.sql")
		if err != nil {
			return fmt.Errorf("edit: %w", err)
		}
		name = f.Name()
		defer os.Remove(name)
		_, err = f.WriteString(orElse(s.pending, s.last) + "\n")
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("edit: %w", err)
		}
	}
	before, _ := os.Stat(name)
	editor := orElse(orElse(os.Getenv("PENSTOCK_EDITOR"), os.Getenv("VISUAL")), orElse(os.Getenv("EDITOR"), "vi"))
	if err := s.external("sh", "-c", editor+` "$1"`, "sh", name); err != nil {
		return err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("edit: %w", plainError(err))
	}
	if after, err := os.Stat(name); err == nil && before != nil && after.ModTime().Equal(before.ModTime()) && arg == "" {
		s.tell("not changed, not run")
		return nil
	}
	sql := strings.TrimSpace(string(text))
	if sql == "" {
		return nil
	}
	fmt.Fprintln(s.Out, safeLines(sql))
	if s.editor != nil {
		if err := s.editor.history.add(sql); err != nil {
			s.warn("%v", err)
		}
		s.editor.remember()
	}
	return s.runScript(ctx, "edited", sql)
}

func safeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = safe(strings.ReplaceAll(lines[i], "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// external runs a program that has the terminal to itself. Ctrl-C is its own.
func (s *Session) external(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, s.Out, s.Err
	if s.person && s.Interrupts != nil {
		defer s.Interrupts(func() {})()
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		s.tell("exit code %d", exit.ExitCode())
		return nil
	}
	return err
}

// pastEntries is \s: the history, or what of it holds a text.
func (s *Session) pastEntries(_ context.Context, arg string, _ script) error {
	if s.editor == nil {
		return nil
	}
	for _, e := range s.editor.history.find(arg) {
		fmt.Fprintln(s.Out, safe(e))
	}
	return nil
}
