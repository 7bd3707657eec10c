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
	vec   *row.Vector // nil: checked only, and the slices are empty
	// The slices of vec, at hand. Null is vec.Null of a batch that has any.
	i64  []int64
	f64  []float64
	dec  []row.Int128
	str  []string
	null []bool
}

// store makes room for the column in batches.
func (c *column) store() {
	c.null = make([]bool, row.MaxBatch)
	switch c.typ.Physical() {
	case row.F64:
		c.f64 = make([]float64, row.MaxBatch)
	case row.Dec:
		c.dec = make([]row.Int128, row.MaxBatch)
	case row.Str:
		c.str = make([]string, row.MaxBatch)
	default:
		c.i64 = make([]int64, row.MaxBatch)
	}
	c.vec = &row.Vector{Type: c.typ, I64: c.i64, F64: c.f64, Dec: c.dec, Str: c.str}
}

// begin makes the vector ready for a new batch.
func (c *column) begin() {
	if c.vec != nil {
		c.vec.Null = nil
	}
}

// setNull makes position n NULL.
func (c *column) setNull(n int) {
	if c.vec == nil {
		return
	}
	if c.vec.Null == nil {
		clear(c.null)
		c.vec.Null = c.null
	}
	c.null[n] = true
}

// setValid takes back a NULL that a bad record left at position n.
func (c *column) setValid(n int) {
	if c.vec.Null != nil {
		c.null[n] = false
	}
}

func (c *column) setInt(n int, v int64) {
	if n < len(c.i64) {
		c.i64[n] = v
		c.setValid(n)
	}
}

func (c *column) setText(n int, s string) {
	if n < len(c.str) {
		c.str[n] = s
		c.setValid(n)
	}
}

func (c *column) setDecimal(n int, d row.Int128) {
	if n < len(c.dec) {
		c.dec[n] = d
		c.setValid(n)
	}
}

func (c *column) setDouble(n int, f float64) {
	if n < len(c.f64) {
		c.f64[n] = f
		c.setValid(n)
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
