package prompt

import (
	"errors"
	"fmt"
	"strings"

	"penstock/query/syntax"
)

// showError shows an error of a statement with its place in the text it came from.
func (s *Session) showError(err error, at script) {
	columns := 0
	if s.person {
		columns, _ = s.size()
	}
	fmt.Fprint(s.Err, s.colourFault(wrapFault(faultText(err, at, columns), columns)))
}

// wrapFault breaks the long lines of an error between words, but for those that show the statement and
// point into it. columns 0 breaks nothing.
func wrapFault(text string, columns int) string {
	if columns < 1 {
		return text
	}
	var out strings.Builder
	for _, line := range strings.SplitAfter(text, "\n") {
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		switch {
		case strings.HasPrefix(body, "= "):
			indent += 2
		case indent == 0 && (strings.HasPrefix(body, "error") || strings.HasPrefix(body, "warning")):
			indent = 2
		default:
			out.WriteString(line)
			continue
		}
		out.WriteString(wrapWords(line, columns, indent))
	}
	return out.String()
}

// wrapWords breaks a line where it has spaces, so that it fits; what follows is indented. A word that is
// wider than the screen is left to the terminal. Where there is none, columns is 0 and nothing is broken.
func wrapWords(line string, columns, indent int) string {
	if columns < 1 {
		return line
	}
	var out strings.Builder
	for widths.StringWidth(strings.TrimRight(line, "\n")) > columns {
		at, used := 0, 0
		for i, r := range line {
			if r == ' ' && i > indent {
				at = i
			}
			if used += widths.RuneWidth(r); used > columns && at > 0 {
				break
			}
		}
		if at == 0 {
			break
		}
		out.WriteString(strings.TrimRight(line[:at], " ") + "\n")
		line = strings.Repeat(" ", indent) + strings.TrimLeft(line[at:], " ")
	}
	out.WriteString(line)
	return out.String()
}

// faultText words an error: with the line and carets where it has a place, plainly otherwise.
// columns is the terminal's width, 0 where there is none.
func faultText(err error, at script, columns int) string {
	var p *Problem
	var away *Unreachable
	switch {
	case errors.As(err, &p) && len(p.Reports) > 0:
		return syntax.RenderWidth(at.name, at.text, placed(p.Reports, at), columns)
	case errors.As(err, &p):
		return worded(p.Code, p.Message, p.Hints)
	case errors.As(err, &away):
		return worded("P4001", away.Error(), []string{
			"is one running there?  try: penstock demo   or   penstock run FILE",
			"another address: penstock repl http://HOST:PORT",
		})
	}
	return worded("", err.Error(), nil)
}

func worded(code, message string, hints []string) string {
	word := "error"
	if code != "" {
		word += "[" + code + "]"
	}
	text := word + ": " + safe(message) + "\n"
	for _, h := range hints[:min(len(hints), 3)] {
		text += "   = " + safe(h) + "\n"
	}
	return text
}

// placed moves reports from the statement they were made for to the text that it stands in.
func placed(reports []syntax.Report, at script) []syntax.Diagnostic {
	statement := at.text[min(at.offset, len(at.text)):]
	var diags []syntax.Diagnostic
	for _, r := range reports {
		d := syntax.Diagnostic{Code: r.Code, Message: r.Message, Label: r.Hint, Notes: r.Notes}
		if r.Severity == syntax.Warning.String() {
			d.Severity = syntax.Warning
		}
		d.Span.Start = at.offset + offsetOf(statement, r.Line, r.Column)
		d.Span.End = max(d.Span.Start, at.offset+offsetOf(statement, r.EndLine, r.EndColumn))
		diags = append(diags, d)
	}
	return diags
}

// offsetOf is the inverse of syntax.Place.
func offsetOf(text string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	for i := range text[at:] {
		if column--; column == 0 {
			return at + i
		}
	}
	return len(text)
}

// colourFault colours the word that begins each message.
func (s *Session) colourFault(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		for word, style := range map[string]string{"error": "1;31", "warning": "1;33"} {
			end := strings.IndexByte(l, ':')
			if strings.HasPrefix(l, word) && end > 0 {
				lines[i] = s.paint(style, l[:end]) + l[end:]
			}
		}
	}
	return strings.Join(lines, "")
}
