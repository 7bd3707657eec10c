package row

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones by name, also where the machine has none, as in an empty container
)

// TimeFormat reads timestamps of one written form. It is immutable.
type TimeFormat struct {
	pattern string
	fields  []timeField // nil with epoch == 0: ISO 8601
	layout  *timeLayout // of the fields, when all stand at fixed places
	epoch   int64       // 'epoch...': how many of its units are a second
	loc     *time.Location
	offset  int64 // of loc, when it is fixed
	fixed   bool
}

// timeField is one element of a pattern.
type timeField struct {
	kind  byte // the pattern letter; 0: the literal text
	width int  // of a run of letters; numbers of width 2 and more have exactly so many digits
	text  string
}

// CompileTimeFormat compiles a pattern in Java's letters:
//
//	yyyy yy M MM MMM (Jan) MMMM (January) d dd H HH h hh a (am pm) m mm s ss
//	S to SSSSSSSSS (fraction, as many digits) X XX XXX (Z or an offset) EEE EEEE (weekday, not checked) 'text' ''
//
// or 'epoch' (also 'epoch_s'), 'epoch_ms', 'epoch_us', 'epoch_ns': a number, with or without a fraction; the empty
// pattern is what ParseTimestamp reads. zone applies to texts that name none: empty for UTC, an
// offset such as +09:00, or a name such as Europe/Berlin. A local time that a clock change skips is read
// as if the clock had not been changed yet, and of one that it repeats the second is taken, as
// PostgreSQL does. The error can be shown as it is.
func CompileTimeFormat(pattern, zone string) (*TimeFormat, error) {
	f := &TimeFormat{pattern: pattern}
	if err := f.setZone(zone); err != nil {
		return nil, err
	}
	switch pattern {
	case "":
		return f, nil
	case "epoch", "epoch_s":
		f.epoch = 1
	case "epoch_ms":
		f.epoch = 1e3
	case "epoch_us":
		f.epoch = 1e6
	case "epoch_ns":
		f.epoch = 1e9
	}
	if f.epoch != 0 {
		return f, nil
	}
	return f, f.compile()
}

func (f *TimeFormat) setZone(zone string) error {
	if zone == "" || strings.EqualFold(zone, "UTC") {
		f.fixed = true
		return nil
	}
	if us, ok := parseOffset(zone); ok {
		f.offset, f.fixed = us, true
		return nil
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return fmt.Errorf("unknown time zone %s, expected UTC, an offset such as +09:00, or a name such as Europe/Berlin", Quote(zone))
	}
	f.loc = loc
	return nil
}

// Pattern returns the pattern as it was compiled.
func (f *TimeFormat) Pattern() string { return f.pattern }

// Epoch tells whether the text is a number.
func (f *TimeFormat) Epoch() bool { return f.epoch != 0 }

// maxWidth tells how often a letter may repeat.
var maxWidth = map[byte]int{'y': 4, 'M': 4, 'd': 2, 'H': 2, 'h': 2, 'm': 2, 's': 2, 'S': 9, 'a': 1, 'X': 3, 'E': 4}

func (f *TimeFormat) compile() error {
	p := f.pattern
	has := map[byte]bool{}
	for i := 0; i < len(p); {
		c := p[i]
		switch {
		case c == '\'':
			text, n, ok := quotedText(p[i:])
			if !ok {
				return fmt.Errorf("timestamp format %s has a quote that is not closed", Quote(p))
			}
			f.fields = append(f.fields, timeField{text: text})
			i += n
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			n := 1
			for i+n < len(p) && p[i+n] == c {
				n++
			}
			if n > maxWidth[c] || c == 'y' && n != 2 && n != 4 && n != 1 || c == 'E' && n == 2 || has[c] {
				return fmt.Errorf("timestamp format %s has %q, expected the letters of yyyy-MM-dd HH:mm:ss.SSSXXX, hh a, MMM, EEE, each once, or epoch, epoch_ms, epoch_us, epoch_ns", Quote(p), p[i:i+n])
			}
			has[c] = true
			f.fields = append(f.fields, timeField{kind: c, width: n})
			i += n
		default:
			f.fields = append(f.fields, timeField{text: p[i : i+1]})
			i++
		}
	}
	switch {
	case !has['y'] || !has['M'] || !has['d']:
		return fmt.Errorf("timestamp format %s names no whole date, expected yyyy, MM and dd in it", Quote(p))
	case has['h'] != has['a'] || has['h'] && has['H']:
		return fmt.Errorf("timestamp format %s mixes the hours of 12 and 24, expected HH, or hh with a", Quote(p))
	}
	f.layout = layoutOf(f.fields)
	return nil
}

