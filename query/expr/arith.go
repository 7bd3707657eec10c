package expr

import (
	"errors"
	"math"
	"math/bits"

	"penstock/query/row"
)

// Why a row can fail in arithmetic. The texts are PostgreSQL's.
var (
	errDivisionByZero = errors.New("division by zero")
	errInteger        = errors.New("integer out of range")
	errBigint         = errors.New("bigint out of range")
	errDouble         = errors.New("double precision out of range")
	errDecimal        = errors.New("decimal result has more than 38 digits")
)

// arithOps holds the op of each operator and physical form, so that equal expressions share one.
var arithOps = map[string]map[row.Kind]*op{}

func init() {
	for _, name := range []string{"+", "-", "*", "/", "%"} {
		level := precMul
		if name == "+" || name == "-" {
			level = precAdd
		}
		arithOps[name] = map[row.Kind]*op{
			row.Integer: {name: name, style: infix, level: level, bind: bindInt(name)},
			row.Double:  {name: name, style: infix, level: level, bind: bindDouble(name)},
			row.Decimal: {name: name, style: infix, level: level, bind: bindDecimal(name)},
		}
	}
	arithOps["+"][row.Timestamp] = &op{name: "+", style: infix, level: precAdd, bind: bindTime("+")}
	arithOps["-"][row.Timestamp] = &op{name: "-", style: infix, level: precAdd, bind: bindTime("-")}
	arithOps["*"][row.Interval] = &op{name: "*", style: infix, level: precMul, bind: bindScale("*")}
	arithOps["/"][row.Interval] = &op{name: "/", style: infix, level: precMul, bind: bindScale("/")}
}

// newNumberOp returns l op r for two numbers.
func newNumberOp(op string, l, r Node) (Node, error) {
	t := commonNumber(l.Type(), r.Type())
	if t.Kind == row.Decimal {
		return newDecimalOp(op, l, r)
	}
	if t.Kind == row.Double && op == "%" {
		return nil, typeError("cast both to DECIMAL or BIGINT",
			"operator %% does not take DOUBLE PRECISION, found %s and %s", l.Type(), r.Type())
	}
	l, err := coerce(l, t)
	if err != nil {
		return nil, err
	}
	if r, err = coerce(r, t); err != nil {
		return nil, err
	}
	kind := t.Kind
	if kind == row.Bigint {
		kind = row.Integer // one op for both: they share the representation
	}
	return newApply(arithOps[op][kind], t, l, r), nil
}

// rangeOf returns the bounds of an integer type and the reason to fail outside.
func rangeOf(t row.Type) (lo, hi int64, err error) {
	if t.Kind == row.Integer {
		return math.MinInt32, math.MaxInt32, errInteger
	}
	return math.MinInt64, math.MaxInt64, errBigint
}

func addInt(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, (a^sum)&(b^sum) >= 0
}

func subInt(a, b int64) (diff int64, ok bool) {
	diff = a - b
	return diff, (a^b)&(a^diff) >= 0
}

func mulInt(a, b int64) (product int64, ok bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	// The unsigned product, corrected to the signed one.
	h := int64(hi) - (a>>63)&b - (b>>63)&a
	return int64(lo), h == int64(lo)>>63
}

func divInt(a, b int64) (int64, error) {
	switch {
	case b == 0:
		return 0, errDivisionByZero
	case b == -1 && a == math.MinInt64:
		return 0, errBigint
	}
	return a / b, nil
}

func modInt(a, b int64) (int64, error) {
	switch b {
	case 0:
		return 0, errDivisionByZero
	case -1:
		return 0, nil // MinInt64 % -1 must not trap
	}
	return a % b, nil
}

// intKernel is a loop for one of addInt, subInt, mulInt. The kernels differ only in the call in
// the middle, which is spelled out so that it is inlined.
type intKernel func(f *frame, sel []int32, a, b, r []int64, lo, hi int64, out error)

func addInts(f *frame, sel []int32, a, b, r []int64, lo, hi int64, out error) {
	for _, i := range sel {
		x, ok := addInt(a[i], b[i])
		r[i] = x
		if !ok || x < lo || x > hi {
			f.errs.Fail(i, out)
		}
	}
}

