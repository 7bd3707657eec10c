package expr

import (
	"errors"
	"math"
	"slices"
	"strings"

	"penstock/query/row"
)

// A field of a time, as EXTRACT names it.
type field struct {
	typ row.Type
	// ofTime and ofSpan return the unscaled value for a TIMESTAMP and an INTERVAL; ofSpan is nil
	// for fields an interval of microseconds does not have.
	ofTime, ofSpan func(us int64) int64
}

var (
	wholeField = row.DecimalType(10, 0)
	inSecond   = func(us int64) int64 { return floorMod(us, row.Minute) }
)

func floorMod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

// clock returns a field of the time of day, and, for intervals, of what is left of whole days;
// those are negative in a negative interval.
func clock(unit, in int64) field {
	return field{wholeField,
		func(us int64) int64 { return floorMod(us, in) / unit },
		func(us int64) int64 { return us % in / unit }}
}

func civil(f func(year, month, day int) int) field {
	return field{typ: wholeField, ofTime: func(us int64) int64 {
		y, m, d, _ := row.Civil(us)
		return int64(f(y, m, d))
	}}
}

func seconds(scale int) field {
	return field{row.DecimalType(8, scale), inSecond, func(us int64) int64 { return us % row.Minute }}
}

var fields = map[string]field{
	"MICROSECONDS": seconds(0),
	"MILLISECONDS": seconds(3),
	"SECOND":       seconds(6),
	"MINUTE":       clock(row.Minute, row.Hour),
	"HOUR":         clock(row.Hour, row.Day),
	"DAY": {wholeField, civil(func(_, _, d int) int { return d }).ofTime,
		func(us int64) int64 { return us / row.Day }},
	"MONTH":      civil(func(_, m, _ int) int { return m }),
	"QUARTER":    civil(func(_, m, _ int) int { return (m + 2) / 3 }),
	"YEAR":       civil(func(y, _, _ int) int { return y }),
	"DECADE":     civil(func(y, _, _ int) int { return y / 10 }),
	"CENTURY":    civil(func(y, _, _ int) int { return (y + 99) / 100 }),
	"MILLENNIUM": civil(func(y, _, _ int) int { return (y + 999) / 1000 }),
	"DOW":        {typ: wholeField, ofTime: func(us int64) int64 { return isoDay(us) % 7 }},
	"ISODOW":     {typ: wholeField, ofTime: isoDay},
	"DOY": {typ: wholeField, ofTime: func(us int64) int64 {
		y, _, _, _ := row.Civil(us)
		return dayOf(us) - dayOf(row.FromCivil(y, 1, 1)) + 1
	}},
	"WEEK":    {typ: wholeField, ofTime: func(us int64) int64 { _, w := isoWeek(us); return w }},
	"ISOYEAR": {typ: wholeField, ofTime: func(us int64) int64 { y, _ := isoWeek(us); return y }},
	"EPOCH":   {row.DecimalType(19, 6), func(us int64) int64 { return us }, func(us int64) int64 { return us }},
}

// isoDay is the day of the week, Monday 1 to Sunday 7. The epoch was a Thursday.
func isoDay(us int64) int64 { return floorMod(dayOf(us)+3, 7) + 1 }

// isoWeek returns the ISO week: that of the year in which its Thursday lies.
func isoWeek(us int64) (year, week int64) {
	thursday := dayOf(us) + 4 - isoDay(us)
	y, _, _, _ := row.Civil(thursday * row.Day)
	return int64(y), (thursday-dayOf(row.FromCivil(y, 1, 1)))/7 + 1
}

// fieldName returns the constant name of a field or unit, in the form of the tables: upper case,
// singular but for the two smallest and with no abbreviation.
func fieldName(what string, args []Node, known func(string) bool) (string, error) {
	v, ok := constOf(args[0])
	if !ok {
		return "", typeError("as in "+what+"('hour', rowtime)", "%s needs a constant name of a field, found %s", what, args[0])
	}
	s := strings.ToUpper(strings.TrimSpace(v.S))
	for _, form := range []string{s, s + "S", strings.TrimSuffix(s, "S"), fieldAliases[s]} {
		if known(form) {
			return form, nil
		}
	}
	return "", nil
}

var fieldAliases = map[string]string{"MS": "MILLISECONDS", "MSEC": "MILLISECONDS", "US": "MICROSECONDS", "USEC": "MICROSECONDS",
	"SEC": "SECOND", "MIN": "MINUTE", "HR": "HOUR", "Y": "YEAR", "YR": "YEAR", "CENTURIES": "CENTURY", "MILLENNIA": "MILLENNIUM"}

// fieldOf returns the field that args[0] names, for the type of args[1].
func fieldOf(args []Node) (field, error) {
	span := args[1].Type().Kind == row.Interval
	known := func(name string) bool {
		f, ok := fields[name]
		return ok && (!span || f.ofSpan != nil)
	}
	name, err := fieldName("EXTRACT", args, known)
	if err != nil {
		return field{}, err
	}
	if name == "" {
		var names []string
		for n := range fields {
			if known(n) {
				names = append(names, strings.ToLower(n))
			}
		}
		slices.Sort(names)
		return field{}, typeError("expected one of "+strings.Join(names, ", "),
			"%s has no field %s", args[1].Type(), args[0])
	}
	return fields[name], nil
}

