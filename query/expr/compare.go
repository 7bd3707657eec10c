package expr

import (
	"cmp"
	"strings"

	"penstock/query/row"
)

// relation is a comparison operator as the outcomes of a three-way comparison that make it true.
type relation struct{ less, equal, greater bool }

var relations = map[string]relation{
	"=": {equal: true}, "<>": {less: true, greater: true},
	"<": {less: true}, "<=": {less: true, equal: true},
	">": {greater: true}, ">=": {equal: true, greater: true},
}

// outcomes is the relation by one more than what a comparison returns.
func (r relation) outcomes() [3]int64 { return [3]int64{b2i(r.less), b2i(r.equal), b2i(r.greater)} }

func (r relation) holds(c int) bool {
	return c < 0 && r.less || c == 0 && r.equal || c > 0 && r.greater
}

var compareOps = map[string]*op{}

func init() {
	for name, rel := range relations {
		compareOps[name] = &op{name: name, style: infix, level: precCompare, bind: bindCompare(rel)}
	}
	for _, name := range []string{"IS DISTINCT FROM", "IS NOT DISTINCT FROM"} {
		compareOps[name] = &op{name: name, style: infix, level: precIs, bind: bindDistinct(strings.Contains(name, "NOT"))}
	}
}

func newCompare(op string, l, r Node) (Node, error) {
	args, err := comparable(op, l, r)
	if err != nil {
		return nil, err
	}
	return newApply(compareOps[op], boolType, args...), nil
}

func newDistinct(op string, l, r Node) (Node, error) { return newCompare(op, l, r) }

// comparable casts both sides to one type. Two DECIMALs stay as they are when the cast could
// leave 38 digits, so that a comparison never fails a row; the kernel then compares by scale.
func comparable(op string, l, r Node) ([]Node, error) {
	lt, rt := l.Type(), r.Type()
	if !untyped(l) && !untyped(r) {
		t, ok := common(lt, rt)
		if !ok {
			return nil, typeError(compareHint(l, r), "cannot compare %s with %s", lt, rt)
		}
		if t.Kind == row.Decimal && wholeDigits(lt)+int(t.Scale) > row.MaxPrecision ||
			t.Kind == row.Decimal && wholeDigits(rt)+int(t.Scale) > row.MaxPrecision {
			lc, err := coerce(l, asDecimal(lt))
			if err != nil {
				return nil, err
			}
			rc, err := coerce(r, asDecimal(rt))
			return []Node{lc, rc}, err
		}
	}
	args, _, err := unify("operator "+op, []Node{l, r})
	return args, err
}

func wholeDigits(t row.Type) int {
	t = asDecimal(t)
	return int(t.Precision) - int(t.Scale)
}

func compareHint(l, r Node) string {
	lt, rt := l.Type(), r.Type()
	lc, lConst := constOf(l)
	rc, rConst := constOf(r)
	switch {
	case lt.Kind == row.Varchar && rConst && rt.Numeric():
		return "write '" + string(row.FormatValue(nil, rc, rt)) + "', or CAST(" + l.String() + " AS " + rt.String() + ")"
	case rt.Kind == row.Varchar && lConst && lt.Numeric():
		return "write '" + string(row.FormatValue(nil, lc, lt)) + "', or CAST(" + r.String() + " AS " + lt.String() + ")"
	case lt.Kind == row.Varchar:
		return "write CAST(" + l.String() + " AS " + rt.String() + ")"
	case rt.Kind == row.Varchar:
		return "write CAST(" + r.String() + " AS " + lt.String() + ")"
	}
	return "cast one side to the type of the other"
}

// bindCompare chooses the kernel by physical type; a constant on the right is hoisted.
func bindCompare(rel relation) func([]Node, row.Type) impl {
	return func(args []Node, _ row.Type) impl {
		t := args[0].Type()
		right, isConst := constOf(args[1])
		im := impl{safe: true, row: func(a []row.Value) (row.Value, error) {
			return row.Bool(rel.holds(row.Compare(a[0], a[1], t))), nil
		}}
		switch t.Physical() {
		case row.F64:
			im.vec = compareBy(rel, row.CompareDouble)
		case row.Dec:
			if u := args[1].Type(); u.Scale != t.Scale {
				by := func(a, b row.Int128) int { return compareScaled(a, b, int(t.Scale), int(u.Scale)) }
				im.vec = compareBy(rel, by)
				im.row = func(a []row.Value) (row.Value, error) { return row.Bool(rel.holds(by(a[0].D, a[1].D))), nil }
			} else {
				im.vec = compareDecimals(rel)
			}
		case row.Str:
			im.vec = compareStrings(rel, right.S, isConst)
		default:
			im.vec = compareInts(rel, right.I, isConst)
		}
		return im
	}
}

