package script

import (
	"fmt"
	"path/filepath"
	"strings"

	"penstock/query/syntax"
)

// Extension is how the names of test files end: orders.sqltest is beside orders.sql. It is not
// .test, which Go programmers tell git to ignore, and not .sql, because the files are no SQL.
const Extension = ".sqltest"

// The codes of the diagnostics of test files.
const (
	CodeCommand = "P1701" // no command, or in the wrong place
	CodeWord    = "P1702" // a word of a command that does not belong there
	CodeTime    = "P1703" // a time or a length of time that is none
	CodeName    = "P1704" // a stream, table, metric or column that the query file has not
	CodeTable   = "P1705" // a table of expected rows that is none
	CodeFile    = "P1706" // a query file that cannot be read
)

// File is a test file.
type File struct {
	Path  string
	Text  string
	Query string // path of the query file as written, empty when the statements are in this file
	Tests []*Test

	queryAt    syntax.Span
	under      string        // path of the query file that the caller wants tested, whatever the file names
	statements []syntax.Span // CREATE statements before the first test
}

// Test is one test of a file.
type Test struct {
	Name     string
	Line     int
	at       syntax.Span
	file     *File
	settings settings
	own      []syntax.Span // its own CREATE statements
	commands []*command
}

// settings hold for a test: those of the file, and what it says itself.
type settings struct {
	partitions    map[string]int // of source topics; 1 where nothing is said
	day           string         // date of times that name none, as 2026-01-01
	now           int64          // the wall clock, when hasNow
	hasNow        bool
	anyPartitions bool // the rows may be spread over partitions in any way
}

// line is a line of the file without its end.
type line struct {
	text  string
	start int
}

func (l line) span() syntax.Span {
	lead := len(l.text) - len(strings.TrimLeft(l.text, " \t"))
	return syntax.Span{Start: l.start + lead, End: l.start + len(strings.TrimRight(l.text, " \t\r"))}
}

func (l line) indented() bool { return l.text != "" && (l.text[0] == ' ' || l.text[0] == '\t') }
func (l line) blank() bool    { return strings.TrimSpace(l.text) == "" }

// parser reads a file line by line: a command begins in the first column, what belongs to it is
// indented below it.
type parser struct {
	f     *File
	lines []line
	next  int
	test  *Test
	all   settings
	diags []syntax.Diagnostic
}

// Parse reads the text of a test file. What is wrong with it is in the diagnostics, all of it; the
// file is good for nothing then. The query file is not looked at.
func Parse(path, text string) (*File, []syntax.Diagnostic) {
	p := &parser{f: &File{Path: path, Text: text}, all: settings{partitions: map[string]int{}}}
	start := 0
	for _, l := range strings.SplitAfter(text, "\n") {
		p.lines = append(p.lines, line{text: strings.TrimRight(l, "\r\n"), start: start})
		start += len(l)
	}
	for p.next < len(p.lines) {
		l := p.lines[p.next]
		switch {
		case l.blank() || strings.HasPrefix(l.text, "--"):
			p.next++
		case l.indented():
			p.fault(CodeCommand, l.span(), "this line is indented but belongs to no command", "", "commands begin in the first column")
			p.skipBody()
		default:
			p.command(l)
		}
	}
	if len(p.f.Tests) == 0 && len(p.diags) == 0 {
		p.fault(CodeCommand, syntax.Span{}, "there is no test in this file", "",
			"begin one with: TEST what it shows")
	}
	return p.f, p.diags
}

func (p *parser) fault(code string, at syntax.Span, message, label string, notes ...string) {
	p.diags = append(p.diags, syntax.Diagnostic{Code: code, Message: message, Span: at, Label: label, Notes: notes})
}

// body takes the indented lines that follow; blank ones and comments between them are left out.
func (p *parser) body() []line {
	var list []line
	for n := p.next; n < len(p.lines); n++ {
		l := p.lines[n]
		if l.indented() && !l.blank() {
			list = append(list, l)
			p.next = n + 1
		} else if !l.blank() && !strings.HasPrefix(l.text, "--") {
			break
		}
	}
	return list
}

