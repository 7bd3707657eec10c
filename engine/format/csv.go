package format

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"penstock/query/plan"
	"penstock/query/row"
)

// csvReader reads RFC 4180 lines, one per record. Beyond the RFC it takes one line break at the record's end,
// a byte order mark at its front, and any single-byte delimiter. It refuses what the RFC leaves
// open: a quote inside an unquoted field, text behind a closing quote, a line break outside quotes.
//
// An unquoted field that is the null text (empty, when nothing else is set) is NULL; a quoted one
// never is, so "" is the empty text.
type csvReader struct {
	*table
	comma     byte
	header    bool
	null      string
	fields    []string // of the record in hand
	quoted    []bool   // which of them stood in quotes
	anyQuoted bool     // quoted is not all false
}

func newCSV(t *table, o *plan.Options) (Decoder, error) {
	d := &csvReader{table: t, comma: ',', header: o.Header, null: o.Null}
	d.fields, d.quoted = make([]string, len(t.cols)), make([]bool, len(t.cols))
	if o.Delimiter != 0 {
		if o.Delimiter >= utf8.RuneSelf || strings.ContainsRune("\"\r\n", o.Delimiter) {
			return nil, fmt.Errorf("delimiter %s, expected one ASCII character other than a quote or a line break", strconv.QuoteRune(o.Delimiter))
		}
		d.comma = byte(o.Delimiter)
	}
	return d, nil
}

func (d *csvReader) Decode(recs []Record, b *row.Batch, index []int32, bad []BadRow) ([]int32, []BadRow) {
	d.begin(b)
	for i := range recs {
		switch ok := d.line(recs[i].Value); {
		case ok && d.header && d.isHeader():
		case ok && d.row():
			index = append(index, int32(i))
			d.n++
		default:
			d.why.Index = i
			bad = append(bad, d.why)
		}
	}
	b.N = d.n
	return index, bad
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x8080808080808080
)

// plain tells whether b is printable ASCII without a quote, eight bytes at a time: then nothing
// about the record needs a closer look. It is so for nearly all of them.
func plain(b []byte) bool {
	var odd uint64
	for ; len(b) >= 8; b = b[8:] {
		odd |= oddBytes(binary.LittleEndian.Uint64(b))
	}
	for _, c := range b {
		if c-' ' >= 0x7f-' '+1 || c == '"' {
			return false
		}
	}
	return odd == 0
}

// oddBytes marks bytes below 0x20, from 0x80 on, and quotes. A mark may be wrong only behind a
// right one.
func oddBytes(x uint64) uint64 {
	quote := x ^ '"'*eachByte
	return (x | (x-' '*eachByte)&^x | (quote-eachByte)&^quote) & highBits
}

// line splits a record into d.fields. What it accepts is UTF-8 and has as many fields as the
// stream has columns: a count that is wrong says more than the first misplaced value.
func (d *csvReader) line(v []byte) bool {
	switch {
	case len(v) > MaxRecord:
		return d.refusef("%d bytes, expected at most 1 MiB", len(v))
	case v == nil:
		return d.refuse("", "no value, expected a line of csv")
	}
	s := asString(v)
	if plain(v) {
		return d.splitPlain(s)
	}
	if !utf8.ValidString(s) {
		return d.refuse("", "bytes that are not UTF-8")
	}
	s = strings.TrimPrefix(s, "\ufeff")
	s = strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
	if strings.IndexByte(s, 0) >= 0 {
		return d.refuse("", "a NUL byte")
	}
	if strings.IndexByte(s, '"') >= 0 {
		return d.splitQuoted(s)
	}
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return d.refuse("", "a line break in the record, expected one line")
	}
	return d.splitPlain(s)
}

func (d *csvReader) splitPlain(s string) bool {
	if s == "" {
		return d.refusef("an empty record, expected %s", fieldCount(len(d.cols)))
	}
	last := len(d.fields) - 1
	rest := s
	for i := range last {
		end := strings.IndexByte(rest, d.comma)
		if end < 0 {
			return d.miscounted(i + 1)
		}
		d.fields[i] = rest[:end]
		rest = rest[end+1:]
	}
	if strings.IndexByte(rest, d.comma) >= 0 {
		return d.miscounted(len(d.fields) + strings.Count(rest, string(rune(d.comma))))
	}
	d.fields[last] = rest
	if d.anyQuoted {
		clear(d.quoted)
		d.anyQuoted = false
	}
	return true
}

// splitQuoted splits a line that has a quote somewhere.
func (d *csvReader) splitQuoted(s string) bool {
	clear(d.quoted)
	d.anyQuoted = true
	for n := 0; ; n++ {
		var field string
		var ok bool
		quoted := s != "" && s[0] == '"'
		if quoted {
			field, s, ok = d.quotedField(s)
		} else {
			field, s, ok = d.bareField(s)
		}
		if !ok {
			return false
		}
		if n < len(d.fields) {
			d.fields[n], d.quoted[n] = field, quoted
		}
		if s == "" {
			return n+1 == len(d.fields) || d.miscounted(n+1)
		}
		s = s[1:] // the delimiter
	}
}

// bareField cuts a field without quotes off the front of s and leaves the delimiter.
func (d *csvReader) bareField(s string) (field, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case d.comma:
			return s[:i], s[i:], true
		case '"':
			return "", "", d.refusef("a quote inside the field %s, expected it doubled and the field in quotes", row.Quote(s[:i+1]))
		case '\n', '\r':
			return "", "", d.refuse("", "a line break in the record, expected one line")
		}
	}
	return s, "", true
}

// quotedField cuts a field in quotes off the front of s and leaves the delimiter.
func (d *csvReader) quotedField(s string) (field, rest string, ok bool) {
	doubled := 0
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			doubled++
			i++
			continue
		}
		field, rest = s[1:i], s[i+1:]
		if rest != "" && rest[0] != d.comma {
			return "", "", d.refusef("text behind the closing quote of %s", row.Quote(s[:i+1]))
		}
		if doubled > 0 {
			field = d.undouble(field, doubled)
		}
		return field, rest, true
	}
	return "", "", d.refuse("", "a quote that is not closed")
}

// undouble writes a field with its doubled quotes made single.
func (d *csvReader) undouble(s string, doubled int) string {
	b := d.room(len(s) - doubled)
	for i := 0; i < len(s); i++ {
		b = append(b, s[i])
		if s[i] == '"' {
			i++
		}
	}
	return d.keep(b)
}

func fieldCount(n int) string {
	if n == 1 {
		return "1 field"
	}
	return fmt.Sprintf("%d fields", n)
}

func (d *csvReader) miscounted(n int) bool {
	return d.refusef("%s, expected %d", fieldCount(n), len(d.fields))
}

// isHeader tells whether the record in hand repeats the names of the columns, in any case.
func (d *csvReader) isHeader() bool {
	for i := range d.cols {
		if !strings.EqualFold(strings.TrimSpace(d.fields[i]), d.cols[i].name) {
			return false
		}
	}
	return true
}

// row reads the fields into position d.n.
func (d *csvReader) row() bool {
	for i := range d.cols {
		c, field := &d.cols[i], d.fields[i]
		if field == d.null && !d.quoted[i] {
			c.setNull(d.n)
		} else if !c.setField(d.n, field) {
			return d.refuse(c.name, c.reason(field))
		}
	}
	return true
}
