package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/term"

	"penstock/query/syntax"
)

// run asks the server and prints what it says.
func (s *Session) run(ctx context.Context, sql string) error {
	sql = s.substitute(sql)
	s.last = sql
	a, err := s.ask(ctx, sql)
	if err != nil {
		return err
	}
	return s.show(a)
}

// ask sends a statement; the answer knows how long that took.
func (s *Session) ask(ctx context.Context, sql string) (*Answer, error) {
	started := time.Now()
	a, err := s.Server.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	if a.Fresh.Took == 0 {
		a.Fresh.Took = time.Since(started)
	}
	return a, nil
}

// substitute puts variables of \set in place: :name, :'name' as a text, :"name" as a name.
func (s *Session) substitute(sql string) string {
	if len(s.vars) == 0 || !strings.Contains(sql, ":") {
		return sql
	}
	var out strings.Builder
	at := 0
	tokens := syntax.Lex(sql)
	for i := 0; i+1 < len(tokens); i++ {
		colon, name := tokens[i], tokens[i+1]
		if colon.Kind != syntax.Invalid || sql[colon.Start:colon.End] != ":" || name.Start != colon.End {
			continue
		}
		word := sql[name.Start:name.End]
		value, ok := s.vars[strings.Trim(word, `'"`)]
		if !ok {
			continue
		}
		switch name.Kind {
		case syntax.Text:
			value = "'" + strings.ReplaceAll(value, "'", "''") + "'"
		case syntax.QuotedName:
			value = `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
		}
		out.WriteString(sql[at:colon.Start] + value)
		at = name.End
	}
	return out.String() + sql[at:]
}

// show prints an answer where answers go: the terminal, a pipe, or the file of \o.
func (s *Session) show(a *Answer) error {
	partial := a.Fresh.Partial()
	if s.target != nil {
		if err := s.print(s.target, a, false); err != nil {
			return fmt.Errorf("write %s: %w", s.target.name, err)
		}
		s.target.rows += int64(len(a.Rows))
		if s.once {
			s.closeTarget()
		}
	} else if err := s.print(s.Out, a, true); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if partial && !(s.person && s.target == nil && people(s.Settings.Format)) {
		s.warn("the answer is partial: %s", strings.Trim(footer(a), "()"))
	}
	if s.Settings.Timing {
		fmt.Fprintf(s.Out, "Time: %.3f ms\n", float64(a.Fresh.Took)/1e6)
	}
	return nil
}

// print writes an answer with its footer. On a terminal a long one goes through the pager.
func (s *Session) print(w io.Writer, a *Answer, toOut bool) error {
	tty := toOut && term.IsTerminal(int(s.Out.Fd()))
	sh := &sheet{Settings: s.Settings, a: a, paint: plain, safe: tty}
	if tty {
		sh.width, _ = s.size()
		if s.Color {
			sh.paint = s.paint
		}
	}
	var text bytes.Buffer
	paged := s.person && tty && s.Settings.Pager
	if paged {
		w = &text
	}
	if err := sh.print(w); err != nil {
		return err
	}
	if people(s.Settings.Format) && !s.Settings.Rows && (toOut || s.Settings.Format == "aligned") {
		for _, n := range a.Notes {
			fmt.Fprintln(w, wrapWords(safe(n), sh.width, 2))
		}
		if a.Text == "" && a.Title == "" {
			style := "2"
			if a.Fresh.Partial() {
				style = "33"
			}
			fmt.Fprintln(w, sh.paint(style, wrapWords(footer(a), sh.width, 1)))
		}
	}
	if s.person && toOut {
		fmt.Fprintln(w) // room before the next prompt, as psql leaves
	}
	if paged {
		return s.page(text.Bytes())
	}
	return nil
}

func plain(_, text string) string { return text }

// size is the terminal's.
func (s *Session) size() (width, height int) {
	width, height, err := term.GetSize(int(s.Out.Fd()))
	if err != nil || width < 1 || height < 1 {
		return 80, 24
	}
	return width, height
}

// page shows a text that is longer than the screen through the pager.
func (s *Session) page(text []byte) error {
	_, height := s.size()
	if bytes.Count(text, []byte("\n")) < height {
		_, err := s.Out.Write(text)
		return err
	}
	command := os.Getenv("PENSTOCK_PAGER")
	if command == "" {
		command = os.Getenv("PAGER")
	}
	if command == "" {
		command = "less"
	}
	words := strings.Fields(command)
	if len(words) == 0 {
		_, err := s.Out.Write(text)
		return err
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		_, err := s.Out.Write(text)
		return err
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), s.Out, s.Err
	cmd.Env = os.Environ()
	if os.Getenv("LESS") == "" {
		cmd.Env = append(cmd.Env, "LESS=FRSX")
	}
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return fmt.Errorf("pager %s: %w", words[0], err)
	}
	return nil
}

// target is the file that \o names.
type target struct {
	name string
	file io.WriteCloser
	rows int64
}

// Write writes to the file.
func (t *target) Write(p []byte) (int, error) { return t.file.Write(p) }

func (s *Session) openTarget(name string) error {
	s.closeTarget()
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, plainError(err))
	}
	s.target = &target{name: name, file: f}
	s.tell("writing to %s", name)
	return nil
}

func (s *Session) closeTarget() {
	if s.target == nil {
		return
	}
	t := s.target
	s.target, s.once = nil, false
	if err := t.file.Close(); err != nil {
		s.warn("write %s: %v", t.name, plainError(err))
	}
	s.tell("%s written to %s", count(t.rows, "row"), t.name)
}

// plainError drops the operation and the path that os puts before its reason.
func plainError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
