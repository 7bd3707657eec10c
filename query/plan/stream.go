package plan

import (
	"strings"

	"penstock/query/expr"
	"penstock/query/row"
	"penstock/query/syntax"
)

// createStream binds CREATE STREAM.
func (b *binder) createStream(c *syntax.CreateStream) {
	s := &Stream{Name: c.Name.Name, Text: c.String(), TimeColumn: -1}
	d := &definition{name: c.Name.Raw, stream: s}
	ok := b.define(c.Name, d)
	if len(c.Columns) == 0 {
		b.fail(c.Name.Span, faultf(codeShape, "stream %s has no columns", c.Name.Raw).expect("", "write for example CREATE STREAM %s (id BIGINT, name VARCHAR)", c.Name.Raw))
	}
	for _, col := range c.Columns {
		b.streamColumn(s, col)
	}
	set := b.streamOptions(s.Name, c.Options)
	s.Options = set.Options
	b.timeColumn(s, set)
	b.streamChecks(s, c)
	if ok {
		b.plan.Streams = append(b.plan.Streams, s)
	}
}

func (b *binder) streamColumn(s *Stream, col *syntax.Column) {
	name := col.Name.Name
	for _, c := range s.Columns {
		if c.Name == name {
			b.fail(col.Name.Span, faultf(codeDuplicate, "stream %s has two columns named %q", s.Name, name).expect("", "rename one of them"))
			return
		}
	}
	switch strings.ToLower(name) {
	case rowTimeName, windowStartName, windowEndName:
		b.fail(col.Name.Span, faultf(codeName, "no column can be named %s: the language gives the name to %s", col.Name.Raw, reservedColumns[strings.ToLower(name)]).
			expect("", "choose another name"))
	case "":
		b.fail(col.Name.Span, faultf(codeName, "a column without a name").expect("", "choose a name"))
	}
	t, f := typeOf(col.Type)
	if f == nil && t.Kind == row.Interval {
		f = faultf(codeType, "a column of type INTERVAL").expect("a type that a record can hold", "keep a length of time as BIGINT or DOUBLE PRECISION, in seconds")
	}
	if f != nil {
		b.fail(col.Type.Span, f)
		t = row.Of(row.Varchar)
	}
	b.lintMoney(col, t)
	s.Columns = append(s.Columns, row.Column{Name: name, Type: t})
}

var reservedColumns = map[string]string{rowTimeName: "the row's time", windowStartName: "the start of a window", windowEndName: "the end of a window"}

// timeColumn finds the column that holds the row's time.
func (b *binder) timeColumn(s *Stream, set *optionSetter) {
	if set.timestamp == nil {
		return
	}
	name := set.timestamp.Value
	i := columnNamed(s.Columns, name)
	if i < 0 {
		i = columnNamed(s.Columns, strings.ToLower(name))
	}
	if i < 0 {
		names := make([]string, len(s.Columns))
		for i, c := range s.Columns {
			names[i] = c.Name
		}
		b.fail(set.timestamp.Span, faultf(codeColumn, "no column %q in stream %s", name, s.Name).suggest(name, names).
			note("columns: %s", strings.Join(names, ", ")))
		return
	}
	s.TimeColumn = i
	col := s.Columns[i]
	switch col.Type.Kind {
	case row.Timestamp:
	case row.Integer, row.Bigint:
		b.fail(set.timestamp.Span, faultf(codeTime, "column %s is %s; expected a TIMESTAMP", col.Name, col.Type).
			expect("", "declare %s TIMESTAMP, and say with timestamp_format = 'epoch_ms' what the numbers count", col.Name))
	case row.Date:
		b.fail(set.timestamp.Span, faultf(codeTime, "column %s is a DATE, which has no time of day: all rows of a day would be at midnight", col.Name).
			expect("a TIMESTAMP column", "declare %s TIMESTAMP; a date alone is then read as midnight", col.Name))
	default:
		b.fail(set.timestamp.Span, faultf(codeTime, "column %s is %s; expected a TIMESTAMP", col.Name, col.Type).
			expect("", "declare %s TIMESTAMP%s", col.Name, timestampColumns(s)))
	}
}

func timestampColumns(s *Stream) string {
	for _, c := range s.Columns {
		if c.Type.Kind == row.Timestamp {
			return ", or write timestamp = '" + c.Name + "'"
		}
	}
	return ""
}

func columnNamed(cols []row.Column, name string) int {
	for i, c := range cols {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// streamChecks binds NOT NULL and CHECK, in the order of the columns, then those of the stream.
func (b *binder) streamChecks(s *Stream, c *syntax.CreateStream) {
	sc := &scope{what: "stream " + s.Name, names: []string{s.Name}, columns: s.Columns, rowTime: -1, stream: s}
	x := &exprBinder{b: b, scope: sc, clause: "CHECK"}
	for _, col := range c.Columns {
		if i := columnNamed(s.Columns, col.Name.Name); col.NotNull && i >= 0 {
			n := expr.Col(i, s.Columns[i].Name, s.Columns[i].Type)
			if cond, err := expr.IsNull(n, true); err == nil {
				s.Checks = append(s.Checks, Check{Column: col.Name.Name, Text: "NOT NULL", Cond: cond, NotNull: true})
			}
		}
		for _, check := range col.Checks {
			b.streamCheck(s, x, col.Name.Name, check)
		}
	}
	for _, check := range c.Checks {
		b.streamCheck(s, x, "", check)
	}
}

func (b *binder) streamCheck(s *Stream, x *exprBinder, column string, check *syntax.Check) {
	if cond := x.condition(check.Cond); cond != nil {
		at := check.Cond.At()
		text := strings.Join(strings.Fields(b.text[at.Start:at.End]), " ")
		s.Checks = append(s.Checks, Check{Column: column, Text: text, Cond: cond})
	}
}
