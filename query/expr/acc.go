package expr

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"strings"

	"penstock/query/row"
)

// Partials, as Encode writes them:
//
//	COUNT            uvarint count
//	SUM, AVG         uvarint twice the count of values, and unless that is 0 the exact sum: a varint,
//	                 or, where that is too short and 1 was added to the count, an Int256
//	SUM, AVG         of doubles: uvarint count, and unless that is 0 an ExactFloat
//	MIN, MAX         the row key of the value; that of NULL for none
//	FIRST, LAST      the row key of the time, then of the value; that of NULL alone for none
//	... (DISTINCT x) uvarint count, then for each value in order uvarint length and row key
//
// COUNT, SUM and AVG of one argument differ only in what Value makes of them.

var errPartial = errors.New("damaged partial aggregate")

// NewAcc returns accumulators without a slot.
func (a *Aggregate) NewAcc() Acc {
	switch {
	case a.Distinct:
		return newDistinctAcc(a)
	case a.Name == "COUNT":
		return &countAcc{}
	case a.Name == "SUM" || a.Name == "AVG":
		if a.Arg.Type().Kind == row.Double {
			return &floatAcc{avg: a.Name == "AVG"}
		}
		return newSumAcc(a)
	}
	by := betterFor(a.Name)
	switch a.Arg.Type().Physical() {
	case row.F64:
		return newSelectAcc(by, a.Arg.Type(), row.CompareDouble)
	case row.Dec:
		return newSelectAcc(by, a.Arg.Type(), row.Int128.Cmp)
	case row.Str:
		return newSelectAcc(by, a.Arg.Type(), strings.Compare)
	}
	return newSelectAcc(by, a.Arg.Type(), cmp.Compare[int64])
}

// Skip returns what follows the partial at the front of src.
func (a *Aggregate) Skip(src []byte) (rest []byte, err error) {
	switch {
	case a.Distinct:
		return eachDistinct(src, func([]byte) {})
	case a.Selection():
		return skipSelection(a, src)
	}
	if a.Name != "COUNT" && a.Arg.Type().Kind != row.Double {
		_, rest, err = takeSum(src)
		return rest, err
	}
	n, rest, err := takeCount(src)
	if err != nil || n == 0 || a.Name == "COUNT" {
		return rest, err
	}
	var f row.ExactFloat
	return f.Decode(rest)
}

// Empty tells whether a partial is that of an empty slot.
func (a *Aggregate) Empty(partial []byte) bool {
	if a.Selection() {
		return isNullKey(partial)
	}
	return len(partial) > 0 && partial[0] == 0
}

// Better tells whether the partial x of a Selection wins over y. Neither is empty, and both are
// exactly one partial. Of two that are equal neither wins.
func (a *Aggregate) Better(x, y []byte) bool {
	switch a.Name {
	case "MIN", "FIRST": // for FIRST: the earlier time, then the smaller value
		return bytes.Compare(x, y) < 0
	case "MAX":
		return bytes.Compare(x, y) > 0
	}
	xv, err1 := row.SkipKey(x, tsType)
	yv, err2 := row.SkipKey(y, tsType)
	if err1 != nil || err2 != nil {
		return err2 != nil && err1 == nil
	}
	if c := bytes.Compare(x[:len(x)-len(xv)], y[:len(y)-len(yv)]); c != 0 {
		return c > 0
	}
	return bytes.Compare(xv, yv) < 0
}

var nullKey = row.AppendKey(nil, row.NullValue, row.Type{})

func isNullKey(b []byte) bool { return bytes.HasPrefix(b, nullKey) }

func skipSelection(a *Aggregate, src []byte) (rest []byte, err error) {
	if isNullKey(src) {
		return src[len(nullKey):], nil
	}
	if a.Name == "FIRST" || a.Name == "LAST" {
		if src, err = row.SkipKey(src, tsType); err != nil {
			return nil, err
		}
	}
	return row.SkipKey(src, a.Arg.Type())
}

// takeCount reads a uvarint in its shortest form.
func takeCount(src []byte) (n int64, rest []byte, err error) {
	if len(src) > 0 && src[0] < 0x80 {
		return int64(src[0]), src[1:], nil
	}
	u, k := binary.Uvarint(src)
	if k <= 0 || src[k-1] == 0 {
		return 0, nil, errPartial
	}
	return int64(u), src[k:], nil
}

// grow extends s to n elements, the new ones zero, whatever the memory held before.
func grow[T any](s []T, n int) []T {
	have := len(s)
	if n <= have {
		return s
	}
	if n > cap(s) {
		bigger := make([]T, have, max(n, 2*cap(s)))
		copy(bigger, s)
		s = bigger
	}
	s = s[:n]
	clear(s[have:])
	return s
}
