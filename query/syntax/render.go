package syntax

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSource is how much of a long line is shown.
const maxSource = 100

// Render shows diagnostics of one text, each in at most six lines, with an empty line between:
//
//	error[P1001]: expected FROM, found FORM
//	  --> orders.sql:9:1
//	   |
//	 9 | FORM orders
//	   | ^^^^ did you mean FROM?
//
// Faults that lie in no text are shown without a place.
func Render(file, text string, diags []Diagnostic) string {
	return RenderWidth(file, text, diags, 0)
}

// RenderWidth is Render for a terminal of so many columns, in which the line of the text with its
// carets is not to wrap; 0 is a wide one.
func RenderWidth(file, text string, diags []Diagnostic, columns int) string {
	var out strings.Builder
	for i, d := range diags {
		if i > 0 {
			out.WriteByte('\n')
		}
		d.render(&out, file, text, columns)
	}
	return out.String()
}

// narrowest is how much of a line is shown even where that is more than the terminal has.
const narrowest = 12

func (d *Diagnostic) render(out *strings.Builder, file, text string, columns int) {
	fmt.Fprintf(out, "%s[%s]: %s\n", d.Severity, d.Code, d.Message)
	if text == "" {
		for _, n := range d.Notes {
			fmt.Fprintf(out, "   = %s\n", n)
		}
		return
	}
	line, column := Place(text, d.Span.Start)
	number := strconv.Itoa(line)
	gutter := strings.Repeat(" ", max(2, len(number)+1))
	fmt.Fprintf(out, "%s--> %s:%d:%d\n", gutter, file, line, column)
	notes := d.Notes[:min(len(d.Notes), 2)]
	if len(notes) < 2 {
		fmt.Fprintf(out, "%s |\n", gutter)
	}
	room := maxSource
	if columns > 0 {
		room = max(narrowest, min(room, columns-len(gutter)-len(" | ")))
	}
	source, pad, carets := d.excerpt(text, room)
	fmt.Fprintf(out, "%*s | %s\n", len(gutter), number, source)
	fmt.Fprintf(out, "%s | %s%s", gutter, strings.Repeat(" ", pad), strings.Repeat("^", carets))
	switch {
	case d.Label == "":
	case columns > 0 && pad+carets+1+width(d.Label) > room:
		fmt.Fprintf(out, "\n%s = %s", gutter, d.Label)
	default:
		out.WriteString(" " + d.Label)
	}
	out.WriteByte('\n')
	for _, n := range notes {
		fmt.Fprintf(out, "%s = %s\n", gutter, n)
	}
}

// excerpt returns the line that the span begins on, shortened around the span when it has more than most columns,
// and how many columns of a terminal to leave out and to underline.
func (d *Diagnostic) excerpt(text string, most int) (source string, pad, carets int) {
	start := max(0, min(d.Span.Start, len(text)))
	end := max(start, min(d.Span.End, len(text)))
	begin := strings.LastIndexByte(text[:start], '\n') + 1
	stop := len(text)
	if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
		stop = start + i
	}
	end = min(end, stop)
	before, marked, after := visible(text[begin:start]), visible(text[start:end]), visible(strings.TrimRight(text[end:stop], "\r"))
	if width(before) > most/2 && width(before)+width(marked)+width(after) > most {
		before = "..." + lastRunes(before, most/2-3)
	}
	if room := most - width(before); width(marked)+width(after) > room {
		if width(marked) > room {
			marked, after = firstRunes(marked, room-3)+"...", ""
		} else {
			after = firstRunes(after, max(0, room-width(marked)-3)) + "..."
		}
	}
	return strings.TrimRight(before+marked+after, " "), width(before), max(1, width(marked))
}

// visible makes a piece of a line safe to print: tabs become spaces, other control characters
// and bytes that are no text a dot.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteString("    ")
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			b.WriteByte('.')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// width counts columns of a terminal; East Asian characters take two, combining marks none.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
			r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
			n += 2
		default:
			n++
		}
	}
	return n
}

func firstRunes(s string, n int) string {
	r := []rune(s)
	return string(r[:max(0, min(n, len(r)))])
}

func lastRunes(s string, n int) string {
	r := []rune(s)
	return string(r[len(r)-min(n, len(r)):])
}
