package expr

import (
	"errors"
	"math"

	"penstock/query/row"
)

func typeOfFirst(args []Node) (row.Type, error) { return args[0].Type(), nil }
func oneDigit([]Node) (row.Type, error)         { return row.DecimalType(1, 0), nil }

func bindAbs(args []Node, t row.Type) impl {
	lo, _, out := rangeOf(t)
	return fn1e(func(x int64) (int64, error) {
		if x == lo {
			return 0, out
		}
		return max(x, -x), nil
	})
}

func signDouble(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x // 0, -0 and NaN
}

// rounding tells how digits of a decimal fall off: d / 10^n as a whole number.
type rounding func(d row.Int128, n int) row.Int128

func roundAway(d row.Int128, n int) row.Int128 {
	if n > row.MaxPrecision {
		return row.Int128{}
	}
	return d.DivPow10Round(n)
}

func roundToZero(d row.Int128, n int) row.Int128 {
	if n > row.MaxPrecision {
		return row.Int128{}
	}
	q, _ := d.QuoRem(row.Pow10(n))
	return q
}

func roundDown(d row.Int128, n int) row.Int128 {
	q, rem := d.QuoRem(row.Pow10(n))
	if rem.Sign() < 0 {
		q, _ = q.Sub(row.Int128FromInt64(1))
	}
	return q
}

func roundUp(d row.Int128, n int) row.Int128 {
	q, rem := d.QuoRem(row.Pow10(n))
	if rem.Sign() > 0 {
		q, _ = q.Add(row.Int128FromInt64(1))
	}
	return q
}

// wholeForms are functions to a whole number: whole numbers become DECIMAL, so that they stay
// exact where PostgreSQL makes a double of them.
func wholeForms(decimals rounding, doubles func(float64) float64) []form {
	return []form{
		{in: kinds(decimal), typed: wholeType, bind: func(args []Node, _ row.Type) impl {
			scale := int(args[0].Type().Scale)
			return fn1(func(d row.Int128) row.Int128 { return decimals(d, scale) })
		}},
		{in: kinds(double), out: double, do: fn1(doubles)},
	}
}

// wholeType has a digit more than the whole part: 9.9 rounds to 10.
func wholeType(args []Node) (row.Type, error) {
	t := args[0].Type()
	if t.Scale == 0 {
		return t, nil
	}
	return row.DecimalType(wholeDigits(t)+1, 0), nil
}

// roundForms are ROUND and TRUNC, with a number of digits or without.
func roundForms(how rounding, doubles func(float64) float64) []form {
	return append(wholeForms(how, doubles),
		form{in: kinds(decimal, integer), typed: digitsType, bind: func(args []Node, t row.Type) impl {
			from, to := int(args[0].Type().Scale), int(t.Scale)
			return fn2e(func(d row.Int128, digits int64) (row.Int128, error) { return roundDigits(d, from, to, digits, how) })
		}},
		form{in: kinds(double, integer), out: double, do: fn2(func(x float64, digits int64) float64 {
			return roundDouble(x, digits, how)
		})})
}

// digitsType is the type of ROUND(x, n): with n digits after the point when n is a constant, with
// those of x otherwise.
func digitsType(args []Node) (row.Type, error) {
	t := args[0].Type()
	whole, scale := min(wholeDigits(t)+1, row.MaxPrecision), int(t.Scale)
	if v, ok := constOf(args[1]); ok {
		scale = int(min(max(v.I, 0), row.MaxPrecision))
	}
	return row.DecimalType(max(1, min(row.MaxPrecision, whole+scale)), min(scale, row.MaxPrecision)), nil
}

// roundDigits keeps some digits after the point of a decimal, and gives it another scale.
func roundDigits(d row.Int128, from, to int, digits int64, how rounding) (row.Int128, error) {
	if digits >= int64(from) {
		d, over := row.Rescale(d, from, to)
		if over || !d.FitsPrecision(row.MaxPrecision) {
			return d, errDecimal
		}
		return d, nil
	}
	drop := from - int(max(digits, -2*row.MaxPrecision))
	d = how(d, drop)
	if d.IsZero() {
		return d, nil
	}
	d, over := d.MulPow10(to - from + drop)
	if over || !d.FitsPrecision(row.MaxPrecision) {
		return d, errDecimal
	}
	return d, nil
}