func subInts(f *frame, sel []int32, a, b, r []int64, lo, hi int64, out error) {
	for _, i := range sel {
		x, ok := subInt(a[i], b[i])
		r[i] = x
		if !ok || x < lo || x > hi {
			f.errs.Fail(i, out)
		}
	}
}

func mulInts(f *frame, sel []int32, a, b, r []int64, lo, hi int64, out error) {
	for _, i := range sel {
		x, ok := mulInt(a[i], b[i])
		r[i] = x
		if !ok || x < lo || x > hi {
			f.errs.Fail(i, out)
		}
	}
}

func bindInt(name string) func([]Node, row.Type) impl {
	one := map[string]func(a, b int64) (int64, bool){"+": addInt, "-": subInt, "*": mulInt}[name]
	kernel := map[string]intKernel{"+": addInts, "-": subInts, "*": mulInts}[name]
	return func(_ []Node, t row.Type) impl {
		lo, hi, out := rangeOf(t)
		switch name {
		case "/":
			return fn2e(func(a, b int64) (int64, error) {
				q, err := divInt(a, b)
				if err == nil && (q < lo || q > hi) {
					err = out
				}
				return q, err
			})
		case "%":
			return fn2e(modInt)
		}
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

// checkDouble fails a result that became infinite though no operand was, as PostgreSQL does.
func checkDouble(x, a, b float64) (float64, error) {
	if math.IsInf(x, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0) {
		return 0, errDouble
	}
	return x, nil
}

func addDouble(a, b float64) (float64, error) { return checkDouble(a+b, a, b) }
func subDouble(a, b float64) (float64, error) { return checkDouble(a-b, a, b) }

// PostgreSQL also fails a product or quotient that underflows to zero.
func mulDouble(a, b float64) (float64, error) {
	x := a * b
	if x == 0 && a != 0 && b != 0 {
		return 0, errUnderflow
	}
	return checkDouble(x, a, b)
}

func divDouble(a, b float64) (float64, error) {
	if b == 0 && !math.IsNaN(a) {
		return 0, errDivisionByZero
	}
	x := a / b
	if x == 0 && a != 0 && !math.IsInf(b, 0) {
		return 0, errUnderflow
	}
	return checkDouble(x, a, b)
}

var errUnderflow = errors.New("double precision underflow")

func bindDouble(name string) func([]Node, row.Type) impl {
	return func([]Node, row.Type) impl {
		switch name {
		case "+":
			return withLoop(fn2e(addDouble), func(sel []int32, a, b, r []float64) {
				for _, i := range sel {
					r[i] = a[i] + b[i]
				}
			})
		case "-":
			return withLoop(fn2e(subDouble), func(sel []int32, a, b, r []float64) {
				for _, i := range sel {
					r[i] = a[i] - b[i]
				}
			})
		case "*":
			return fn2e(mulDouble)
		}
		return fn2e(divDouble)
	}
}

// withLoop gives im a loop that checks nothing; the results that need a second look, the
// infinite ones, then go through the checked function.
func withLoop(im impl, loop func(sel []int32, a, b, r []float64)) impl {
	checked := im.vec
	im.vec = func(f *frame, sel []int32, args []*row.Vector, out *row.Vector) {
		r := out.F64
		loop(sel, args[0].F64, args[1].F64, r)
		for k, i := range sel {
			if math.IsInf(r[i], 0) {
				checked(f, sel[k:], args, out)
				return
			}
		}
	}
	return im
}

// opNeg is -x.
var opNeg = &op{name: "-", style: prefix, level: precUnary, bind: func(_ []Node, t row.Type) impl {
	switch t.Physical() {
	case row.F64:
		return fn1(func(x float64) float64 { return -x })
	case row.Dec:
		return fn1(row.Int128.Neg)
	}
	lo, _, out := rangeOf(t)
	return fn1e(func(x int64) (int64, error) {
		if x == lo {
			return 0, out
		}
		return -x, nil
	})
}}

// negate returns -x for constants.
func negate(t row.Type) func(row.Value) (row.Value, error) {
	im := opNeg.bind(nil, t)
	return func(v row.Value) (row.Value, error) { return im.row([]row.Value{v}) }
}
