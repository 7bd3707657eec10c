package format

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"penstock/query/row"
)

// maxDepth is how deep objects and arrays of a record may nest.
const maxDepth = 64

// scanner walks over one record of JSON. Its methods answer false after they have refused the
// record with a reason.
type scanner struct {
	s       string
	b       []byte // the same bytes
	i       int
	out     *table
	scratch []byte // of text that is only looked at
}

// peek returns the byte at hand, 0 at the end: no token begins with it.
func (s *scanner) peek() byte {
	if s.i < len(s.s) {
		return s.s[s.i]
	}
	return 0
}

// space skips white space. Most records have little, so the test is inlined and the loop is not.
func (s *scanner) space() {
	if s.i < len(s.s) && s.s[s.i] <= ' ' {
		s.spaces()
	}
}

func (s *scanner) spaces() {
	for s.i < len(s.s) && (s.s[s.i] == ' ' || s.s[s.i] == '\n' || s.s[s.i] == '\t' || s.s[s.i] == '\r') {
		s.i++
	}
}

// syntax refuses the record for what stands, or does not stand, at hand.
func (s *scanner) syntax(expected string) bool {
	if s.i >= len(s.s) {
		return s.out.refusef("not JSON: it ends at byte %d, expected %s", s.i, expected)
	}
	r, _ := utf8.DecodeRuneInString(s.s[s.i:])
	return s.out.refusef("not JSON: %s at byte %d, expected %s", strconv.QuoteRune(r), s.i, expected)
}

// text reads a string. One without escapes is a part of the record; another is written out: to the
// scratch when it is only looked at, otherwise to where it stays.
func (s *scanner) text(look bool) (string, bool) {
	from := s.i + 1
	i := from
	for i+8 <= len(s.b) {
		if m := textEnds(binary.LittleEndian.Uint64(s.b[i:])); m != 0 {
			i += bits.TrailingZeros64(m) / 8
			break
		}
		i += 8
	}
	for ; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return s.s[from:i], true
		case c == '\\':
			return s.escaped(from, i, look)
		case c < ' ':
			s.i = i
			return "", s.syntax("control characters to be escaped")
		}
	}
	s.i = len(s.s)
	return "", s.syntax("a closing quote")
}

// textEnds marks quotes, backslashes and control characters. The lowest mark is right, one behind
// it may be wrong.
func textEnds(x uint64) uint64 {
	quote, slash := x^'"'*eachByte, x^'\\'*eachByte
	return ((x-' '*eachByte)&^x | (quote-eachByte)&^quote | (slash-eachByte)&^slash) & highBits
}

// escaped reads on at the first escape of a string that began at from.
func (s *scanner) escaped(from, i int, look bool) (string, bool) {
	end := i
	for end < len(s.s) && s.s[end] != '"' {
		if s.s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s.s) {
		s.i = len(s.s)
		return "", s.syntax("a closing quote")
	}
	// What is written out is never longer than what stands there.
	var b []byte
	if look {
		b = s.scratch[:0]
	} else {
		b = s.out.room(end - from)
	}
	b = append(b, s.s[from:i]...)
	for i < end {
		c := s.s[i]
		if c < ' ' {
			s.i = i
			return "", s.syntax("control characters to be escaped")
		}
		if c != '\\' {
			b = append(b, c)
			i++
			continue
		}
		n, ok := 0, false
		if b, n, ok = s.escape(b, s.s[i:end]); !ok {
			s.i = i
			return "", false
		}
		i += n
	}
	s.i = end + 1
	if look {
		s.scratch = b
		return asString(b), true
	}
	return s.out.keep(b), true
}

// escape appends what the escape at the front of e stands for and returns its length.
func (s *scanner) escape(b []byte, e string) (dst []byte, n int, ok bool) {
	if i := strings.IndexByte(`"\/bfnrt`, e[1]); i >= 0 {
		return append(b, "\"\\/\b\f\n\r\t"[i]), 2, true
	}
	r, ok := hex4(e)
	if !ok {
		return b, 0, s.out.refusef("not JSON: the escape %s", row.Quote(e[:min(len(e), 6)]))
	}
	n = 6
	if utf16.IsSurrogate(r) {
		low, ok := hex4(e[6:])
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return b, 0, s.out.refusef("not JSON: %s is half a character", row.Quote(e[:6]))
		}
		n = 12
	}
	if r == 0 {
		return b, 0, s.out.refuse("", "a NUL byte")
	}
	return utf8.AppendRune(b, r), n, true
}

// hex4 reads \uXXXX.
func hex4(e string) (rune, bool) {
	if len(e) < 6 || e[0] != '\\' || e[1] != 'u' {
		return 0, false
	}
	var r rune
	for i := 2; i < 6; i++ {
		c := e[i]
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// word reads true, false or null.
func (s *scanner) word() (string, bool) {
	for _, w := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s.s[s.i:], w) {
			s.i += len(w)
			return w, true
		}
	}
	return "", s.syntax("a value")
}

// number reads a number in JSON's form; whole tells that it is a sign and digits.
func (s *scanner) number() (text string, whole, ok bool) {
	from := s.i
	if s.peek() == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if !s.digits() {
		if s.i == from {
			return "", false, s.syntax("a value")
		}
		return "", false, s.syntax("a digit")
	}
	whole = true
	if s.peek() == '.' {
		whole = false
		s.i++
		if !s.digits() {
			return "", false, s.syntax("a digit")
		}
	}
	if s.peek()|0x20 == 'e' {
		whole = false
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return "", false, s.syntax("a digit")
		}
	}
	return s.s[from:s.i], whole, true
}

func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.s) && s.s[s.i]-'0' <= 9 {
		s.i++
	}
	return s.i > from
}

// skip checks a value and goes behind it. depth counts the objects and arrays around it.
func (s *scanner) skip(depth int) bool {
	switch s.peek() {
	case '"':
		_, ok := s.text(true)
		return ok
	case 't', 'f', 'n':
		_, ok := s.word()
		return ok
	case '{':
		return s.skipList(depth+1, '}')
	case '[':
		return s.skipList(depth+1, ']')
	}
	_, _, ok := s.number()
	return ok
}

// skipList checks an object or an array.
func (s *scanner) skipList(depth int, end byte) bool {
	if depth > maxDepth {
		return s.out.refusef("nested deeper than %d", maxDepth)
	}
	s.i++
	if s.space(); s.peek() == end {
		s.i++
		return true
	}
	for {
		if end == '}' {
			if s.peek() != '"' {
				return s.syntax("a field name in quotes")
			}
			if _, ok := s.text(true); !ok {
				return false
			}
			if s.space(); s.peek() != ':' {
				return s.syntax("a colon")
			}
			s.i++
			s.space()
		}
		if !s.skip(depth) {
			return false
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case end:
			s.i++
			return true
		default:
			return s.syntax("a comma or " + string(rune(end)))
		}
	}
}
