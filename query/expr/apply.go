package expr

import (
	"strings"

	"penstock/query/row"
)

// op is an operator or one form of a function: what apply nodes refer to. Two apply nodes are
// equal when they have the same op and equal arguments.
type op struct {
	name  string
	style style
	level int // precedence, of operators
	// bind makes the code for these arguments: it may look at their types and hoist constants.
	bind func(args []Node, t row.Type) impl
	show func(args []Node) string // nil: by style
}

type style uint8

const (
	function style = iota
	infix
	prefix
)

// apply is an operation over the values of its arguments; all are evaluated.
type apply struct {
	op   *op
	args []Node
	typ  row.Type
	impl impl
}

func newApply(o *op, t row.Type, args ...Node) Node {
	return &apply{op: o, args: args, typ: t, impl: o.bind(args, t)}
}

func (n *apply) Type() row.Type            { return n.typ }
func (n *apply) children() []Node          { return n.args }
func (n *apply) with(children []Node) Node { return newApply(n.op, n.typ, children...) }
func (n *apply) same(o Node) bool          { return n.op == o.(*apply).op }

func (n *apply) prec() int {
	if n.op.style == function {
		return precAtom
	}
	return n.op.level
}

func (n *apply) String() string {
	if n.op.show != nil {
		return n.op.show(n.args)
	}
	switch n.op.style {
	case infix:
		first := n.op.level
		if first <= precLike {
			first++ // a = b = c means nothing: these do not associate
		}
		return operand(n.args[0], first) + " " + n.op.name + " " + operand(n.args[1], n.op.level+1)
	case prefix:
		return n.op.name + operand(n.args[0], n.op.level+1)
	}
	parts := make([]string, len(n.args))
	for i, a := range n.args {
		parts[i] = a.String()
	}
	return n.op.name + "(" + strings.Join(parts, ", ") + ")"
}

func (n *apply) row(vals []row.Value) (row.Value, error) {
	args := make([]row.Value, len(n.args))
	null := false
	for i, a := range n.args {
		v, err := a.row(vals)
		if err != nil {
			return row.Value{}, err
		}
		args[i] = v
		null = null || v.State == row.Null
	}
	for _, v := range args {
		if v.State == row.Error {
			return v, nil
		}
	}
	if null && !n.impl.nulls {
		return row.NullValue, nil
	}
	return n.impl.row(args)
}

func (n *apply) compile(c *compiler) step {
	steps := make([]step, len(n.args))
	for i, a := range n.args {
		if n.op == arithOps["*"][row.Decimal] && n.args[1-i].Type().Kind == row.Decimal && !isWhole(n.args[1-i]) {
			a = wholeFactor(a)
		}
		steps[i] = a.compile(c)
	}
	args := make([]*row.Vector, len(n.args))
	out := newVector(n.typ)
	im := n.impl
	var scratch nulls
	return func(f *frame, sel []int32) *row.Vector {
		for i, s := range steps {
			args[i] = s(f, sel)
		}
		if im.nulls {
			scratch.clear(sel, args, out)
		} else {
			sel = scratch.drop(sel, args, out)
		}
		if room := f.errs.Text; room != nil && out.Str != nil {
			room.fill(out, sel, func(sel []int32) { im.vec(f, sel, args, out) })
		} else {
			im.vec(f, sel, args, out)
		}
		return out
	}
}
