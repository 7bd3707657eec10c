package row

import (
	"fmt"
	"time"
)

// Microseconds in the units of time.
const (
	Microsecond = int64(1)
	Millisecond = 1000 * Microsecond
	Second      = 1000 * Millisecond
	Minute      = 60 * Second
	Hour        = 60 * Minute
	Day         = 24 * Hour
)

// MinTimestamp and MaxTimestamp are the first and last microsecond of the years 0001 to 9999,
// outside of which no TIMESTAMP is read.
var (
	MinTimestamp = daysFromCivil(1, 1, 1) * Day
	MaxTimestamp = daysFromCivil(10000, 1, 1)*Day - 1
)

// daysFromCivil returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar.
// Years begin in March, so that the day that comes and goes is the last one.
func daysFromCivil(y, m, d int) int64 {
	if m <= 2 {
		y--
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	mp := m - 3
	if m <= 2 {
		mp = m + 9
	}
	doy := (153*mp+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return int64(era)*146097 + int64(doe) - 719468
}

// civilFromDays is the inverse of daysFromCivil.
func civilFromDays(days int64) (y, m, d int) {
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := int(z - era*146097)
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	m = mp + 3
	if m > 12 {
		m -= 12
	}
	y = yoe + int(era)*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Civil takes a timestamp apart: date, and microseconds of the day.
func Civil(us int64) (year, month, day int, ofDay int64) {
	days := floorDiv(us, Day)
	year, month, day = civilFromDays(days)
	return year, month, day, us - days*Day
}

// FromCivil returns midnight UTC of a date. Months beyond 12 or below 1 carry into the year.
func FromCivil(year, month, day int) int64 {
	month--
	year += int(floorDiv(int64(month), 12))
	month -= int(floorDiv(int64(month), 12)) * 12
	return daysFromCivil(year, month+1, day) * Day
}

// FromTime returns the microseconds of t, cut, not rounded.
func FromTime(t time.Time) int64 { return t.UnixMicro() }

// ToTime returns a timestamp as a time.Time in UTC.
func ToTime(us int64) time.Time { return time.UnixMicro(us).UTC() }

var monthDays = [13]uint8{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// validDate tells whether a date exists in the years 1 to 9999.
func validDate(y, m, d int) bool {
	if y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > int(monthDays[m]) {
		return false
	}
	return m != 2 || d < 29 || y%4 == 0 && (y%100 != 0 || y%400 == 0)
}

// two reads two digits at s[i:]; anything else gives a number that is too large for a year, also
// when only half of one is read.
func two(s string, i int) int {
	hi, lo := s[i]-'0', s[i+1]-'0'
	if hi > 9 || lo > 9 {
		return 1 << 20
	}
	return int(hi)*10 + int(lo)
}

// ParseTimestamp reads 'yyyy-MM-dd HH:mm:ss[.ffffff]', also with a T between and followed by Z,
// ±hh, ±hhmm or ±hh:mm, and a date alone (midnight). Without a zone the time is UTC. Digits beyond
// the microsecond must be zeros. The error can be shown as it is.
func ParseTimestamp(s string) (int64, error) {
	us, _, ok := parseISO(s)
	if !ok {
		return 0, badTimestamp(s)
	}
	return us, nil
}

func badTimestamp(s string) error {
	if len(s) >= 10 && s[4] == '-' && s[7] == '-' {
		y, m, d := two(s, 0)*100+two(s, 2), two(s, 5), two(s, 8)
		if y <= 9999 && m <= 99 && d <= 99 && !validDate(y, m, d) {
			return fmt.Errorf("%s is not TIMESTAMP: there is no such date", Quote(s))
		}
	}
	return notA(s, Of(Timestamp))
}

// parseDate10 reads yyyy-MM-dd at the front of s.
func parseDate10(s string) (days int64, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	y, m, d := two(s, 0)*100+two(s, 2), two(s, 5), two(s, 8)
	if !validDate(y, m, d) {
		return 0, false
	}
	return daysFromCivil(y, m, d), true
}

// parseISO is ParseTimestamp without its error; zoned tells whether the text named a zone.
func parseISO(s string) (us int64, zoned, ok bool) {
	days, ok := parseDate10(s)
	if !ok {
		return 0, false, false
	}
	us = days * Day
	if len(s) == 10 {
		return us, false, true
	}
	if len(s) < 16 || s[10] != ' ' && s[10] != 'T' || s[13] != ':' {
		return 0, false, false
	}
	h, m, sec := two(s, 11), two(s, 14), 0
	n := 16
	if len(s) >= 19 && s[16] == ':' {
		sec, n = two(s, 17), 19
	}
	if h > 23 || m > 59 || sec > 59 {
		return 0, false, false
	}
	us += int64(h*3600+m*60+sec) * Second
	if len(s) == n {
		return us, false, true
	}
	rest := s[n:]
	if rest[0] == '.' && n == 19 {
		var frac int64
		if frac, rest, ok = parseFraction(rest[1:]); !ok {
			return 0, false, false
		}
		us += frac
		if rest == "" {
			return us, false, true
		}
	}
	offset, ok := parseOffset(rest)
	us -= offset
	return us, true, ok && us >= MinTimestamp && us <= MaxTimestamp
}

// parseFraction reads the digits behind a decimal point of seconds as microseconds.
func parseFraction(s string) (us int64, rest string, ok bool) {
	i, unit := 0, Second
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		unit /= 10
		if unit == 0 && s[i] != '0' {
			return 0, "", false
		}
		us += int64(s[i]-'0') * unit
	}
	return us, s[i:], i > 0
}

// parseOffset reads a whole zone: Z, ±hh, ±hhmm or ±hh:mm.
func parseOffset(s string) (us int64, ok bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) < 3 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, m := two(s, 1), 0
	switch {
	case len(s) == 5:
		m = two(s, 3)
	case len(s) == 6 && s[3] == ':':
		m = two(s, 4)
	case len(s) != 3:
		return 0, false
	}
	if h > 18 || m > 59 {
		return 0, false
	}
	us = int64(h)*Hour + int64(m)*Minute
	if s[0] == '-' {
		us = -us
	}
	return us, true
}

// ParseDate reads 'yyyy-MM-dd' as days since the epoch. The error can be shown as it is.
func ParseDate(s string) (int64, error) {
	days, ok := parseDate10(s)
	if !ok || len(s) != 10 {
		return 0, notA(s, Of(Date))
	}
	return days, nil
}

// FormatDate appends 'yyyy-MM-dd'.
func FormatDate(dst []byte, days int64) []byte {
	y, m, d := civilFromDays(days)
	return appendDate(dst, y, m, d)
}

func appendDate(dst []byte, y, m, d int) []byte {
	if y < 0 {
		dst = append(dst, '-')
		y = -y
	}
	if y > 9999 {
		dst = fmt.Appendf(dst, "%d", y)
	} else {
		dst = appendTwo(appendTwo(dst, y/100), y%100)
	}
	dst = appendTwo(append(dst, '-'), m)
	return appendTwo(append(dst, '-'), d)
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// FormatTimestamp appends 'yyyy-MM-dd HH:mm:ss', with the fraction when there is one.
func FormatTimestamp(dst []byte, us int64) []byte { return appendTimestamp(dst, us, ' ') }

// FormatRFC3339 appends 'yyyy-MM-ddTHH:mm:ssZ', with the fraction when there is one.
func FormatRFC3339(dst []byte, us int64) []byte { return append(appendTimestamp(dst, us, 'T'), 'Z') }

func appendTimestamp(dst []byte, us int64, between byte) []byte {
	y, m, d, ofDay := Civil(us)
	dst = append(appendDate(dst, y, m, d), between)
	return appendClock(dst, ofDay)
}

// appendClock appends HH:mm:ss of a duration of any hours, with its fraction less the zeros behind.
func appendClock(dst []byte, us int64) []byte {
	if h := us / Hour; h > 99 {
		dst = fmt.Appendf(dst, "%d", h)
	} else {
		dst = appendTwo(dst, int(h))
	}
	dst = appendTwo(append(dst, ':'), int(us/Minute%60))
	dst = appendTwo(append(dst, ':'), int(us/Second%60))
	frac := us % Second
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := Second / 10; frac > 0; unit /= 10 {
		dst = append(dst, byte('0'+frac/unit))
		frac %= unit
	}
	return dst
}
