package syntax

import "strings"

// Format lays out a file: every statement as the printer writes it, on one line when that is
// short enough, else a line for each clause. Comments and single empty lines between statements
// stay. A statement with a comment inside stays as it is, because the tree has no place for it.
// A text with errors is returned unchanged, with them.
func Format(text string) (string, []Diagnostic) {
	list, diags := Parse(text)
	if HasErrors(diags) {
		return text, diags
	}
	f := formatter{text: text, statements: list}
	tokens := Lex(text)
	for begin := 0; begin < len(tokens); {
		end := begin
		for end < len(tokens) && tokens[end].value != ";" {
			end++
		}
		f.statement(tokens[begin:end])
		begin = end + 1
		for begin < len(tokens) && f.trails(tokens[begin-1], tokens[begin]) {
			begin++
		}
		if begin-end > 1 {
			f.after(tokens[end:begin])
		}
	}
	if len(f.lines) == 0 {
		return "", diags
	}
	return strings.Join(f.lines, "\n") + "\n", diags
}

type formatter struct {
	text       string
	statements []Statement
	lines      []string // empty: an empty line
	last       int      // where the text that was written so far ended
}

// statement writes the tokens of one statement, comments before it included.
func (f *formatter) statement(tokens []Token) {
	for len(tokens) > 0 && tokens[0].class == classComment {
		f.line(tokens[0].Span, strings.TrimRight(tokens[0].raw, "\r"))
		tokens = tokens[1:]
	}
	end := len(tokens)
	for end > 0 && tokens[end-1].class == classComment {
		end--
	}
	if end == 0 {
		return
	}
	defer f.after(tokens[end-1:])
	tokens = tokens[:end]
	s := f.statements[0]
	f.statements = f.statements[1:]
	at := tokens[0].Span.To(tokens[len(tokens)-1].Span)
	body := layout(s)
	for _, t := range tokens {
		if t.class == classComment {
			body = f.text[at.Start:at.End]
		}
	}
	f.line(at, body+";")
}

// line begins a line, after an empty one if there was one in the text.
func (f *formatter) line(at Span, s string) {
	if len(f.lines) > 0 && strings.Count(f.text[f.last:at.Start], "\n") > 1 {
		f.lines = append(f.lines, "")
	}
	f.lines = append(f.lines, s)
	f.last = at.End
}

// after writes comments behind the first of the tokens: on its line if they stood there, else on
// lines of their own.
func (f *formatter) after(tokens []Token) {
	for i, t := range tokens[1:] {
		raw := strings.TrimRight(t.raw, "\r")
		if strings.Contains(f.text[tokens[i].Start:t.End], "\n") {
			f.line(t.Span, raw)
			continue
		}
		f.lines[len(f.lines)-1] += " " + raw
		f.last = t.End
	}
}

// trails tells whether a comment follows a token of a written statement on its line.
func (f *formatter) trails(before, t Token) bool {
	return len(f.lines) > 0 && t.class == classComment && !strings.Contains(f.text[before.Start:t.End], "\n")
}

func layout(s Statement) string {
	if one := s.String(); len(one) < lineWidth {
		return one
	}
	p := printer{lines: true}
	s.(interface{ print(*printer) }).print(&p)
	return p.String()
}
