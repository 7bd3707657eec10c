package expr

import (
	"errors"
	"math"
	"unicode/utf8"

	"penstock/query/row"
)

// cast changes the type of x. Implicit casts do not print.
type cast struct {
	x        Node
	typ      row.Type
	implicit bool
	impl     impl
}

// Cast returns CAST(x AS t). A constant is converted at once, so a text that is no t is an error
// here.
func Cast(x Node, t row.Type) (Node, error) {
	from := x.Type()
	if from == t {
		if c, ok := x.(*constant); ok && c.literal {
			return &constant{v: c.v, typ: t, shown: castText(c, t)}, nil // no longer adapts
		}
		return x, nil
	}
	if t.Kind == row.Unknown {
		return nil, typeError("name a type, as in CAST(x AS BIGINT)", "a cast needs a type, found %s", t)
	}
	return newCast(x, t, false)
}

func newCast(x Node, t row.Type, implicit bool) (Node, error) {
	from := x.Type()
	if c, ok := x.(*constant); ok && c.v.State == row.Null {
		to := &constant{v: c.v, typ: t}
		if !implicit {
			to.shown = castText(c, t)
		}
		return to, nil
	}
	do, ok := castImpl(from, t)
	if !ok {
		return nil, typeError("expected a type that "+from.String()+" converts to, such as VARCHAR",
			"cannot cast %s to %s", from, t)
	}
	if c, ok := x.(*constant); ok && c.v.State == row.Valid {
		return castConst(c, t, do, implicit)
	}
	return &cast{x, t, implicit, do}, nil
}

// castConst converts a constant, which goes on printing as it was written: the value alone does
// not tell its type.
func castConst(c *constant, t row.Type, do impl, implicit bool) (Node, error) {
	v, err := do.row([]row.Value{c.v})
	switch {
	case err != nil && c.typ.Kind == row.Varchar:
		return nil, typeError("", "%v", err)
	case err != nil:
		return nil, typeError("", "cannot cast %s to %s: %v", c, t, err)
	}
	to := &constant{v: v, typ: t, shown: castText(c, t)}
	switch {
	case implicit:
		to.shown = c.String()
	case c.literal && (isDay(t) || t.Kind == row.Interval):
		to.shown = t.String() + " " + quote(c.v.S)
	}
	return to, nil
}

func castText(x Node, t row.Type) string { return "CAST(" + x.String() + " AS " + t.String() + ")" }

func (n *cast) Type() row.Type   { return n.typ }
func (n *cast) children() []Node { return []Node{n.x} }
func (n *cast) same(o Node) bool { return true }

func (n *cast) with(kids []Node) Node { return &cast{kids[0], n.typ, n.implicit, n.impl} }

func (n *cast) prec() int {
	if n.implicit {
		return n.x.prec()
	}
	return precAtom
}

func (n *cast) String() string {
	if n.implicit {
		return n.x.String()
	}
	return castText(n.x, n.typ)
}

func (n *cast) row(vals []row.Value) (row.Value, error) {
	v, err := n.x.row(vals)
	if err != nil || v.State != row.Valid {
		return v, err
	}
	return n.impl.row([]row.Value{v})
}

func (n *cast) compile(c *compiler) step {
	x := n.x.compile(c)
	if n.impl.vec == nil { // the same representation, other type
		return x
	}
	out := newVector(n.typ)
	args := make([]*row.Vector, 1)
	var scratch nulls
	return func(f *frame, sel []int32) *row.Vector {
		args[0] = x(f, sel)
		sel = scratch.drop(sel, args, out)
		n.impl.vec(f, sel, args, out)
		return out
	}
}

// asIs is a cast that changes nothing but the type.
var asIs = impl{safe: true, row: func(a []row.Value) (row.Value, error) { return a[0], nil }}

// castImpl returns how a value of one type becomes one of the other, and whether it can.
func castImpl(from, to row.Type) (impl, bool) {
	switch {
	case from.Kind == row.Unknown:
		return asIs, true
	case to.Kind == row.Varchar:
		return castToText(from, to), true
	case from.Kind == row.Varchar:
		return castFromText(to), true
	case from.Kind == row.Boolean:
		return fn1(func(x int64) int64 { return x }), to.Kind == row.Integer
	}
	switch to.Kind {
	case row.Boolean:
		return fn1(func(x int64) int64 { return b2i(x != 0) }), from.Kind == row.Integer || from.Kind == row.Bigint
	case row.Integer, row.Bigint:
		return castToInt(from, to), from.Numeric()
	case row.Double:
		return castToDouble(from), from.Numeric()
	case row.Decimal:
		return castToDecimal(from, to), from.Numeric()
	case row.Timestamp:
		return fn1(func(x int64) int64 { return x * row.Day }), from.Kind == row.Date
	case row.Date:
		return fn1(dayOf), from.Kind == row.Timestamp
	}
	return impl{}, false
}

