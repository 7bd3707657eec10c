package row

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// errCalendar is why months and years are no INTERVAL here.
var errCalendar = errors.New("months and years have no fixed length; use days")

// ParseInterval reads the text of an INTERVAL literal as microseconds: PostgreSQL's
// '5 seconds', '1 hour 30 minutes', '1 day 02:30:00', '-90 min', '3 days ago', and ISO 8601's
// 'PT5S'. A day is 24 hours. The error can be shown as it is.
func ParseInterval(s string) (int64, error) {
	us, err := parseInterval(strings.ToLower(trimSpace(s)))
	switch {
	case errors.Is(err, errCalendar):
		return 0, fmt.Errorf("%s is not INTERVAL: %w", Quote(s), err)
	case err != nil:
		return 0, fmt.Errorf("%s is not INTERVAL, expected for instance '5 seconds' or '1 hour 30 minutes'", Quote(s))
	}
	return us, nil
}

var errInterval = errors.New("not an interval")

func parseInterval(s string) (int64, error) {
	if s == "" {
		return 0, errInterval
	}
	if s[0] == 'p' {
		return parseISOInterval(s[1:])
	}
	s, ago := strings.CutSuffix(s, " ago")
	var total int64
	for s != "" {
		word := s
		if i := strings.IndexByte(s, ' '); i >= 0 {
			word = s[:i]
		}
		if strings.IndexByte(word, ':') >= 0 {
			us, err := parseClock(word)
			if err != nil {
				return 0, err
			}
			if total, err = addInterval(total, us); err != nil {
				return 0, err
			}
			s = trimSpace(s[len(word):])
			continue
		}
		num, rest := numberPrefix(s)
		rest = trimSpace(rest)
		unit := rest
		if i := strings.IndexAny(rest, " +-0123456789"); i >= 0 {
			unit = rest[:i]
		}
		us, err := amount(num, unit)
		if err != nil {
			return 0, err
		}
		if total, err = addInterval(total, us); err != nil {
			return 0, err
		}
		s = trimSpace(rest[len(unit):])
	}
	if ago {
		total = -total
	}
	return total, nil
}

func addInterval(a, b int64) (int64, error) {
	if sum := a + b; (a^sum)&(b^sum) >= 0 {
		return sum, nil
	}
	return 0, errInterval
}

// numberPrefix cuts [+-]digits[.digits] off the front of s.
func numberPrefix(s string) (num, rest string) {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	for i < len(s) && (s[i]-'0' <= 9 || s[i] == '.') {
		i++
	}
	return s[:i], s[i:]
}

// intervalUnits holds the units as they may be written; months and years are 0.
var intervalUnits = map[string]int64{
	"us": Microsecond, "usec": Microsecond, "usecs": Microsecond, "microsecond": Microsecond, "microseconds": Microsecond,
	"ms": Millisecond, "msec": Millisecond, "msecs": Millisecond, "millisecond": Millisecond, "milliseconds": Millisecond,
	"s": Second, "sec": Second, "secs": Second, "second": Second, "seconds": Second,
	"m": Minute, "min": Minute, "mins": Minute, "minute": Minute, "minutes": Minute,
	"h": Hour, "hr": Hour, "hrs": Hour, "hour": Hour, "hours": Hour,
	"d": Day, "day": Day, "days": Day,
	"w": 7 * Day, "week": 7 * Day, "weeks": 7 * Day,
	"mon": 0, "mons": 0, "month": 0, "months": 0,
	"y": 0, "yr": 0, "yrs": 0, "year": 0, "years": 0,
}

// amount multiplies a number by a unit; a number without one is seconds, as in PostgreSQL.
func amount(num, unit string) (int64, error) {
	scale := Second
	if unit != "" {
		var ok bool
		if scale, ok = intervalUnits[unit]; !ok {
			return 0, errInterval
		}
	}
	n, f := parseDecimal(num, MaxPrecision, 12, true)
	if f != faultNone {
		return 0, errInterval
	}
	if scale == 0 {
		return 0, errCalendar
	}
	us, over := n.Mul(Int128FromInt64(scale))
	us = us.DivPow10Round(12)
	if over || !us.IsInt64() || us.Int64() == math.MinInt64 {
		return 0, errInterval
	}
	return us.Int64(), nil
}

// parseClock reads [+-]hh:mm[:ss[.f]].
func parseClock(s string) (int64, error) {
	neg := strings.HasPrefix(s, "-")
	parts := strings.Split(strings.TrimLeft(s, "+-"), ":")
	if len(parts) > 3 {
		return 0, errInterval
	}
	var total int64
	for i, part := range parts {
		us, err := amount(part, [...]string{"h", "m", "s"}[i])
		last := i == len(parts)-1
		if err != nil || part == "" || part[0]-'0' > 9 || i > 0 && us >= int64(60)*[...]int64{0, Minute, Second}[i] ||
			strings.IndexByte(part, '.') >= 0 && !(last && i == 2) {
			return 0, errInterval
		}
		if total, err = addInterval(total, us); err != nil {
			return 0, err
		}
	}
	if neg {
		total = -total
	}
	return total, nil
}

// parseISOInterval reads what follows the P of an ISO 8601 duration, in lower case.
func parseISOInterval(s string) (int64, error) {
	date, clock, hasClock := strings.Cut(s, "t")
	if s == "" || hasClock && clock == "" {
		return 0, errInterval
	}
	var total int64
	for i, part := range []string{date, clock} {
		for part != "" {
			num, rest := numberPrefix(part)
			if rest == "" {
				return 0, errInterval
			}
			unit := rest[:1]
			switch {
			case i == 0 && unit == "m":
				unit = "month"
			case i == 0 != strings.Contains("dwy", unit):
				return 0, errInterval
			}
			us, err := amount(num, unit)
			if err != nil {
				return 0, err
			}
			if total, err = addInterval(total, us); err != nil {
				return 0, err
			}
			part = rest[1:]
		}
	}
	return total, nil
}

// FormatInterval appends [-]hh:mm:ss[.ffffff], as PostgreSQL prints an interval of hours and less.
func FormatInterval(dst []byte, us int64) []byte {
	if us < 0 {
		dst = append(dst, '-')
		us = -us
	}
	return appendClock(dst, us)
}