// quotedText reads 'text' at the front of s; two quotes are one.
func quotedText(s string) (text string, n int, ok bool) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
		} else if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
		} else {
			return b.String(), i + 1, true
		}
	}
	return "", 0, false
}

// Parse reads s, all of it. The error can be shown as it is.
func (f *TimeFormat) Parse(s string) (int64, error) {
	us, ok := f.ParseText(s)
	if ok {
		return us, nil
	}
	if f.pattern == "" {
		return 0, badTimestamp(s)
	}
	return 0, fmt.Errorf("%s is not TIMESTAMP as %s", Quote(s), f.pattern)
}

// ParseText is Parse without an error to allocate.
func (f *TimeFormat) ParseText(s string) (us int64, ok bool) {
	switch {
	case f.epoch != 0:
		return f.parseEpoch(s)
	case f.fields == nil:
		us, zoned, ok := parseISO(s)
		if !ok || zoned || f.fixed && f.offset == 0 {
			return us, ok
		}
		return f.toUTC(us)
	case f.layout != nil:
		if us, ok = f.layout.parse(s); !ok {
			return 0, false
		}
		return f.toUTC(us)
	}
	var c clockParts
	for i := range f.fields {
		if s, ok = c.take(&f.fields[i], s); !ok {
			return 0, false
		}
	}
	if s != "" {
		return 0, false
	}
	us, ok = c.timestamp()
	if !ok {
		return 0, false
	}
	if c.zoned {
		us -= c.offset
		return us, us >= MinTimestamp && us <= MaxTimestamp
	}
	return f.toUTC(us)
}

// toUTC turns local time into UTC.
func (f *TimeFormat) toUTC(us int64) (int64, bool) {
	if f.fixed {
		us -= f.offset
	} else {
		us -= f.offsetOf(floorDiv(us, Second)) * Second
	}
	return us, us >= MinTimestamp && us <= MaxTimestamp
}

// offsetOf is by how many seconds a local time, in seconds, is ahead of UTC. Around a clock change
// package time takes the offset of before it or of after it, as the zone lies east or west.
func (f *TimeFormat) offsetOf(local int64) int64 {
	const day = 24 * 60 * 60 // clocks are less than that from UTC, and change more seldom
	at := func(utc int64) int64 {
		_, offset := time.Unix(utc, 0).In(f.loc).Zone()
		return int64(offset)
	}
	before, after := at(local-day), at(local+day)
	if before == after {
		return before
	}
	first, second := at(local-before) == before, at(local-after) == after
	switch {
	case first && !second:
		return before
	case second && !first:
		return after
	}
	return min(before, after) // of before where the clock skips, of after where it repeats
}

func (f *TimeFormat) parseEpoch(s string) (int64, bool) {
	if v, syntax, fits := parseInt(s); syntax && fits {
		switch {
		case f.epoch > 1e6:
			v = floorDiv(v, f.epoch/1e6)
		default:
			factor := 1e6 / f.epoch
			if v > MaxTimestamp/factor || v < MinTimestamp/factor {
				return 0, false
			}
			v *= factor
		}
		return v, v >= MinTimestamp && v <= MaxTimestamp
	}
	// With a fraction or an exponent: exact decimal arithmetic, cut to the microsecond below.
	d, fault := parseDecimal(s, MaxPrecision, 9, true)
	if fault != faultNone {
		return 0, false
	}
	v, over := d.Mul(Int128FromInt64(1e6))
	v, rem := v.QuoRem(Int128FromInt64(f.epoch * 1e9))
	if rem.Sign() < 0 {
		v, _ = v.Sub(Int128FromInt64(1))
	}
	ok := !over && v.IsInt64() && v.Int64() >= MinTimestamp && v.Int64() <= MaxTimestamp
	return v.Int64(), ok
}

