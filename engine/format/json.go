package format

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"penstock/query/row"
)

// jsonReader reads one object per record, without reflection. Columns are found by their name as it was
// declared; a field that no column has is checked for its form and ignored; a column that has no
// field is NULL, as null is. A field that stands twice is bad, because nothing says which is meant.
//
// Types are not guessed. BIGINT, INTEGER and DOUBLE take numbers (a whole one may be written 1.0 or
// 1e3), BOOLEAN takes true and false, VARCHAR, TIMESTAMP and DATE take strings. DECIMAL takes a
// number, digit by digit and never through a float, or a string, as Penstock itself writes it. A
// TIMESTAMP with an epoch format takes a number too. An object or array in a VARCHAR column is
// kept as its raw text.
type jsonReader struct {
	*table
	names map[string]int
	seen  []uint32 // by column: the record it was last seen in
	stamp uint32
	next  int // the column expected next: records mostly keep one order
	scanner
}

func newJSON(t *table) Decoder {
	d := &jsonReader{table: t, names: make(map[string]int, len(t.cols)), seen: make([]uint32, len(t.cols))}
	for i, c := range t.cols {
		d.names[c.name] = i
	}
	d.scanner.out = t
	return d
}

func (d *jsonReader) Decode(recs []Record, b *row.Batch, index []int32, bad []BadRow) ([]int32, []BadRow) {
	d.begin(b)
	for i := range recs {
		if d.record(recs[i].Value) {
			index = append(index, int32(i))
			d.n++
			continue
		}
		d.why.Index = i
		bad = append(bad, d.why)
	}
	b.N = d.n
	return index, bad
}

// record reads a whole record into position d.n.
func (d *jsonReader) record(v []byte) bool {
	switch {
	case len(v) > MaxRecord:
		return d.refusef("%d bytes, expected at most 1 MiB", len(v))
	case v == nil:
		return d.refuse("", "no value, expected a JSON object")
	}
	if !utf8.Valid(v) {
		return d.refuse("", "bytes that are not UTF-8")
	}
	d.b = bytes.TrimPrefix(v, []byte("\ufeff"))
	d.s, d.i = asString(d.b), 0
	d.space()
	if d.i == len(d.s) {
		return d.refuse("", "an empty record, expected a JSON object")
	}
	if d.peek() != '{' {
		return d.refuse("", "not a JSON object")
	}
	d.nextRecord()
	if !d.object() {
		return false
	}
	d.space()
	if d.i != len(d.s) {
		return d.syntax("the end of the record")
	}
	for i := range d.cols {
		if d.seen[i] != d.stamp {
			d.cols[i].setNull(d.n)
		}
	}
	return true
}

func (d *jsonReader) nextRecord() {
	d.next = 0
	if d.stamp++; d.stamp == 0 {
		clear(d.seen)
		d.stamp = 1
	}
}

// object reads the fields of the record's object.
func (d *jsonReader) object() bool {
	d.i++
	d.space()
	if d.peek() == '}' {
		d.i++
		return true
	}
	for {
		if d.peek() != '"' {
			return d.syntax("a field name in quotes")
		}
		name, ok := d.text(true)
		if !ok {
			return false
		}
		if d.space(); d.peek() != ':' {
			return d.syntax("a colon")
		}
		d.i++
		d.space()
		if !d.field(name) {
			return false
		}
		d.space()
		switch d.peek() {
		case ',':
			d.i++
			d.space()
		case '}':
			d.i++
			return true
		default:
			return d.syntax("a comma or }")
		}
	}
}

// column finds the column of a name, most often the one behind the last.
func (d *jsonReader) column(name string) int {
	if d.next < len(d.cols) && d.cols[d.next].name == name {
		return d.next
	}
	if i, ok := d.names[name]; ok {
		return i
	}
	return -1
}

func (d *jsonReader) field(name string) bool {
	i := d.column(name)
	if i < 0 {
		return d.skip(1)
	}
	c := &d.cols[i]
	if d.seen[i] == d.stamp {
		return d.refuse(c.name, "stands twice in the record")
	}
	d.seen[i] = d.stamp
	d.next = i + 1
	switch d.peek() {
	case '"':
		return d.stringField(c)
	case '{', '[':
		from := d.i
		if !d.skip(1) {
			return false
		}
		raw := d.s[from:d.i]
		if c.typ.Kind != row.Varchar {
			return d.mistyped(c, raw)
		}
		return d.set(c, raw)
	case 't', 'f', 'n':
		return d.wordField(c)
	}
	return d.numberField(c)
}

// set stores the text of a field, whose JSON type suits the column.
func (d *jsonReader) set(c *column, s string) bool {
	return c.setField(d.n, s) || d.refuse(c.name, c.reason(s))
}

// mistyped refuses a value of another JSON type; raw is how it stands in the record.
func (d *jsonReader) mistyped(c *column, raw string) bool {
	return d.refuse(c.name, fmt.Sprintf("%s is not %s", row.Clip(raw), c.typ))
}

func (d *jsonReader) stringField(c *column) bool {
	from := d.i
	s, ok := d.text(c.vec == nil)
	if !ok {
		return false
	}
	switch c.typ.Kind {
	case row.Varchar, row.Decimal, row.Timestamp, row.Date:
		return d.set(c, s)
	}
	return d.mistyped(c, d.s[from:d.i])
}

func (d *jsonReader) wordField(c *column) bool {
	word, ok := d.word()
	switch {
	case !ok:
		return false
	case word == "null":
		c.setNull(d.n)
		return true
	case c.typ.Kind == row.Boolean:
		c.setInt(d.n, row.Bool(word == "true").I)
		return true
	}
	return d.mistyped(c, word)
}

func (d *jsonReader) numberField(c *column) bool {
	s, whole, ok := d.number()
	if !ok {
		return false
	}
	switch c.typ.Kind {
	case row.Bigint, row.Integer:
		if whole {
			return d.set(c, s)
		}
		v, err := row.ParseDecimal(s, row.MaxPrecision, 0, false)
		if err != nil || !v.IsInt64() || c.typ.Kind == row.Integer && v.Int64() != int64(int32(v.Int64())) {
			return d.mistyped(c, s)
		}
		c.setInt(d.n, v.Int64())
		return true
	case row.Decimal, row.Double:
		return d.set(c, s)
	case row.Timestamp:
		if c.times.Epoch() {
			return d.set(c, s)
		}
	}
	return d.mistyped(c, s)
}