func (p *parser) skipBody() {
	p.next++
	p.body()
}

// command reads the command that begins at a line.
func (p *parser) command(l line) {
	w := &words{p: p, line: l}
	first := strings.ToUpper(w.take())
	switch first {
	case "CREATE":
		p.statements(l)
		return
	case "TEST":
		p.begin(l, w.rest())
		return
	case "FILE", "DAY", "NOW", "PARTITIONS", "ANY":
		p.next++
		p.setting(first, w)
		return
	}
	make, ok := commandKinds[first]
	if !ok {
		p.fault(CodeCommand, w.at, fmt.Sprintf("%s is no command of a test", w.word), suggest(w.word, commandWords),
			"commands: "+strings.Join(commandWords, ", "))
		p.skipBody()
		return
	}
	if p.test == nil {
		p.begin(line{start: l.start}, "")
	}
	p.next++
	c := make(w)
	c.at, c.line = l.span(), p.lineOf(l.start)
	if c.kind != expectSelect {
		c.body = p.body()
	}
	if !w.failed {
		p.checkBody(c)
	}
	p.test.commands = append(p.test.commands, c)
}

func (p *parser) lineOf(offset int) int {
	n, _ := syntax.Place(p.f.Text, offset)
	return n
}

// begin begins a test. A file of one test needs no TEST line; its test is named for the file.
func (p *parser) begin(l line, name string) {
	p.test = &Test{Name: strings.TrimSpace(name), Line: p.lineOf(l.start), at: l.span(), file: p.f, settings: p.all}
	p.test.settings.partitions = map[string]int{}
	for s, n := range p.all.partitions {
		p.test.settings.partitions[s] = n
	}
	if l.text != "" {
		p.skipBody()
		if name == "" {
			p.fault(CodeCommand, l.span(), "a test needs a name", "", "write what it shows: TEST a late row is counted as late")
		}
	} else {
		p.test.Name = strings.TrimSuffix(filepath.Base(p.f.Path), Extension)
	}
	p.f.Tests = append(p.f.Tests, p.test)
}

// statements takes a CREATE statement, up to the line that ends with a semicolon.
func (p *parser) statements(l line) {
	at := syntax.Span{Start: l.start}
	for p.next < len(p.lines) {
		l = p.lines[p.next]
		p.next++
		at.End = l.start + len(l.text)
		code, _, _ := strings.Cut(l.text, "--")
		if strings.HasSuffix(strings.TrimSpace(code), ";") {
			break
		}
	}
	if p.test == nil {
		p.f.statements = append(p.f.statements, at)
	} else {
		p.test.own = append(p.test.own, at)
	}
}

// setting reads what holds for the file, or before the first command of a test, for that.
func (p *parser) setting(name string, w *words) {
	s := &p.all
	if p.test != nil {
		s = &p.test.settings
		if len(p.test.commands) > 0 {
			p.fault(CodeCommand, w.at, name+" after the first command of a test", "", "settings stand behind TEST, or before the first test for all of them")
		}
	}
	switch name {
	case "FILE":
		if p.test != nil {
			p.fault(CodeCommand, w.at, "FILE in a test", "", "a test file tests one query file: name it before the first TEST")
		}
		p.f.Query = strings.Trim(strings.TrimSpace(w.rest()), "'")
		p.f.queryAt = w.line.span()
		return
	case "DAY":
		s.day = w.take()
		if _, err := parseTime(s.day+" 00:00:00", ""); err != nil {
			w.wrong(CodeTime, "a date, as in DAY 2026-01-01")
		}
	case "NOW":
		s.now, s.hasNow = w.time(s.day), true
		return
	case "PARTITIONS":
		stream := w.name("a stream")
		s.partitions[stream] = int(w.number("a number of partitions"))
	case "ANY":
		w.expect("PARTITIONS")
		s.anyPartitions = true
	}
	w.end()
}
