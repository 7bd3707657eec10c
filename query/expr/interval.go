package expr

import (
	"errors"
	"math"

	"penstock/query/row"
)

var (
	errTimestamp = errors.New("timestamp out of range")
	errDate      = errors.New("date out of range")
	errInterval  = errors.New("interval out of range")
)

// newTimeOp returns arithmetic of times and intervals, nil when there is none for these types:
//
//	TIMESTAMP ± INTERVAL, DATE ± INTERVAL    TIMESTAMP
//	TIMESTAMP - TIMESTAMP                    INTERVAL (a DATE beside one counts as its midnight)
//	DATE ± INTEGER, DATE - DATE              DATE, INTEGER (days)
//	INTERVAL ± INTERVAL, INTERVAL * number, INTERVAL / number
func newTimeOp(op string, l, r Node) (Node, error) {
	lt, rt := l.Type().Kind, r.Type().Kind
	swap := func(a, b bool) bool {
		if !a && b {
			l, r = r, l
			lt, rt = rt, lt
		}
		return a || b
	}
	isInt := func(k row.Kind) bool { return k == row.Integer || k == row.Bigint }
	days := arithOps[op][row.Timestamp]
	switch {
	case op == "+" && swap(isDay(l.Type()) && rt == row.Interval, lt == row.Interval && isDay(r.Type())),
		op == "-" && isDay(l.Type()) && rt == row.Interval:
		return timeOp(days, tsType, l, tsType, r, intervalType)
	case op == "+" && swap(lt == row.Date && isInt(rt), isInt(lt) && rt == row.Date),
		op == "-" && lt == row.Date && isInt(rt):
		return timeOp(days, dateType, l, dateType, r, bigType)
	case op == "-" && lt == row.Date && rt == row.Date:
		return timeOp(days, intType, l, dateType, r, dateType)
	case op == "-" && isDay(l.Type()) && isDay(r.Type()):
		return timeOp(days, intervalType, l, tsType, r, tsType)
	case (op == "+" || op == "-") && lt == row.Interval && rt == row.Interval:
		return timeOp(days, intervalType, l, intervalType, r, intervalType)
	case op == "*" && swap(lt == row.Interval && r.Type().Numeric(), l.Type().Numeric() && rt == row.Interval),
		op == "/" && lt == row.Interval && r.Type().Numeric():
		by := doubleType
		if isInt(rt) && op == "*" {
			by = bigType
		}
		return timeOp(arithOps[op][row.Interval], intervalType, l, intervalType, r, by)
	}
	return nil, nil
}

func timeOp(o *op, t row.Type, l Node, lt row.Type, r Node, rt row.Type) (Node, error) {
	l, err := coerce(l, lt)
	if err != nil {
		return nil, err
	}
	if r, err = coerce(r, rt); err != nil {
		return nil, err
	}
	return newApply(o, t, l, r), nil
}

// timeRange returns the bounds of a type of time.
func timeRange(t row.Type) (lo, hi int64, err error) {
	switch t.Kind {
	case row.Timestamp:
		return row.MinTimestamp, row.MaxTimestamp, errTimestamp
	case row.Date:
		return row.MinTimestamp / row.Day, row.MaxTimestamp / row.Day, errDate
	case row.Integer:
		return math.MinInt32, math.MaxInt32, errInteger
	}
	return math.MinInt64, math.MaxInt64, errInterval
}

func bindTime(name string) func([]Node, row.Type) impl {
	one, kernel := addInt, intKernel(addInts)
	if name == "-" {
		one, kernel = subInt, subInts
	}
	return func(_ []Node, t row.Type) impl {
		lo, hi, out := timeRange(t)
		return impl{
			row: func(args []row.Value) (row.Value, error) {
				x, ok := one(args[0].I, args[1].I)
				if !ok || x < lo || x > hi {
					return row.Value{}, out
				}
				return row.Int(x), nil
			},
			vec: func(f *frame, sel []int32, args []*row.Vector, v *row.Vector) {
				kernel(f, sel, args[0].I64, args[1].I64, v.I64, lo, hi, out)
			},
		}
	}
}

// bindScale multiplies or divides an interval. The result is rounded to microseconds, half to
// even.
func bindScale(name string) func([]Node, row.Type) impl {
	return func(args []Node, _ row.Type) impl {
		if args[1].Type().Kind == row.Bigint {
			return fn2e(func(a, b int64) (int64, error) {
				x, ok := mulInt(a, b)
				if !ok {
					return 0, errInterval
				}
				return x, nil
			})
		}
		return fn2e(func(a int64, b float64) (int64, error) {
			f := float64(a)
			if name == "*" {
				return intervalOf(f * b)
			}
			if b == 0 {
				return 0, errDivisionByZero
			}
			return intervalOf(f / b)
		})
	}
}

func intervalOf(us float64) (int64, error) {
	us = math.RoundToEven(us)
	if !(us >= math.MinInt64 && us < math.MaxInt64) {
		return 0, errInterval
	}
	return int64(us), nil
}