// compareScaled compares decimals of different scales. What does not fit 38 digits at the larger
// scale is larger, in size, than anything that has it.
func compareScaled(a, b row.Int128, as, bs int) int {
	if as > bs {
		return -compareScaled(b, a, bs, as)
	}
	scaled, over := a.MulPow10(bs - as)
	if over {
		return a.Sign()
	}
	return scaled.Cmp(b)
}

type kernel = func(f *frame, sel []int32, args []*row.Vector, out *row.Vector)

func compareBy[T phys](rel relation, by func(a, b T) int) kernel {
	outcome := rel.outcomes()
	return func(_ *frame, sel []int32, args []*row.Vector, out *row.Vector) {
		a, b, r := data[T](args[0]), data[T](args[1]), out.I64
		for _, i := range sel {
			r[i] = outcome[1+by(a[i], b[i])]
		}
	}
}

func compareDecimals(rel relation) kernel {
	outcome := rel.outcomes()
	return func(_ *frame, sel []int32, args []*row.Vector, out *row.Vector) {
		a, b, r := args[0].Dec, args[1].Dec, out.I64
		for _, i := range sel {
			x, y := a[i], b[i]
			c := 1
			switch {
			case x.Hi < y.Hi || x.Hi == y.Hi && x.Lo < y.Lo:
				c = 0
			case x != y:
				c = 2
			}
			r[i] = outcome[c]
		}
	}
}

// compareInts and compareStrings have a loop for each relation, with and without a constant:
// they are what most filters are made of.
func compareInts(rel relation, c int64, isConst bool) kernel {
	return func(_ *frame, sel []int32, args []*row.Vector, out *row.Vector) {
		if isConst {
			compareConst(rel, sel, args[0].I64, c, out.I64)
			return
		}
		compareLoop(rel, sel, args[0].I64, args[1].I64, out.I64)
	}
}

func compareStrings(rel relation, c string, isConst bool) kernel {
	return func(_ *frame, sel []int32, args []*row.Vector, out *row.Vector) {
		switch {
		case isConst && len(c) == 1 && !rel.less && !rel.greater:
			equalByte(sel, args[0].Str, c[0], out.I64)
			return
		case isConst:
			compareConst(rel, sel, args[0].Str, c, out.I64)
			return
		}
		compareLoop(rel, sel, args[0].Str, args[1].Str, out.I64)
	}
}

// equalByte compares with a text of one byte, a flag such as 'B', without a call.
func equalByte(sel []int32, a []string, c byte, r []int64) {
	for _, i := range sel {
		s, differs := a[i], byte(1)
		if len(s) == 1 {
			differs = s[0] ^ c
		}
		r[i] = b2i(differs == 0)
	}
}

func compareConst[T cmp.Ordered](rel relation, sel []int32, a []T, c T, r []int64) {
	switch rel {
	case relation{equal: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] == c)
		}
	case relation{less: true, greater: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] != c)
		}
	case relation{less: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] < c)
		}
	case relation{less: true, equal: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] <= c)
		}
	case relation{greater: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] > c)
		}
	default:
		for _, i := range sel {
			r[i] = b2i(a[i] >= c)
		}
	}
}

func compareLoop[T cmp.Ordered](rel relation, sel []int32, a, b []T, r []int64) {
	switch rel {
	case relation{equal: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] == b[i])
		}
	case relation{less: true, greater: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] != b[i])
		}
	case relation{less: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] < b[i])
		}
	case relation{less: true, equal: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] <= b[i])
		}
	case relation{greater: true}:
		for _, i := range sel {
			r[i] = b2i(a[i] > b[i])
		}
	default:
		for _, i := range sel {
			r[i] = b2i(a[i] >= b[i])
		}
	}
}

// bindDistinct is IS [NOT] DISTINCT FROM: a comparison for which NULL is a value like others.
func bindDistinct(not bool) func([]Node, row.Type) impl {
	return func(args []Node, _ row.Type) impl {
		equal := bindCompare(relations["="])(args, boolType)
		one := func(a, b row.Value) int64 {
			if a.State != row.Valid || b.State != row.Valid {
				return b2i((a.State == b.State) == not)
			}
			v, _ := equal.row([]row.Value{a, b})
			return b2i((v.I != 0) == not)
		}
		return impl{
			nulls: true,
			safe:  true,
			row: func(a []row.Value) (row.Value, error) {
				return row.Int(one(a[0], a[1])), nil
			},
			vec: func(f *frame, sel []int32, args []*row.Vector, out *row.Vector) {
				out.Null = nil
				equal.vec(f, sel, args, out)
				for _, i := range sel {
					ln, rn := args[0].IsNull(int(i)), args[1].IsNull(int(i))
					if ln || rn {
						out.I64[i] = b2i((ln == rn) == not)
					} else {
						out.I64[i] = b2i((out.I64[i] != 0) == not)
					}
				}
			},
		}
	}
}
