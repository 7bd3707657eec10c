package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
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
	commas    uint64 // comma in each byte
	filler    uint64 // another character in each byte
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
	d.commas, d.filler = uint64(d.comma)*eachByte, '-'*eachByte
	if d.comma == '-' {
		d.filler = '.' * eachByte
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
	lowBits  = 0x7f7f7f7f7f7f7f7f
	highBits = 0x8080808080808080
)

// oddBytes marks bytes below 0x20, from 0x80 on, and quotes: none of them, and the record needs no
// closer look. A mark may be wrong only behind a right one.
func oddBytes(x uint64) uint64 {
	quote := x ^ '"'*eachByte
	return (x | (x-' '*eachByte)&^x | (quote-eachByte)&^quote) & highBits
}

// zeroBytes marks the bytes of x that are 0, and no others.
func zeroBytes(x uint64) uint64 { return ^(x&lowBits + lowBits | x) & highBits }

// split cuts v at each delimiter, eight bytes at a time, and counts the fields. Odd says that
// something else than printable ASCII without quotes was among them.
func (d *csvReader) split(v []byte) (n int, odd uint64) {
	s := asString(v)
	from := 0
	for i := 0; i < len(v); i += 8 {
		var x uint64
		if i+8 <= len(v) {
			x = binary.LittleEndian.Uint64(v[i:])
		} else {
			x = d.lastBytes(v, len(v)-i)
		}
		odd |= oddBytes(x)
		for at := zeroBytes(x ^ d.commas); at != 0; at &= at - 1 {
			end := i + bits.TrailingZeros64(at)/8
			if n < len(d.fields) {
				d.fields[n] = s[from:end]
			}
			n++
			from = end + 1
		}
	}
	if n < len(d.fields) {
		d.fields[n] = s[from:]
	}
	return n + 1, odd
}

// lastBytes reads the last n bytes of v, up to seven, as a word filled up with a byte that means nothing.
func (d *csvReader) lastBytes(v []byte, n int) uint64 {
	if len(v) >= 8 {
		return binary.LittleEndian.Uint64(v[len(v)-8:])>>(64-8*n) | d.filler<<(8*n)
	}
	x := d.filler
	for i, c := range v {
		x = x&^(0xff<<(8*i)) | uint64(c)<<(8*i)
	}
	return x
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
	if n, odd := d.split(v); odd == 0 {
		return d.plain(v, n)
	}
	if !utf8.Valid(v) {
		return d.refuse("", "bytes that are not UTF-8")
	}
	v = bytes.TrimPrefix(v, []byte("\ufeff"))
	v = bytes.TrimSuffix(bytes.TrimSuffix(v, []byte{'\n'}), []byte{'\r'})
	switch {
	case bytes.IndexByte(v, 0) >= 0:
		return d.refuse("", "a NUL byte")
	case bytes.IndexByte(v, '"') >= 0:
		return d.splitQuoted(asString(v))
	case bytes.IndexByte(v, '\n') >= 0 || bytes.IndexByte(v, '\r') >= 0:
		return d.refuse("", "a line break in the record, expected one line")
	}
	n, _ := d.split(v)
	return d.plain(v, n)
}

// plain accepts a record without quotes that was split into n fields.
func (d *csvReader) plain(v []byte, n int) bool {
	switch {
	case len(v) == 0:
		return d.refusef("an empty record, expected %s", fieldCount(len(d.cols)))
	case n != len(d.fields):
		return d.miscounted(n)
	case d.anyQuoted:
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
