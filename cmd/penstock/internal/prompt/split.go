package prompt

import (
	"strings"

	"penstock/query/syntax"
)

// piece is the first thing in a text that can be done: a statement up to its `;`, a backslash
// command up to the end of its line, or a statement with a command behind it (select 1 \gx).
type piece struct {
	statement string
	start     int // of the statement, behind white space
	command   string
	rest      int  // where the text goes on
	complete  bool // false: more of it is to come
}

// cut finds the first piece of a text. A text without anything to do is complete and empty.
func cut(text string) piece {
	head := strings.TrimLeft(text, " \t\r\n")
	skip := len(text) - len(head)
	if isCommand(head) {
		line, _, _ := strings.Cut(head, "\n")
		return piece{command: strings.TrimSpace(line), rest: min(len(text), skip+len(line)+1), complete: true}
	}
	start := -1
	for _, t := range syntax.Lex(text) {
		if t.Kind == syntax.Comment {
			continue
		}
		word := text[t.Start:t.End]
		switch {
		case t.Kind == syntax.Operator && word == ";":
			if start < 0 {
				return piece{rest: t.End, complete: true} // an empty statement
			}
			return piece{statement: text[start:t.End], start: start, rest: t.End, complete: true}
		case t.Kind == syntax.Invalid && strings.HasPrefix(word, `\`):
			if start < 0 {
				start = t.Start
			}
			line, _, _ := strings.Cut(text[t.Start:], "\n")
			return piece{statement: strings.TrimSpace(text[start:t.Start]), start: start, command: strings.TrimSpace(line),
				rest: min(len(text), t.Start+len(line)+1), complete: true}
		}
		if start < 0 {
			start = t.Start
		}
	}
	if start < 0 {
		done, _ := syntax.Complete(text)
		return piece{rest: len(text), complete: done} // nothing, or an open comment
	}
	return piece{statement: text[start:], start: start, rest: len(text)}
}

// bare are the words that are commands on a line of their own.
var bare = map[string]string{"help": `\?`, "exit": `\q`, "quit": `\q`, "clear": `\clear`}

// isCommand tells whether a line is a command rather than the beginning of a statement.
func isCommand(text string) bool {
	if strings.HasPrefix(text, `\`) {
		return true
	}
	line, _, _ := strings.Cut(text, "\n")
	line = strings.TrimRight(strings.TrimSpace(line), ";")
	if bare[strings.ToLower(line)] != "" {
		return true
	}
	// No statement begins with a point: one with a letter behind it is a command, known or not.
	return len(line) > 1 && line[0] == '.' && (line[1]|0x20 >= 'a' && line[1]|0x20 <= 'z')
}

// dots are the commands of sqlite3 and DuckDB, and what they are here.
var dots = map[string]string{
	".tables": `\d`, ".schema": `\d`, ".mode": `\pset format`, ".timer": `\timing`, ".once": `\once`, ".output": `\o`,
	".read": `\i`, ".help": `\?`, ".quit": `\q`, ".exit": `\q`, ".headers": `\headers`, ".nullvalue": `\pset null`, ".shell": `\!`,
}

// commandOf splits a command line into its name and its argument, aliases resolved.
func commandOf(line string) (name, arg string) {
	trimmed := strings.TrimRight(line, "; ")
	if to := bare[strings.ToLower(trimmed)]; to != "" {
		return to, ""
	}
	name, arg, _ = strings.Cut(line, " ")
	if i := strings.IndexByte(name, '\t'); i >= 0 {
		name, arg = name[:i], line[i+1:]
	}
	arg = strings.TrimSpace(arg)
	if to := dots[name]; to != "" {
		word, more, _ := strings.Cut(to, " ")
		return word, strings.TrimSpace(more + " " + arg)
	}
	// psql allows \d; and \x;
	name = strings.TrimRight(name, ";")
	return name, arg
}

// openPrompt is the prompt behind an incomplete text: it says what is open.
func openPrompt(text string) string {
	_, open := syntax.Complete(text)
	switch open {
	case syntax.OpenParen:
		return "  (> "
	case syntax.OpenQuote:
		return "  '> "
	case syntax.OpenName:
		return `  "> `
	case syntax.OpenComment:
		return "  *> "
	}
	return "  -> "
}