// roundDouble rounds the shortest decimal that stands for x, which is what a reader sees of it;
// PostgreSQL has no such function.
func roundDouble(x float64, digits int64, how rounding) float64 {
	if digits > 20 {
		return x
	}
	d, err := row.DecimalFromFloat(x, row.MaxPrecision, 20)
	if err != nil {
		return x // NaN, an infinity, or so large that it has no digits after the point
	}
	if d, err = roundDigits(d, 20, 20, digits, how); err != nil {
		return x
	}
	return row.DecimalToFloat(d, 20)
}

func newMod(args []Node) (Node, error) {
	if err := wantArgs("MOD", args, 2, 2); err != nil {
		return nil, err
	}
	return newArith("%", args[0], args[1])
}

// What a function has no result for. The texts are PostgreSQL's.
var (
	errPowerZero = errors.New("zero raised to a negative power is undefined")
	errPowerRoot = errors.New("a negative number raised to a non-integer power yields a complex result")
	errSqrt      = errors.New("cannot take square root of a negative number")
	errLnZero    = errors.New("cannot take logarithm of zero")
	errLn        = errors.New("cannot take logarithm of a negative number")
)

func power(x, y float64) (float64, error) {
	switch {
	case x == 0 && y < 0:
		return 0, errPowerZero
	case x < 0 && y != math.Trunc(y) && !math.IsInf(y, 0):
		return 0, errPowerRoot
	}
	z := math.Pow(x, y)
	if z == 0 && x != 0 && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		return 0, errUnderflow
	}
	return checkDouble(z, x, y)
}

func sqrt(x float64) (float64, error) {
	if x < 0 {
		return 0, errSqrt
	}
	return math.Sqrt(x), nil
}

func exp(x float64) (float64, error) {
	y := math.Exp(x)
	if y == 0 && !math.IsInf(x, 0) {
		return 0, errUnderflow
	}
	return checkDouble(y, x, 0)
}

func logArg(x float64) error {
	switch {
	case x == 0:
		return errLnZero
	case x < 0:
		return errLn
	}
	return nil
}

func ln(x float64) (float64, error) {
	if err := logArg(x); err != nil {
		return 0, err
	}
	return math.Log(x), nil
}

func log10(x float64) (float64, error) {
	if err := logArg(x); err != nil {
		return 0, err
	}
	return math.Log10(x), nil
}

func logBase(base, x float64) (float64, error) {
	if err := logArg(base); err != nil {
		return 0, err
	}
	if err := logArg(x); err != nil {
		return 0, err
	}
	if base == 1 {
		return 0, errDivisionByZero
	}
	return math.Log(x) / math.Log(base), nil
}

// newExtreme is GREATEST and LEAST: the largest or smallest argument that is not NULL.
func newExtreme(name string) func(args []Node) (Node, error) {
	sign := 1
	if name == "LEAST" {
		sign = -1
	}
	o := &op{name: name, bind: func(_ []Node, t row.Type) impl { return extremeImpl(t, sign) }}
	return func(args []Node) (Node, error) {
		if err := wantArgs(name, args, 1, -1); err != nil {
			return nil, err
		}
		args, t, err := unify(name, args)
		if err != nil {
			return nil, err
		}
		return newApply(o, t, args...), nil
	}
}

func extremeImpl(t row.Type, sign int) impl {
	pick := func(n int, get func(k int) row.Value) row.Value {
		best := row.NullValue
		for k := range n {
			v := get(k)
			if v.State == row.Valid && (best.State != row.Valid || row.Compare(v, best, t)*sign > 0) {
				best = v
			}
		}
		return best
	}
	return impl{
		nulls: true,
		safe:  true,
		row: func(a []row.Value) (row.Value, error) {
			return pick(len(a), func(k int) row.Value { return a[k] }), nil
		},
		vec: func(_ *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			for _, i := range sel {
				setValue(out, i, pick(len(args), func(k int) row.Value { return args[k].Value(int(i)) }))
			}
		},
	}
}
