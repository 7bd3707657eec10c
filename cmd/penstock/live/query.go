package live

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// Query is the view of one question that is asked again and again: a frame with a ranked list, or
// with one number. It belongs to one goroutine.
type Query struct {
	title string
	panel panel
}

// NewQuery makes a view with a title and nothing in it.
func NewQuery(title string) *Query { return &Query{title: title} }

// Add takes an answer; the newest is shown, those before it make the sparklines.
func (q *Query) Add(r Result) {
	q.panel.history = append(q.panel.history, r)
	q.panel.history = q.panel.history[max(0, len(q.panel.history)-remembered):]
}

// Draw draws the view as lines of the given width, at most height of them. Hint stands at the
// right of the head line (as how to leave, where there is no room for it), foot in the last line.
func (q *Query) Draw(width, height int, color bool, hint, foot string) []string {
	if width < 1 || height < 1 {
		return nil
	}
	if width < frameWidth {
		head := newLine(width, color).add(bold, q.title)
		if leave := "q to leave"; hint != "" && head.left > len(leave) {
			head.field(dim, leave, head.left, true)
		}
		lines := []string{head.String()}
		lines = append(lines, q.panel.draw(width, max(1, height-2), color)...)
		return append(lines, newLine(width, color).add(dim, foot).String())
	}
	outer := []int{0, width - 1}
	title := " " + truncate(clean(q.title), width-4) + " "
	texts := map[int]string{1: title}
	if hint = " " + hint + " "; len(hint) > 2 && columns.StringWidth(title)+columns.StringWidth(hint)+4 <= width {
		texts[width-1-columns.StringWidth(hint)] = hint
	}
	lines := []string{rule(width, nil, outer, texts, bold, color)}
	lines = append(lines, drawRow([]*panel{&q.panel}, width, max(1, height-2), color)...)
	return append(lines, rule(width, outer, nil, map[int]string{1: " " + truncate(clean(foot), width-4) + " "}, dim, color))
}

// OpenWith is Open for a terminal whose keys somebody else reads, and puts into keys.
func OpenWith(out, in *os.File, keys chan byte) (*Screen, error) {
	s := &Screen{out: out, in: in, keys: keys}
	if term.IsTerminal(int(in.Fd())) {
		state, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		s.raw = state
	}
	_, err := out.WriteString("\x1b[?1049h\x1b[?25l\x1b[2J")
	return s, err
}