func extractType(args []Node) (row.Type, error) {
	f, err := fieldOf(args)
	return f.typ, err
}

func partType(args []Node) (row.Type, error) {
	_, err := fieldOf(args)
	return doubleType, err
}

func (f field) reader(args []Node) func(int64) int64 {
	if args[1].Type().Kind == row.Interval {
		return f.ofSpan
	}
	return f.ofTime
}

func bindExtract(args []Node, _ row.Type) impl {
	f, _ := fieldOf(args)
	read := f.reader(args)
	return fn2(func(_ string, us int64) row.Int128 { return row.Int128FromInt64(read(us)) })
}

func bindPart(args []Node, _ row.Type) impl {
	f, _ := fieldOf(args)
	read, scale := f.reader(args), int(f.typ.Scale)
	return fn2(func(_ string, us int64) float64 {
		return row.DecimalToFloat(row.Int128FromInt64(read(us)), scale)
	})
}

func showExtract(args []Node) string {
	v, _ := constOf(args[0])
	return "EXTRACT(" + strings.ToUpper(v.S) + " FROM " + args[1].String() + ")"
}

// truncUnits are the units of DATE_TRUNC that are a number of microseconds.
var truncUnits = map[string]int64{"MICROSECONDS": 1, "MILLISECONDS": row.Millisecond, "SECOND": row.Second,
	"MINUTE": row.Minute, "HOUR": row.Hour, "DAY": row.Day}

// truncYears are those that are a number of months: which one a month is in begins at year 1 for
// centuries and millennia, and at year 0 for decades.
var truncYears = map[string]func(y, m int) (year, month int){
	"MONTH":      func(y, m int) (int, int) { return y, m },
	"QUARTER":    func(y, m int) (int, int) { return y, (m-1)/3*3 + 1 },
	"YEAR":       func(y, _ int) (int, int) { return y, 1 },
	"DECADE":     func(y, _ int) (int, int) { return y / 10 * 10, 1 },
	"CENTURY":    func(y, _ int) (int, int) { return (y-1)/100*100 + 1, 1 },
	"MILLENNIUM": func(y, _ int) (int, int) { return (y-1)/1000*1000 + 1, 1 },
}

func truncName(args []Node) (string, error) {
	span := args[1].Type().Kind == row.Interval
	return fieldName("DATE_TRUNC", args, func(name string) bool {
		_, fixed := truncUnits[name]
		_, ofYear := truncYears[name]
		return fixed || !span && (ofYear || name == "WEEK")
	})
}

func truncType(args []Node) (row.Type, error) {
	name, err := truncName(args)
	if err != nil {
		return row.Type{}, err
	}
	t := args[1].Type()
	if name == "" {
		units := "microseconds, milliseconds, second, minute, hour, day"
		if t.Kind == row.Timestamp {
			units += ", week, month, quarter, year, decade, century, millennium"
		}
		return row.Type{}, typeError("expected one of "+units, "DATE_TRUNC of %s has no unit %s", t, args[0])
	}
	return t, nil
}

func bindTrunc(args []Node, _ row.Type) impl {
	name, _ := truncName(args)
	unit := truncUnits[name]
	switch {
	case args[1].Type().Kind == row.Interval:
		return fn2(func(_ string, us int64) int64 { return us - us%unit })
	case unit != 0:
		return fn2(func(_ string, us int64) int64 { return us - floorMod(us, unit) })
	case name == "WEEK":
		return fn2e(func(_ string, us int64) (int64, error) {
			return inRange((dayOf(us) + 1 - isoDay(us)) * row.Day)
		})
	}
	start := truncYears[name]
	return fn2e(func(_ string, us int64) (int64, error) {
		y, m, _, _ := row.Civil(us)
		y, m = start(y, m)
		return inRange(row.FromCivil(y, m, 1))
	})
}

// inRange checks a TIMESTAMP that was computed: the decade of year 5 begins in year 0.
func inRange(us int64) (int64, error) {
	if us < row.MinTimestamp || us > row.MaxTimestamp {
		return 0, errTimestamp
	}
	return us, nil
}

var errBin = errors.New("DATE_BIN width must be greater than zero")

func dateBin(width, us, origin int64) (int64, error) {
	if width <= 0 {
		return 0, errBin
	}
	return inRange(us - floorMod(us-origin, width))
}

func fromSeconds(s int64) (int64, error) {
	us, ok := mulInt(s, row.Second)
	if !ok {
		return 0, errTimestamp
	}
	return inRange(us)
}

func fromDouble(s float64) (int64, error) {
	us := math.RoundToEven(s * 1e6)
	if !(us >= math.MinInt64 && us < math.MaxInt64) {
		return 0, errTimestamp
	}
	return inRange(int64(us))
}

func bindFromDecimal(args []Node, _ row.Type) impl {
	scale := int(args[0].Type().Scale)
	return fn1e(func(d row.Int128) (int64, error) {
		d, over := row.Rescale(d, scale, 6)
		if over || !d.IsInt64() {
			return 0, errTimestamp
		}
		return inRange(d.Int64())
	})
}

// newDate is DATE(x): a cast.
func newDate(args []Node) (Node, error) {
	if err := wantArgs("DATE", args, 1, 1); err != nil {
		return nil, err
	}
	return Cast(args[0], dateType)
}
