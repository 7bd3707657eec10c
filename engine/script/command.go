package script

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock/query/row"
	"penstock/query/syntax"
)

// kind is what a command does.
type kind uint8

const (
	insert kind = iota
	advance
	endInput
	restart
	crash
	loseStore
	rebalance
	expectMetric
	expectTable
	expectSelect
	expectRejected
	expectCounts
	expectError
)

// command is one command of a test.
type command struct {
	kind kind
	at   syntax.Span // its first line
	line int
	body []line

	name   string      // the stream, table or metric it is about
	nameAt syntax.Span // where that stands
	text   string      // a SELECT

	// Of an INSERT, and of an ADVANCE as far as it says so.
	partition    int // -1: not said
	key          []byte
	hasKey       bool
	at0          int64 // AT, TO: microseconds
	hasTime      bool
	by           time.Duration // ADVANCE BY
	fields       []string      // INSERT INTO s (time, key, value)
	records      []record
	beforeCommit bool
	ofFold       bool
	want         *table // of an EXPECT; nil: nothing is written there yet
}

// record is a line of an INSERT.
type record struct {
	partition int // -1: that of the command
	key       []byte
	hasKey    bool
	value     []byte
	null      bool
	time      int64
	hasTime   bool
}

// expects tells whether the command looks at something.
func (c *command) expects() bool { return c.kind >= expectMetric }

var commandKinds = map[string]func(*words) *command{
	"INSERT": readInsert, "ADVANCE": readAdvance, "EXPECT": readExpect, "CRASH": readCrash,
	"END":       func(w *words) *command { w.end(); return &command{kind: endInput} },
	"RESTART":   func(w *words) *command { w.end(); return &command{kind: restart} },
	"REBALANCE": func(w *words) *command { w.end(); return &command{kind: rebalance} },
	"LOSE":      func(w *words) *command { w.expect("STORE"); w.end(); return &command{kind: loseStore} },
}

var commandWords = []string{"TEST", "FILE", "CREATE", "DAY", "NOW", "PARTITIONS", "ANY PARTITIONS", "INSERT", "ADVANCE", "END",
	"EXPECT", "RESTART", "CRASH", "LOSE STORE", "REBALANCE"}

// readInsert: INSERT INTO stream [(time, key, partition, value)] [PARTITION n] [KEY 'k'] [AT time].
func readInsert(w *words) *command {
	c := &command{kind: insert, partition: -1}
	w.expect("INTO")
	c.name, c.nameAt = w.name("a stream"), w.at
	for w.more() {
		switch word := strings.ToUpper(w.take()); {
		case word == "PARTITION":
			c.partition = int(w.number("the number of a partition"))
		case word == "KEY":
			c.key, c.hasKey = w.literal(), true
		case word == "AT":
			c.at0, c.hasTime = w.time(w.p.day()), true
			return c
		case strings.HasPrefix(word, "("):
			c.fields = w.list()
		default:
			w.wrong(CodeWord, "PARTITION, KEY, AT, or the fields of each line as in (time, value)")
			return c
		}
	}
	return c
}

// readAdvance: ADVANCE [stream [PARTITION n]] TO time | BY interval.
func readAdvance(w *words) *command {
	c := &command{kind: advance, partition: -1}
	for w.more() {
		switch word := strings.ToUpper(w.take()); {
		case word == "TO":
			c.at0, c.hasTime = w.time(w.p.day()), true
			return c
		case word == "BY":
			c.by = w.interval()
			return c
		case word == "PARTITION" && c.name != "":
			c.partition = int(w.number("the number of a partition"))
		case c.name == "":
			c.name, c.nameAt = w.word, w.at
		default:
			w.wrong(CodeWord, "TO and a time, or BY and an interval")
			return c
		}
	}
	w.word = ""
	w.wrong(CodeWord, "TO and a time, or BY and an interval")
	return c
}

// readCrash: CRASH BEFORE | AFTER COMMIT OF ROUTE | FOLD.
func readCrash(w *words) *command {
	c := &command{kind: crash}
	switch strings.ToUpper(w.take()) {
	case "BEFORE":
		c.beforeCommit = true
	case "AFTER":
	default:
		w.wrong(CodeWord, "BEFORE COMMIT OF or AFTER COMMIT OF")
		return c
	}
	w.expect("COMMIT")
	w.expect("OF")
	switch strings.ToUpper(w.take()) {
	case "FOLD":
		c.ofFold = true
	case "ROUTE":
	default:
		w.wrong(CodeWord, "ROUTE or FOLD")
	}
	w.end()
	return c
}

