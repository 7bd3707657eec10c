package prompt

import (
	"strings"

	"penstock/query/syntax"
)

// styles are the colours of the kinds of tokens, from the basic palette that every theme keeps
// readable. Names stay plain: most of a statement is names.
var styles = map[syntax.Kind]string{
	syntax.Keyword: "1;34", syntax.Text: "32", syntax.Num: "36", syntax.Comment: "2", syntax.Invalid: "31",
}

// paintLine colours the line that is edited. open is what was entered before it and is not
// complete: the line may be inside a text that began there. It never changes what is shown.
func paintLine(open string, line []rune, color bool) string {
	end := ""
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line, end = line[:n-1], "\n" // Enter, which readline draws as well
	}
	var text strings.Builder
	text.WriteString(open)
	for _, r := range line {
		if r == newline {
			r = '\n'
		}
		text.WriteRune(r)
	}
	full := text.String()
	switch {
	case !color:
		return shown(full[len(open):], string(newline)) + end
	case open == "" && strings.HasPrefix(strings.TrimLeft(full, " "), `\`):
		n := len(full) - len(strings.TrimLeft(full, " "))
		if i := strings.IndexByte(full[n:], ' '); i >= 0 {
			n += i
		} else {
			n = len(full)
		}
		return "\x1b[35m" + shown(full[:n], "") + "\x1b[0m" + shown(full[n:], dimBreak) + end
	}
	return paintTokens(full, len(open)) + end
}

// paintTokens colours what stands behind an offset of a text.
func paintTokens(full string, from int) string {
	var out strings.Builder
	at := from
	for _, t := range syntax.Lex(full) {
		if t.End <= from {
			continue
		}
		start := max(t.Start, from)
		out.WriteString(shown(full[at:start], dimBreak))
		at = t.End
		style := styles[t.Kind]
		// A quote that is not closed yet is no mistake while it is typed.
		if t.Kind == syntax.Invalid && strings.HasPrefix(full[t.Start:], "'") {
			style = styles[syntax.Text]
		} else if t.Kind == syntax.Invalid && strings.HasPrefix(full[t.Start:], "/*") {
			style = styles[syntax.Comment]
		}
		if style == "" {
			out.WriteString(shown(full[start:t.End], dimBreak))
			continue
		}
		code := "\x1b[" + style + "m"
		out.WriteString(code + shown(full[start:t.End], "\x1b[0m"+dimBreak+code) + "\x1b[0m")
	}
	out.WriteString(shown(full[at:], dimBreak))
	return out.String()
}

const dimBreak = "\x1b[2m" + string(newline) + "\x1b[0m"

// shown gives line breaks their mark again and leaves out the characters that stand for keys.
func shown(text, mark string) string {
	text = strings.Map(func(r rune) rune {
		if isKey(r) {
			return -1
		}
		return r
	}, text)
	return strings.ReplaceAll(text, "\n", mark)
}
