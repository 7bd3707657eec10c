package row

import "strings"

// Compare orders two valid values of one type as SQL does: -1, 0 or 1. Text compares by its bytes;
// -0 equals 0; NaN equals itself and is larger than everything else, as in PostgreSQL.
func Compare(a, b Value, t Type) int {
	switch t.Physical() {
	case F64:
		return CompareDouble(a.F, b.F)
	case Dec:
		return a.D.Cmp(b.D)
	case Str:
		return strings.Compare(a.S, b.S)
	}
	switch {
	case a.I < b.I:
		return -1
	case a.I > b.I:
		return 1
	}
	return 0
}

// CompareDouble orders float64 values as Compare does.
func CompareDouble(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	case a == a: // so b is NaN
		return -1
	case b == b:
		return 1
	}
	return 0
}

// Equal tells whether two values of one type are the same, NULL being the same as NULL and an
// error the same as an error with its reason: IS NOT DISTINCT FROM.
func Equal(a, b Value, t Type) bool {
	if a.State != b.State {
		return false
	}
	switch a.State {
	case Null:
		return true
	case Error:
		return a.S == b.S
	}
	return Compare(a, b, t) == 0
}