// dayOf is the day of a time, days since the epoch.
func dayOf(us int64) int64 {
	d := us / row.Day
	if us%row.Day < 0 {
		d--
	}
	return d
}

func castToInt(from, to row.Type) impl {
	lo, hi, out := rangeOf(to)
	switch from.Kind {
	case row.Integer:
		return asIs
	case row.Double: // rounds half to even, as PostgreSQL's casts from double precision do
		return fn1e(func(x float64) (int64, error) {
			x = math.RoundToEven(x)
			if !(x >= float64(lo) && x < -float64(lo)) {
				return 0, out
			}
			return int64(x), nil
		})
	case row.Decimal:
		return fn1e(func(x row.Int128) (int64, error) {
			x = x.DivPow10Round(int(from.Scale))
			if !x.IsInt64() || x.Int64() < lo || x.Int64() > hi {
				return 0, out
			}
			return x.Int64(), nil
		})
	}
	return fn1e(func(x int64) (int64, error) {
		if x < lo || x > hi {
			return 0, out
		}
		return x, nil
	})
}

func castToDouble(from row.Type) impl {
	if from.Kind == row.Decimal {
		return fn1(func(x row.Int128) float64 { return row.DecimalToFloat(x, int(from.Scale)) })
	}
	return fn1(func(x int64) float64 { return float64(x) })
}

func castToDecimal(from, to row.Type) impl {
	p, s := int(to.Precision), int(to.Scale)
	tooLarge := errors.New("number does not fit " + to.String())
	switch from.Kind {
	case row.Double:
		return fn1e(func(x float64) (row.Int128, error) { return row.DecimalFromFloat(x, p, s) })
	case row.Decimal:
		fs := int(from.Scale)
		if s == fs && p >= int(from.Precision) {
			return asIs
		}
		return fn1e(func(x row.Int128) (row.Int128, error) {
			x, over := row.Rescale(x, fs, s)
			if over || !x.FitsPrecision(p) {
				return x, tooLarge
			}
			return x, nil
		})
	}
	if s == 0 && p >= wholeDigits(from) {
		return fn1(row.Int128FromInt64)
	}
	return fn1e(func(i int64) (row.Int128, error) {
		x, over := row.Int128FromInt64(i).MulPow10(s)
		if over || !x.FitsPrecision(p) {
			return x, tooLarge
		}
		return x, nil
	})
}

// textOf is a value as a cast to VARCHAR writes it: as FormatValue, but for booleans.
func textOf(v row.Value, t row.Type) string {
	if t.Kind == row.Boolean {
		return b2s(v.I != 0)
	}
	if t.Kind == row.Varchar {
		return v.S
	}
	return string(row.FormatValue(nil, v, t))
}

// castToText writes x. VARCHAR(n) cuts the text, as PostgreSQL's casts do.
func castToText(from, to row.Type) impl {
	one := func(v row.Value) string {
		s := textOf(v, from)
		if to.Length > 0 && len(s) > int(to.Length) {
			s = leftRunes(s, int64(to.Length))
		}
		return s
	}
	if from.Kind == row.Varchar && to.Length == 0 {
		return asIs
	}
	return impl{
		safe: true,
		row:  func(a []row.Value) (row.Value, error) { return row.Text(one(a[0])), nil },
		vec: func(_ *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			for _, i := range sel {
				out.Str[i] = one(args[0].Value(int(i)))
			}
		},
	}
}

func castFromText(to row.Type) impl {
	return impl{
		row: func(a []row.Value) (row.Value, error) { return row.ParseValue(a[0].S, to) },
		vec: func(f *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			for _, i := range sel {
				v, err := row.ParseValue(args[0].Str[i], to)
				if err != nil {
					f.errs.Fail(i, err)
					continue
				}
				setValue(out, i, v)
			}
		},
	}
}

// leftRunes returns the first n characters of s.
func leftRunes(s string, n int64) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func runes(s string) int64 { return int64(utf8.RuneCountInString(s)) }

// coerceText fixes the type of a string literal as VARCHAR.
func coerceText(n Node) (Node, error) {
	if isLiteral(n) {
		v, _ := constOf(n)
		return &constant{v: v, typ: textType}, nil
	}
	return coerce(n, textType)
}