// clockParts collects the fields of one text.
type clockParts struct {
	year, month, day  int
	hour, minute, sec int
	frac, offset      int64
	zoned, half, pm   bool // half: hours of 12
}

// take reads one field off the front of s.
func (c *clockParts) take(f *timeField, s string) (rest string, ok bool) {
	switch f.kind {
	case 0:
		return strings.CutPrefix(s, f.text)
	case 'X':
		return c.takeOffset(f.width, s)
	case 'a':
		if len(s) < 2 || s[1]|0x20 != 'm' || s[0]|0x20 != 'a' && s[0]|0x20 != 'p' {
			return "", false
		}
		c.half, c.pm = true, s[0]|0x20 == 'p'
		return s[2:], true
	case 'E':
		_, rest, ok = takeName(weekdays, f.width == 4, s)
		return rest, ok
	case 'S':
		if len(s) < f.width {
			return "", false
		}
		us, more, ok := parseFraction(s[:f.width])
		c.frac = us
		return s[f.width:], ok && more == ""
	}
	if f.kind == 'M' && f.width > 2 {
		c.month, rest, ok = takeName(months, f.width == 4, s)
		return rest, ok
	}
	n, rest, ok := takeNumber(f, s)
	switch f.kind {
	case 'y':
		if f.width == 2 {
			n += 2000
		}
		c.year = n
	case 'M':
		c.month = n
	case 'd':
		c.day = n
	case 'H', 'h':
		c.hour = n
	case 'm':
		c.minute = n
	case 's':
		c.sec = n
	}
	return rest, ok
}

// takeNumber reads a number of exactly the pattern's width, or of up to two digits (a year: four) for a single letter.
func takeNumber(f *timeField, s string) (n int, rest string, ok bool) {
	most, least := f.width, f.width
	if f.width == 1 {
		most = 2
		if f.kind == 'y' {
			most = 4
		}
	}
	i := 0
	for i < most && i < len(s) && s[i]-'0' <= 9 {
		n = n*10 + int(s[i]-'0')
		i++
	}
	if i < least {
		return 0, "", false
	}
	return n, s[i:], true
}

var months = []string{"january", "february", "march", "april", "may", "june", "july", "august",
	"september", "october", "november", "december"}
var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// takeName reads a name, or its first three letters, in any case; the result counts from 1.
func takeName(names []string, full bool, s string) (n int, rest string, ok bool) {
	for i, name := range names {
		if !full {
			name = name[:3]
		}
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			return i + 1, s[len(name):], true
		}
	}
	return 0, "", false
}

// takeOffset reads Z or an offset: X is +hh or +hhmm, XX +hhmm, XXX +hh:mm.
func (c *clockParts) takeOffset(width int, s string) (rest string, ok bool) {
	n := [...]int{0, 3, 5, 6}[width]
	if len(s) > 0 && (s[0] == 'Z' || s[0] == 'z') {
		n = 1
	} else if width == 1 && len(s) >= 5 && s[3]-'0' <= 9 {
		n = 5
	}
	if len(s) < n {
		return "", false
	}
	c.offset, ok = parseOffset(s[:n])
	c.zoned = true
	return s[n:], ok
}

func (c *clockParts) timestamp() (us int64, ok bool) {
	hour := c.hour
	if c.half {
		if hour < 1 || hour > 12 {
			return 0, false
		}
		hour %= 12
		if c.pm {
			hour += 12
		}
	}
	if !validDate(c.year, c.month, c.day) || hour > 23 || c.minute > 59 || c.sec > 59 {
		return 0, false
	}
	us = daysFromCivil(c.year, c.month, c.day)*Day + int64(hour)*Hour + int64(c.minute)*Minute
	return us + int64(c.sec)*Second + c.frac, true
}
