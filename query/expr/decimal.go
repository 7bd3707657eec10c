package expr

import (
	"math/bits"

	"penstock/query/row"
)

// divScale is the least scale of a DECIMAL quotient or average.
const divScale = 6

// newDecimalOp types arithmetic of exact numbers of which one at least is a DECIMAL. + - % cast
// both sides to their common scale, * and / take them as they are. The scales follow the
// standard; a quotient has at least six digits after the point, where PostgreSQL gives some
// sixteen significant ones.
func newDecimalOp(op string, l, r Node) (Node, error) {
	lt, rt := asDecimal(l.Type()), asDecimal(r.Type())
	var t row.Type
	switch op {
	case "*":
		scale := int(lt.Scale) + int(rt.Scale)
		if scale > row.MaxPrecision {
			return nil, typeError("round one side first, as in ROUND("+l.String()+", 6)",
				"%s * %s has %d digits after the point, expected at most %d", lt, rt, scale, row.MaxPrecision)
		}
		t = row.DecimalType(min(row.MaxPrecision, int(lt.Precision)+int(rt.Precision)), scale)
	case "/":
		t = row.DecimalType(row.MaxPrecision, int(max(lt.Scale, rt.Scale, divScale)))
	default:
		t = commonDecimal(lt, rt)
		if op != "%" {
			t.Precision = uint8(min(row.MaxPrecision, int(t.Precision)+1))
		}
	}
	l, err := coerce(l, lt)
	if err != nil {
		return nil, err
	}
	if r, err = coerce(r, rt); err != nil {
		return nil, err
	}
	return newApply(arithOps[op][row.Decimal], t, l, r), nil
}

func bindDecimal(name string) func([]Node, row.Type) impl {
	return func(args []Node, t row.Type) impl {
		lt, rt := args[0].Type(), args[1].Type()
		up, vp := int(t.Scale)-int(lt.Scale), int(t.Scale)-int(rt.Scale)
		// Only a type cut down to 38 digits can be too small for a result.
		capped := t.Precision == row.MaxPrecision
		switch name {
		case "*":
			return mulDecimals(capped)
		case "/":
			return fn2e(divDecimal(int(t.Scale) - int(lt.Scale) + int(rt.Scale)))
		case "%":
			return fn2e(modDecimal(up, vp))
		case "-":
			return fn2e(scaledDecimal(up, vp, row.Int128.Sub))
		}
		return fn2e(scaledDecimal(up, vp, row.Int128.Add))
	}
}

// mulDecimals multiplies unscaled values: the scales add up by themselves. The loops take whole
// numbers as they are, see wholeFactor.
func mulDecimals(capped bool) impl {
	return impl{
		row: func(a []row.Value) (row.Value, error) {
			x, over := a[0].D.Mul(a[1].D)
			if over || capped && !x.FitsPrecision(row.MaxPrecision) {
				return row.Value{}, errDecimal
			}
			return row.Dec128(x), nil
		},
		vec: func(f *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			a, b := args[0], args[1]
			if b.Dec == nil {
				a, b = b, a
			}
			if a.Dec == nil && b.Dec != nil {
				mulWhole(f, sel, a.I64, b.Dec, out.Dec, capped)
				return
			}
			for _, i := range sel {
				x, over := a.Dec[i].Mul(b.Dec[i])
				out.Dec[i] = x
				if over || capped && !x.FitsPrecision(row.MaxPrecision) {
					f.errs.Fail(i, errDecimal)
				}
			}
		},
	}
}

// mulWhole multiplies BIGINTs with DECIMALs: amount * price. Two numbers of 64 bits, as most are,
// need one multiplication and cannot leave 128.
func mulWhole(f *frame, sel []int32, a []int64, b, r []row.Int128, capped bool) {
	for _, i := range sel {
		x, y := a[i], b[i]
		if y.IsInt64() {
			z := int64(y.Lo)
			hi, lo := bits.Mul64(uint64(x), uint64(z))
			r[i] = row.Int128{Hi: int64(hi) - (x>>63)&z - (z>>63)&x, Lo: lo}
			continue // at most 2^126, which is below 10^38
		}
		p, over := y.Mul(row.Int128FromInt64(x))
		r[i] = p
		if over || capped && !p.FitsPrecision(row.MaxPrecision) {
			f.errs.Fail(i, errDecimal)
		}
	}
}

func isWhole(n Node) bool { return wholeFactor(n) != n }

// wholeFactor returns what to compile for a factor of a DECIMAL product: a whole number is
// multiplied as it is, without a vector of DECIMALs made from it first.
func wholeFactor(n Node) Node {
	if c, ok := n.(*cast); ok && c.implicit && c.typ.Scale == 0 && c.x.Type().Physical() == row.I64 {
		return c.x
	}
	return n
}

// scaledDecimal applies do to the operands brought to the scale of the result.
func scaledDecimal(up, vp int, do func(a, b row.Int128) (row.Int128, bool)) func(a, b row.Int128) (row.Int128, error) {
	return func(a, b row.Int128) (row.Int128, error) {
		a, over1 := a.MulPow10(up)
		b, over2 := b.MulPow10(vp)
		x, over3 := do(a, b)
		if over1 || over2 || over3 || !x.FitsPrecision(row.MaxPrecision) {
			return x, errDecimal
		}
		return x, nil
	}
}

// divDecimal divides a, scaled up by 10^pow, by b, half away from zero.
func divDecimal(pow int) func(a, b row.Int128) (row.Int128, error) {
	return func(a, b row.Int128) (row.Int128, error) {
		if b.IsZero() {
			return b, errDivisionByZero
		}
		p := pow
		if p > row.MaxPrecision { // scale 38 by scale 38 and more: a needs two steps
			var over bool
			if a, over = a.MulPow10(p - row.MaxPrecision); over {
				return a, errDecimal
			}
			p = row.MaxPrecision
		}
		x, over := row.MulDivRound(a, row.Pow10(p), b)
		if over || !x.FitsPrecision(row.MaxPrecision) {
			return x, errDecimal
		}
		return x, nil
	}
}

// modDecimal is the remainder of truncated division, with the sign of a.
func modDecimal(up, vp int) func(a, b row.Int128) (row.Int128, error) {
	return func(a, b row.Int128) (row.Int128, error) {
		if b.IsZero() {
			return b, errDivisionByZero
		}
		a, over1 := a.MulPow10(up)
		b, over2 := b.MulPow10(vp)
		if over1 || over2 {
			return a, errDecimal
		}
		_, rem := a.QuoRem(b)
		return rem, nil
	}
}
