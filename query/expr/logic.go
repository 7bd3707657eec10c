package expr

import (
	"strings"

	"penstock/query/row"
)

// logic is AND or OR. The right side is evaluated only where the left does not decide.
type logic struct {
	or   bool
	l, r Node
}

func newLogic(op string, l, r Node) (Node, error) {
	l, err := wantBool(op, l)
	if err != nil {
		return nil, err
	}
	if r, err = wantBool(op, r); err != nil {
		return nil, err
	}
	return &logic{or: op == "OR", l: l, r: r}, nil
}

func (n *logic) Type() row.Type        { return boolType }
func (n *logic) children() []Node      { return []Node{n.l, n.r} }
func (n *logic) with(kids []Node) Node { return &logic{n.or, kids[0], kids[1]} }
func (n *logic) same(o Node) bool      { return o.(*logic).or == n.or }

func (n *logic) prec() int {
	if n.or {
		return precOr
	}
	return precAnd
}

func (n *logic) String() string {
	op := " AND "
	if n.or {
		op = " OR "
	}
	return operand(n.l, n.prec()) + op + operand(n.r, n.prec()+1)
}

func (n *logic) row(vals []row.Value) (row.Value, error) {
	decides := b2i(n.or)
	l, err := n.l.row(vals)
	if err != nil || l.State == row.Error || l.State == row.Valid && l.I == decides {
		return l, err
	}
	r, err := n.r.row(vals)
	if err != nil || r.State == row.Error || r.State == row.Valid && r.I == decides {
		return r, err
	}
	if l.State == row.Null {
		return l, nil
	}
	return r, nil
}

func (n *logic) compile(c *compiler) step {
	left, right := n.l.compile(c), n.r.compile(c)
	out := newVector(boolType)
	flags := make([]bool, row.MaxBatch)
	open := make([]int32, 0, row.MaxBatch)
	decides := b2i(n.or)
	return func(f *frame, sel []int32) *row.Vector {
		l := left(f, sel)
		out.Null = nil
		open = open[:0]
		for _, i := range sel {
			out.I64[i] = decides
			if l.IsNull(int(i)) || l.I64[i] != decides {
				open = append(open, i)
			}
		}
		if l.Null != nil {
			out.Null = flags
			for _, i := range sel {
				flags[i] = l.Null[i]
			}
		}
		if f.errs.Any() {
			open = f.errs.Drop(open)
		}
		if len(open) == 0 {
			out.Null = nil // the left decided everything, or failed
			return out
		}
		n.combine(right(f, open), out, flags, sel, open, decides)
		return out
	}
}

// combine brings in the right side at the positions that the left left open. There, the left is
// NULL or neutral: a right side that decides wins, then a NULL of either.
func (n *logic) combine(r, out *row.Vector, flags []bool, sel, open []int32, decides int64) {
	if out.Null == nil && r.Null == nil {
		for _, i := range open {
			out.I64[i] = r.I64[i]
		}
		return
	}
	if out.Null == nil {
		out.Null = flags
		for _, i := range sel {
			flags[i] = false
		}
	}
	for _, i := range open {
		switch {
		case r.Null != nil && r.Null[i]:
			flags[i] = true
		case r.I64[i] == decides:
			flags[i] = false
		case !flags[i]:
			out.I64[i] = r.I64[i]
		}
	}
}

// compilePick narrows the selection by the left side, then by the right. Positions where the
// left is NULL cannot become true, but their right side is still evaluated when it can fail,
// since a row fails or passes by the same rule in every evaluator.
func (n *logic) compilePick(c *compiler) picker {
	if canFail(n.r) {
		eval := n.compile(c)
		return func(f *frame, sel, out []int32) []int32 { return pickTrue(eval(f, sel), sel, out) }
	}
	left, right := compilePick(c, n.l), compilePick(c, n.r)
	return func(f *frame, sel, out []int32) []int32 {
		from := len(out)
		out = left(f, sel, out)
		return right(f, out[from:], out[:from])
	}
}

// canFail tells whether evaluating n can fail a row.
func canFail(n Node) bool {
	fails := false
	Walk(n, func(n Node) bool {
		switch n := n.(type) {
		case *cast:
			fails = fails || !n.impl.safe
		case *apply:
			fails = fails || !n.impl.safe
		}
		return !fails
	})
	return fails
}

// test is IS [NOT] NULL, TRUE, FALSE. It is never NULL.
type test struct {
	x    Node
	what string // NULL, TRUE, FALSE
	not  bool
}

// IsNull returns x IS NULL, with not x IS NOT NULL.
func IsNull(x Node, not bool) (Node, error) { return &test{x, "NULL", not}, nil }

// IsBool returns x IS TRUE or x IS FALSE, with not x IS NOT TRUE or x IS NOT FALSE.
func IsBool(x Node, want, not bool) (Node, error) {
	what := strings.ToUpper(b2s(want))
	x, err := wantBool("IS "+what, x)
	if err != nil {
		return nil, err
	}
	return &test{x, what, not}, nil
}

func b2s(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func (n *test) Type() row.Type        { return boolType }
func (n *test) children() []Node      { return []Node{n.x} }
func (n *test) with(kids []Node) Node { return &test{kids[0], n.what, n.not} }
func (n *test) prec() int             { return precIs }

func (n *test) same(o Node) bool {
	t := o.(*test)
	return t.what == n.what && t.not == n.not
}

func (n *test) String() string {
	is := " IS "
	if n.not {
		is = " IS NOT "
	}
	return operand(n.x, precIs+1) + is + n.what
}

func (n *test) holds(null bool, i int64) bool {
	switch n.what {
	case "NULL":
		return null != n.not
	case "TRUE":
		return (!null && i != 0) != n.not
	}
	return (!null && i == 0) != n.not
}

func (n *test) row(vals []row.Value) (row.Value, error) {
	v, err := n.x.row(vals)
	if err != nil || v.State == row.Error {
		return v, err
	}
	return row.Bool(n.holds(v.State == row.Null, v.I)), nil
}

func (n *test) compile(c *compiler) step {
	x := n.x.compile(c)
	out := newVector(boolType)
	ofNull, ofFalse, ofTrue := b2i(n.holds(true, 0)), b2i(n.holds(false, 0)), b2i(n.holds(false, 1))
	return func(f *frame, sel []int32) *row.Vector {
		v := x(f, sel)
		for _, i := range sel {
			switch {
			case v.Null != nil && v.Null[i]:
				out.I64[i] = ofNull
			case n.what != "NULL" && v.I64[i] == 0:
				out.I64[i] = ofFalse
			default:
				out.I64[i] = ofTrue
			}
		}
		return out
	}
}

// opNot is NOT x.
var opNot = &op{name: "NOT ", style: prefix, level: precNot, bind: func([]Node, row.Type) impl {
	return fn1(func(x int64) int64 { return 1 - x })
}}
