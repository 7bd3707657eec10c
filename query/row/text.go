package row

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// maxQuoted is how much of a piece of data a message shows.
const maxQuoted = 48

// Quote returns a piece of data as a message shows it: in double quotes, unprintable bytes escaped,
// cut to 48 bytes with an ellipsis.
func Quote(s string) string {
	cut := clip(s, maxQuoted)
	if len(cut) < len(s) {
		return strconv.Quote(cut) + "…"
	}
	return strconv.Quote(s)
}

// Clip is Quote without the quotes, for a piece of JSON, which has its own where it needs them.
func Clip(s string) string { return ClipTo(s, maxQuoted) }

// ClipTo is Clip for another number of bytes.
func ClipTo(s string, most int) string {
	cut := clip(s, most)
	var b []byte
	for i, r := range cut {
		switch _, n := utf8.DecodeRuneInString(cut[i:]); {
		case r == utf8.RuneError && n == 1:
			b = append(b, '\\', 'x', hexDigits[cut[i]>>4], hexDigits[cut[i]&15])
		case strconv.IsPrint(r):
			b = utf8.AppendRune(b, r)
		default:
			q := strconv.QuoteRune(r)
			b = append(b, q[1:len(q)-1]...)
		}
	}
	if len(cut) < len(s) {
		b = append(b, "…"...)
	}
	return string(b)
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// FormatValue appends the text of v as psql prints it; NULL is the empty text.
func FormatValue(dst []byte, v Value, t Type) []byte {
	switch v.State {
	case Null:
		return dst
	case Error:
		return append(append(dst, "error: "...), v.S...)
	}
	switch t.Kind {
	case Boolean:
		if v.I != 0 {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case Double:
		return FormatDouble(dst, v.F)
	case Decimal:
		return FormatDecimal(dst, v.D, int(t.Scale))
	case Varchar:
		return append(dst, v.S...)
	case Timestamp:
		return FormatTimestamp(dst, v.I)
	case Date:
		return FormatDate(dst, v.I)
	case Interval:
		return FormatInterval(dst, v.I)
	}
	return strconv.AppendInt(dst, v.I, 10)
}

// FormatDouble appends f with the fewest digits that read back as f, laid out as PostgreSQL does.
func FormatDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e15) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// AppendJSON appends v as JSON. BIGINT and INTEGER are numbers, DECIMAL a string, because a JSON
// reader would make a float of it; NaN and the infinities are strings for the same want of a
// number; times are strings, RFC 3339 in UTC. An error value is {"error":"reason"}.
func AppendJSON(dst []byte, v Value, t Type) []byte {
	switch v.State {
	case Null:
		return append(dst, "null"...)
	case Error:
		dst = append(dst, `{"error":`...)
		dst = AppendJSONString(dst, v.S)
		return append(dst, '}')
	}
	switch t.Kind {
	case Unknown:
		return append(dst, "null"...)
	case Boolean:
		return strconv.AppendBool(dst, v.I != 0)
	case Integer, Bigint:
		return strconv.AppendInt(dst, v.I, 10)
	case Double:
		return appendJSONDouble(dst, v.F)
	case Varchar:
		return AppendJSONString(dst, v.S)
	}
	dst = append(dst, '"')
	if t.Kind == Timestamp {
		dst = FormatRFC3339(dst, v.I)
	} else {
		dst = FormatValue(dst, v, t)
	}
	return append(dst, '"')
}

func appendJSONDouble(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		dst = append(dst, '"')
		dst = FormatDouble(dst, f)
		return append(dst, '"')
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			dst = append(append(dst, s[from:i]...), "\ufffd"...)
		} else {
			dst = appendJSONEscape(append(dst, s[from:i]...), c)
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

func appendJSONEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// ParseValue reads a value of type t from its text, as CAST(s AS t) does: the inverse of
// FormatValue, and PostgreSQL's other spellings. Space around everything but VARCHAR is ignored.
// The error can be shown as it is.
func ParseValue(s string, t Type) (Value, error) {
	if t.Kind == Varchar {
		return parseVarchar(s, t)
	}
	s = trimSpace(s)
	switch t.Kind {
	case Boolean:
		b, ok := ParseBool(s)
		if !ok {
			return Value{}, notA(s, t)
		}
		return Bool(b), nil
	case Integer, Bigint:
		i, err := ParseInt(s, t)
		return Int(i), err
	case Double:
		f, err := ParseDouble(s)
		return Float(f), err
	case Decimal:
		d, err := ParseDecimal(s, int(t.Precision), int(t.Scale), true)
		return Dec128(d), err
	case Timestamp:
		us, err := ParseTimestamp(s)
		return Int(us), err
	case Date:
		days, ok := parseDate10(s)
		if _, _, whole := parseISO(s); !ok || !whole {
			return Value{}, notA(s, t)
		}
		return Int(days), nil // of a time its date as written, whatever its zone
	case Interval:
		us, err := ParseInterval(s)
		return Int(us), err
	}
	return Value{}, notA(s, t)
}

func parseVarchar(s string, t Type) (Value, error) {
	if t.Length > 0 && utf8.RuneCountInString(s) > int(t.Length) {
		return Value{}, fmt.Errorf("%s is longer than %s", Quote(s), t)
	}
	return Text(s), nil
}

func notA(s string, t Type) error { return fmt.Errorf("%s is not %s", Quote(s), t) }

func trimSpace(s string) string {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// ParseBool reads PostgreSQL's spellings of a boolean, in any case: true, t, yes, y, on, 1 and
// false, f, no, n, off, 0.
func ParseBool(s string) (v, ok bool) {
	if len(s) > 5 {
		return false, false
	}
	var low [5]byte
	for i := 0; i < len(s); i++ {
		low[i] = s[i]
		if 'A' <= s[i] && s[i] <= 'Z' {
			low[i] += 'a' - 'A'
		}
	}
	switch string(low[:len(s)]) {
	case "true", "t", "yes", "y", "on", "1":
		return true, true
	case "false", "f", "no", "n", "off", "0":
		return false, true
	}
	return false, false
}

// ParseInt reads a whole number that fits t, BIGINT or INTEGER: a sign and digits, nothing else.
func ParseInt(s string, t Type) (int64, error) {
	v, syntax, fits := parseInt(s)
	if syntax && fits && (t.Kind != Integer || v == int64(int32(v))) {
		return v, nil
	}
	if syntax {
		return 0, fmt.Errorf("%s does not fit %s", Quote(s), t)
	}
	return 0, notA(s, t)
}

func parseInt(s string) (v int64, syntax, fits bool) {
	i, neg := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		i, neg = 1, s[0] == '-'
	}
	if i == len(s) {
		return 0, false, false
	}
	if len(s)-i > 18 {
		return parseLongInt(s[i:], neg)
	}
	for ; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false, false
		}
		v = v*10 + int64(c)
	}
	if neg {
		v = -v
	}
	return v, true, true
}

// parseLongInt reads digits that may be too many.
func parseLongInt(s string, neg bool) (v int64, syntax, fits bool) {
	limit := uint64(math.MaxInt64)
	if neg {
		limit++
	}
	var m uint64
	fits = true
	for i := 0; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false, false
		}
		if fits = fits && m <= limit/10; fits {
			m = m*10 + uint64(c)
			fits = m <= limit
		}
	}
	if neg {
		m = -m
	}
	return int64(m), true, fits
}

// ParseDouble reads a number with or without an exponent, NaN, Infinity or -Infinity. A number too
// large for DOUBLE PRECISION is an error and not an infinity, as in PostgreSQL.
func ParseDouble(s string) (float64, error) {
	if _, _, _, ok := splitNumber(s); ok {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, fmt.Errorf("%s does not fit %s", Quote(s), Of(Double))
		}
		return f, nil
	}
	if len(s) > 0 && len(s) <= len("-Infinity") && s[len(s)-1]-'0' > 9 && s[len(s)-1] != '.' {
		if f, err := strconv.ParseFloat(s, 64); err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return f, nil
		}
	}
	return 0, notA(s, Of(Double))
}
