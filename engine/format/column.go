package format

import (
	"fmt"
	"math"
	"unicode/utf8"

	"penstock/query/row"
)

// column reads the fields of one column and stores them when somebody uses it.
type column struct {
	name  string
	typ   row.Type
	times *row.TimeFormat
	vec   *row.Vector // nil: checked only
	nulls []bool      // vec.Null of a batch that has any
}

// store makes room for the column in batches.
func (c *column) store() {
	c.vec = &row.Vector{Type: c.typ}
	c.nulls = make([]bool, row.MaxBatch)
	switch c.typ.Physical() {
	case row.F64:
		c.vec.F64 = make([]float64, row.MaxBatch)
	case row.Dec:
		c.vec.Dec = make([]row.Int128, row.MaxBatch)
	case row.Str:
		c.vec.Str = make([]string, row.MaxBatch)
	default:
		c.vec.I64 = make([]int64, row.MaxBatch)
	}
}

// setNull makes position n NULL.
func (c *column) setNull(n int) {
	if c.vec == nil {
		return
	}
	if c.vec.Null == nil {
		clear(c.nulls)
		c.vec.Null = c.nulls
	}
	c.nulls[n] = true
}

func (c *column) setInt(n int, v int64) {
	if c.vec == nil {
		return
	}
	c.vec.I64[n] = v
	if c.vec.Null != nil {
		c.nulls[n] = false
	}
}

func (c *column) setText(n int, s string) {
	if c.vec == nil {
		return
	}
	c.vec.Str[n] = s
	if c.vec.Null != nil {
		c.nulls[n] = false
	}
}

func (c *column) setDecimal(n int, d row.Int128) {
	if c.vec == nil {
		return
	}
	c.vec.Dec[n] = d
	if c.vec.Null != nil {
		c.nulls[n] = false
	}
}

func (c *column) setDouble(n int, f float64) {
	if c.vec == nil {
		return
	}
	c.vec.F64[n] = f
	if c.vec.Null != nil {
		c.nulls[n] = false
	}
}

// setField reads the text of a field into position n. A false answer means that it is not of the
// column's type; reason says why, and is apart so that good rows do not pay for it.
func (c *column) setField(n int, s string) bool {
	switch c.typ.Kind {
	case row.Bigint, row.Integer:
		v, err := row.ParseInt(s, c.typ)
		c.setInt(n, v)
		return err == nil
	case row.Decimal:
		d, err := row.ParseDecimal(s, int(c.typ.Precision), int(c.typ.Scale), false)
		c.setDecimal(n, d)
		return err == nil
	case row.Varchar:
		c.setText(n, s)
		return c.fits(s)
	case row.Timestamp:
		us, ok := c.times.ParseText(s)
		c.setInt(n, us)
		return ok
	case row.Date:
		days, err := row.ParseDate(s)
		c.setInt(n, days)
		return err == nil
	case row.Double:
		f, err := row.ParseDouble(s)
		c.setDouble(n, f)
		return err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	case row.Boolean:
		v, ok := row.ParseBool(s)
		c.setInt(n, row.Bool(v).I)
		return ok
	}
	return false
}

// fits tells whether text is short enough for the column.
func (c *column) fits(s string) bool {
	return c.typ.Length == 0 || len(s) <= int(c.typ.Length) || utf8.RuneCountInString(s) <= int(c.typ.Length)
}

// reason says why setField refused s.
func (c *column) reason(s string) string {
	var err error
	switch c.typ.Kind {
	case row.Bigint, row.Integer:
		_, err = row.ParseInt(s, c.typ)
	case row.Decimal:
		_, err = row.ParseDecimal(s, int(c.typ.Precision), int(c.typ.Scale), false)
	case row.Timestamp:
		_, err = c.times.Parse(s)
	case row.Double:
		_, err = row.ParseDouble(s)
	case row.Varchar:
		return fmt.Sprintf("%s is longer than %s", row.Quote(s), c.typ)
	}
	if err == nil {
		return fmt.Sprintf("%s is not %s", row.Quote(s), c.typ)
	}
	return err.Error()
}
