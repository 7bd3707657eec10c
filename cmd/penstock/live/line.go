package live

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// columns measures text as a terminal does. Its own condition rather than the package's: that one
// follows the locale, and would take every box and bar for two columns under a Korean one.
var columns = &runewidth.Condition{EastAsianWidth: false, StrictEmojiNeutral: true}

// style is the code of a colour or weight; the zero value is plain.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	blue   style = "34"
	cyan   style = "36"
)

// line is text that is at most so many columns wide.
type line struct {
	text  strings.Builder
	left  int // columns still free
	color bool
}

func newLine(width int, color bool) *line { return &line{left: max(width, 0), color: color} }

// add appends text, cut with an ellipsis where the line ends.
func (l *line) add(s style, text string) *line {
	text = clean(text)
	if w := columns.StringWidth(text); w > l.left {
		text = truncate(text, l.left)
	}
	if text == "" {
		return l
	}
	l.left -= columns.StringWidth(text)
	if s == plain || !l.color {
		l.text.WriteString(text)
		return l
	}
	l.text.WriteString("\x1b[" + string(s) + "m" + text + "\x1b[0m")
	return l
}

// field appends text in exactly width columns, at its right end when right is set.
func (l *line) field(s style, text string, width int, right bool) *line {
	width = max(min(width, l.left), 0)
	text = truncate(clean(text), width)
	gap := strings.Repeat(" ", width-columns.StringWidth(text))
	if right {
		return l.add(plain, gap).add(s, text)
	}
	return l.add(s, text).add(plain, gap)
}

// fill takes what is left of the line.
func (l *line) fill(s style, glyph string) *line { return l.add(s, strings.Repeat(glyph, l.left)) }

// String fills the line with spaces and returns it.
func (l *line) String() string {
	l.fill(plain, " ")
	return l.text.String()
}

// truncate cuts text to a number of columns, with an ellipsis when there is room for one.
func truncate(text string, width int) string {
	switch {
	case columns.StringWidth(text) <= width:
		return text
	case width < 1:
		return ""
	}
	return columns.Truncate(text, width, "…")
}

// clean replaces what would move the cursor: names and values come from topics.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\u202e' {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(text, "·"))
}

// bar returns a bar of at most width columns for a share from 0 to 1, to an eighth of a column.
func bar(share float64, width int) string {
	if !(share > 0) || width < 1 {
		return ""
	}
	eighths := int(min(share, 1)*float64(width)*8 + 0.5)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

// level is where a value stands between two others, from 0 to 7. Among infinite ones there is only
// the highest and the rest.
func level(v, low, high float64) int {
	share := (v - low) / (high - low)
	switch {
	case v >= high:
		return 7
	case !(share > 0):
		return 0
	}
	return min(7, int(share*8))
}

// sparkline draws the last values in at most width columns, the lowest as the lowest glyph and the
// highest as the highest; a value that is missing is a space.
func sparkline(values []float64, present []bool, width int) string {
	if len(values) > width {
		values, present = values[len(values)-width:], present[len(present)-width:]
	}
	low, high, any := 0.0, 0.0, false
	for i, v := range values {
		if !present[i] {
			continue
		}
		if !any {
			low, high, any = v, v, true
		}
		low, high = min(low, v), max(high, v)
	}
	var b strings.Builder
	for i, v := range values {
		switch {
		case !present[i]:
			b.WriteByte(' ')
		case !(high > low):
			b.WriteString("▄")
		default:
			b.WriteRune([]rune("▁▂▃▄▅▆▇█")[level(v, low, high)])
		}
	}
	return b.String()
}