// readExpect: EXPECT METRIC m | TABLE t | REJECTED [FROM s] | COUNTS [OF s] | ERROR | SELECT ... ;
func readExpect(w *words) *command {
	c := &command{}
	switch word := strings.ToUpper(w.take()); word {
	case "METRIC":
		c.kind, c.name, c.nameAt = expectMetric, w.name("a metric"), w.at
	case "TABLE":
		c.kind, c.name, c.nameAt = expectTable, w.name("a table"), w.at
	case "REJECTED", "COUNTS":
		c.kind = expectRejected
		if word == "COUNTS" {
			c.kind = expectCounts
		}
		if w.more() {
			w.expect("FROM")
			c.name, c.nameAt = w.name("a stream"), w.at
		}
	case "ERROR":
		c.kind = expectError
	case "SELECT", "WITH":
		readSelect(w, c)
		return c
	default:
		w.wrong(CodeWord, "METRIC, TABLE, SELECT, REJECTED, COUNTS or ERROR")
		return c
	}
	w.end()
	return c
}

// readSelect takes a query up to its semicolon, perhaps lines below, and the table behind it.
func readSelect(w *words, c *command) {
	c.kind = expectSelect
	p := w.p
	start := w.at.Start
	l := w.line
	c.text = p.f.Text[start : l.start+len(l.text)]
	for !strings.HasSuffix(strings.TrimSpace(c.text), ";") {
		if p.next == len(p.lines) || p.lines[p.next].blank() {
			p.fault(CodeWord, syntax.Span{Start: start, End: start + len(c.text)}, "a query without an end", "", "end it with a semicolon")
			return
		}
		l = p.lines[p.next]
		p.next++
		c.text = p.f.Text[start : l.start+len(l.text)]
	}
	c.nameAt = syntax.Span{Start: start, End: start + len(c.text)}
	c.body = p.body()
}

// day is the date of times that name none.
func (p *parser) day() string {
	if p.test != nil {
		return p.test.settings.day
	}
	return p.all.day
}

// checkBody reads the lines below a command.
func (p *parser) checkBody(c *command) {
	switch {
	case c.kind == insert:
		p.records(c)
	case c.expects() && c.kind != expectError:
		t, err := readTable(c.body)
		if err != nil {
			p.fault(CodeTable, err.at, err.text, "", err.hint)
			return
		}
		c.want = t
	case !c.expects() && len(c.body) > 0:
		p.fault(CodeCommand, c.body[0].span(), "this command has no lines below it", "", "begin commands in the first column")
	}
}

// records reads the lines of an INSERT: each is a record, whole, unless the command names fields.
func (p *parser) records(c *command) {
	if len(c.body) == 0 {
		p.fault(CodeCommand, c.at, "nothing to insert", "", "write the records below, indented, one a line")
	}
	for _, l := range c.body {
		r := record{partition: -1}
		text := l.text[l.span().Start-l.start:]
		text = strings.TrimRight(text, "\r")
		var err error
		for _, f := range c.fields {
			part := text
			if f != "value" {
				var more bool
				if part, text, more = strings.Cut(text, "|"); !more {
					p.fault(CodeTable, l.span(), fmt.Sprintf("a line without a field %s", f), "", "separate fields by |, the value comes last")
				}
				part, text = strings.TrimSpace(part), strings.TrimPrefix(text, " ")
			}
			if err = r.field(f, part, p.day()); err != nil {
				break
			}
		}
		if err == nil {
			err = r.field("value", text, "")
		}
		if err != nil {
			p.fault(CodeTable, l.span(), err.Error(), "")
		}
		c.records = append(c.records, r)
	}
}

// field reads one field of a line.
func (r *record) field(name, text, day string) (err error) {
	switch name {
	case "time":
		r.hasTime = true
		r.time, err = parseTime(text, day)
	case "partition":
		r.partition, err = strconv.Atoi(text)
		if err != nil || r.partition < 0 {
			err = fmt.Errorf("%q is no number of a partition", text)
		}
	case "key":
		if text != "NULL" {
			r.hasKey = true
			r.key, err = literal(text)
		}
	case "value":
		if r.null = text == "NULL"; !r.null {
			r.value, err = literal(text)
		}
	}
	return err
}

// parseTime reads a time; one without a date is on the day.
func parseTime(s, day string) (int64, error) {
	full := s
	if len(s) < 10 || s[2] == ':' {
		if day == "" {
			return 0, fmt.Errorf("%q is no time with a date, and there is no DAY", s)
		}
		full = day + " " + s
	}
	us, err := row.ParseTimestamp(full)
	if err != nil {
		return 0, fmt.Errorf("%q is no time: write 2026-01-01 10:00:05 or, with a DAY, 10:00:05", s)
	}
	return us, nil
}

func suggest(word string, list []string) string {
	return syntax.DidYouMean(strings.ToUpper(word), list)
}
