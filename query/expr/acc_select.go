package expr

import (
	"strings"

	"penstock/query/row"
)

// better is which of two values, or of two (time, value), an aggregate keeps.
type better uint8

const (
	smallest better = iota
	largest
	earliest
	latest
)

func betterFor(name string) better {
	return map[string]better{"MIN": smallest, "MAX": largest, "FIRST": earliest, "LAST": latest}[name]
}

// selectAcc is MIN, MAX, FIRST and LAST: each slot keeps one value. -0 is kept as 0, since the
// two are equal and which came first must not show.
type selectAcc[T phys] struct {
	by    better
	typ   row.Type
	cmp   func(a, b T) int
	has   []bool
	vals  []T
	times []int64 // FIRST, LAST
	bytes int     // of the text kept
}

func newSelectAcc[T phys](by better, t row.Type, cmp func(a, b T) int) *selectAcc[T] {
	return &selectAcc[T]{by: by, typ: t, cmp: cmp}
}

func (a *selectAcc[T]) timed() bool { return a.by == earliest || a.by == latest }

func (a *selectAcc[T]) Grow(n int) {
	a.has = grow(a.has, n)
	a.vals = grow(a.vals, n)
	if a.timed() {
		a.times = grow(a.times, n)
	}
}

func (a *selectAcc[T]) Bytes() int { return a.bytes }

func (a *selectAcc[T]) Clear(slot int) {
	var zero T
	if a.has[slot] {
		a.bytes -= size(a.vals[slot])
	}
	a.has[slot], a.vals[slot] = false, zero
}

func (a *selectAcc[T]) Reset() {
	a.has, a.vals, a.times = a.has[:0], a.vals[:0], a.times[:0]
	a.bytes = 0
}

func (a *selectAcc[T]) Update(sel, slots []int32, arg *row.Vector, times []int64) {
	vals := data[T](arg)
	for _, i := range sel {
		if arg.Null != nil && arg.Null[i] {
			continue
		}
		s := slots[i]
		if a.timed() {
			a.offer(s, vals[i], times[i])
		} else if c := 0; a.has[s] {
			if c = a.cmp(vals[i], a.vals[s]); c < 0 && a.by == smallest || c > 0 && a.by == largest {
				a.keep(s, vals[i], 0)
			}
		} else {
			a.keep(s, vals[i], 0)
		}
	}
}

// offer keeps v when it beats what the slot has.
func (a *selectAcc[T]) offer(s int32, v T, time int64) {
	if !a.has[s] {
		a.keep(s, v, time)
		return
	}
	wins := false
	switch a.by {
	case smallest:
		wins = a.cmp(v, a.vals[s]) < 0
	case largest:
		wins = a.cmp(v, a.vals[s]) > 0
	case earliest:
		wins = time < a.times[s] || time == a.times[s] && a.cmp(v, a.vals[s]) < 0
	case latest:
		wins = time > a.times[s] || time == a.times[s] && a.cmp(v, a.vals[s]) < 0
	}
	if wins {
		a.keep(s, v, time)
	}
}

func (a *selectAcc[T]) keep(s int32, v T, time int64) {
	if a.has[s] {
		a.bytes -= size(a.vals[s])
	}
	v = own(v)
	a.has[s], a.vals[s] = true, v
	a.bytes += size(v)
	if a.timed() {
		a.times[s] = time
	}
}

// own makes v independent of the batch it comes from, and 0 of -0.
func own[T phys](v T) T {
	switch p := any(&v).(type) {
	case *string:
		*p = strings.Clone(*p)
	case *float64:
		*p += 0
	}
	return v
}

// size is the memory behind v.
func size[T phys](v T) int {
	if p, ok := any(&v).(*string); ok {
		return len(*p)
	}
	return 0
}

func (a *selectAcc[T]) Encode(dst []byte, slot int) []byte {
	if !a.has[slot] {
		return append(dst, nullKey...)
	}
	if a.timed() {
		dst = row.AppendKey(dst, row.Int(a.times[slot]), tsType)
	}
	return row.AppendKey(dst, value(a.vals[slot]), a.typ)
}

func (a *selectAcc[T]) Merge(slot int, src []byte) (rest []byte, err error) {
	if isNullKey(src) {
		return src[len(nullKey):], nil
	}
	var time row.Value
	if a.timed() {
		if time, src, err = row.DecodeKey(src, tsType); err != nil {
			return nil, err
		}
	}
	v, rest, err := row.DecodeKey(src, a.typ)
	if err != nil {
		return nil, err
	}
	a.offer(int32(slot), get[T](&v), time.I)
	return rest, nil
}

func (a *selectAcc[T]) Subtract(int, []byte) ([]byte, error) { return nil, errNoSubtract }

func (a *selectAcc[T]) Value(slot int) row.Value {
	if !a.has[slot] {
		return row.NullValue
	}
	return value(a.vals[slot])
}
