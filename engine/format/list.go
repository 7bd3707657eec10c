package format

import (
	"strconv"

	"penstock/query/row"
)

// AppendList appends r in the form that the book Spark in Action prints: List(69, 34, 75) for one
// column, List((EPE,710), (ABC,3)) for several. It names no interval, no part and no offsets.
func AppendList(dst []byte, r *Result) []byte {
	dst = append(dst, "List("...)
	for i, values := range r.Rows {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		tuple := len(r.Columns) > 1
		if tuple {
			dst = append(dst, '(')
		}
		for j, c := range r.Columns {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendListValue(dst, values[j], c.Type)
		}
		if tuple {
			dst = append(dst, ')')
		}
	}
	return append(dst, ')')
}

func appendListValue(dst []byte, v row.Value, t row.Type) []byte {
	switch {
	case v.IsNull():
		return append(dst, "null"...)
	case v.State == row.Valid && t.Kind == row.Boolean:
		return strconv.AppendBool(dst, v.I != 0)
	}
	return row.FormatValue(dst, v, t)
}
