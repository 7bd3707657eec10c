package prompt

import (
	"errors"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/chzyer/readline"
	"golang.org/x/term"
)

// errDropped is what Ctrl-C at the prompt gives.
var errDropped = errors.New("line dropped")

// editor reads lines from a terminal: readline, with a filter before it and a canvas behind.
type editor struct {
	rl      *readline.Instance
	keys    *keyboard
	canvas  *canvas
	out     *os.File
	history *history
	color   bool

	open   string // what was entered of the statement before this line
	prompt string

	// complete answers Tab. It may print a list above the prompt by show.
	complete func(open, line string, pos int) completion
	show     func(list []candidate)
	cycle    cycle
}

// pasteOn and pasteOff switch bracketed paste, which must never stay on behind us.
const (
	pasteOn  = "\x1b[?2004h"
	pasteOff = "\x1b[?2004l"
)

func newEditor(in, out *os.File, h *history, color bool) (*editor, error) {
	keys, err := newKeyboard(in)
	if err != nil {
		return nil, err
	}
	e := &editor{keys: keys, out: out, history: h, color: color}
	e.canvas = &canvas{out: out, width: e.width}
	e.rl, err = readline.NewEx(&readline.Config{
		Stdin:                  keys,
		Stdout:                 e.canvas,
		Stderr:                 e.canvas,
		HistoryLimit:           kept,
		DisableAutoSaveHistory: true,
		HistorySearchFold:      true,
		AutoComplete:           noCompleter{},
		Painter:                e,
		Listener:               readline.FuncListener(e.pressed),
		FuncGetWidth:           e.width,
		ForceUseInteractive:    true,
		InterruptPrompt:        "^C",
		EOFPrompt:              "\n",
	})
	if err != nil {
		return nil, err
	}
	e.remember()
	return e, nil
}

// noCompleter keeps readline out of completion: its list of candidates divides by zero when one
// is wider than the screen, and it can only append. Tab is handled by the listener.
type noCompleter struct{}

// Do finds nothing.
func (noCompleter) Do([]rune, int) ([][]rune, int) { return nil, 0 }

// width is the terminal's, with a floor that keeps readline's arithmetic away from zero.
func (e *editor) width() int {
	w, _, err := term.GetSize(int(e.out.Fd()))
	if err != nil || w < 1 {
		return 80
	}
	return max(w, 8)
}

// read reads one line behind a prompt. The error is errDropped for Ctrl-C (with what was typed),
// io.EOF for Ctrl-D.
func (e *editor) read(prompt, open string) (string, error) {
	e.open, e.prompt = open, prompt
	e.cycle = cycle{}
	e.rl.SetPrompt(prompt)
	io.WriteString(e.out, pasteOn)
	e.keys.give(lineEditor)
	line, err := e.rl.Readline()
	e.keys.give(nobody)
	io.WriteString(e.out, pasteOff)
	line = strings.ReplaceAll(line, string(newline), "\n")
	if errors.Is(err, readline.ErrInterrupt) {
		e.history.rewind()
		return line, errDropped
	}
	return line, err
}

// remember tells readline's search what the history is. Readline's own list loses entries that
// were recalled and changed, so it is filled anew.
func (e *editor) remember() {
	e.rl.ResetHistory()
	for _, entry := range e.history.entries {
		_ = e.rl.SaveHistory(entry) // in memory only
	}
	_ = e.rl.SaveHistory("")
}

// Paint colours the line for readline, and tells the canvas what is about to be drawn.
func (e *editor) Paint(line []rune, pos int) []rune {
	text := paintLine(e.open, line, e.color)
	e.canvas.draws(drawing{prompt: e.prompt, line: append([]rune(nil), line...), pos: pos, painted: text})
	return []rune(text)
}

// pressed is called by readline after every key, with the line as it is then. It handles the keys
// that readline does not.
func (e *editor) pressed(line []rune, pos int, key rune) ([]rune, int, bool) {
	if key == readline.CharTab {
		return e.tab(line, pos)
	}
	if !isKey(key) || pos < 1 || line[pos-1] != key {
		return nil, 0, false
	}
	before, behind := line[:pos-1], line[pos:]
	text := string(before) + string(behind)
	switch key {
	case keyDelete:
		if len(behind) > 0 {
			behind = behind[1:]
		}
		return []rune(string(before) + string(behind)), pos - 1, true
	case keyPaste:
		insert := []rune(e.keys.takePaste())
		return []rune(string(before) + string(insert) + string(behind)), pos - 1 + len(insert), true
	case keyUp, keyDown:
		step := e.history.up
		if key == keyDown {
			step = e.history.down
		}
		if entry, ok := step(text); ok {
			return []rune(entry), utf8.RuneCountInString(entry), true
		}
		io.WriteString(e.out, "\a")
	}
	return []rune(text), pos - 1, true
}

// tab completes the word before the cursor. Readline has no way to replace what was typed, so
// this does it: `sel` becomes `select`, `CLIENT` becomes `client_totals`.
func (e *editor) tab(line []rune, pos int) ([]rune, int, bool) {
	if e.complete == nil || e.rl.Operation.IsSearchMode() {
		return nil, 0, false
	}
	narrow := e.width() < narrowScreen
	if narrow && e.cycle.goesOn(line, pos) {
		text, at := e.cycle.next()
		return text, at, true
	}
	c := e.complete(e.open, string(line), len(string(line[:pos])))
	switch {
	case len(c.list) == 0:
		io.WriteString(e.out, "\a")
		return nil, 0, false
	case narrow:
		e.cycle = newCycle(line, pos, c)
		text, at := e.cycle.next()
		return text, at, true
	}
	word := string(line[:pos])[c.from:]
	if insert := c.common(word); insert != word {
		before := string(line[:pos])[:c.from] + insert
		return []rune(before + string(line[pos:])), utf8.RuneCountInString(before), true
	}
	if len(c.list) > 1 && e.show != nil {
		e.show(c.list)
	}
	return nil, 0, false
}

// print writes something above the prompt while a line is edited.
func (e *editor) print(text string) { io.WriteString(e.rl.Stdout(), text) }

// close ends a read that is going on.
func (e *editor) close() { e.keys.Close() }
