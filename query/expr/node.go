package expr

import (
	"math"
	"slices"

	"penstock/query/row"
)

// Node is a typed expression. Nodes are immutable and may be shared by goroutines. Only this
// package makes them.
type Node interface {
	Type() row.Type
	String() string // as SQL; parsing it again gives an equal node

	children() []Node
	with(children []Node) Node // the same node over other children of the same types
	same(o Node) bool          // equal, children apart; the types are equal already
	prec() int
	row(vals []row.Value) (row.Value, error)
	compile(c *compiler) step
}

// column reads one column of the row.
type column struct {
	index int
	name  string
	typ   row.Type
}

// Col returns the column at index of the row, shown as name.
func Col(index int, name string, t row.Type) Node { return &column{index, name, t} }

func (n *column) Type() row.Type     { return n.typ }
func (n *column) children() []Node   { return nil }
func (n *column) with(_ []Node) Node { return n }
func (n *column) same(o Node) bool   { return o.(*column).index == n.index }
func (n *column) prec() int          { return precAtom }
func (n *column) compile(*compiler) step {
	return func(f *frame, _ []int32) *row.Vector { return f.batch.Cols[n.index] }
}

func (n *column) row(vals []row.Value) (row.Value, error) { return vals[n.index], nil }

// constant is a literal, or what folding made of an expression.
type constant struct {
	v   row.Value
	typ row.Type
	// literal: a string as the user wrote it, without a type of its own, which takes the type
	// of what it meets ('2016-01-01' beside a TIMESTAMP).
	literal bool
	// shown is how the user wrote a constant that was cast since, so that it prints as written:
	// f > 1 and not f > 1e0. Empty: as the value is.
	shown string
}

// Const returns a literal. A VARCHAR one adapts to the type of its surroundings as PostgreSQL's
// unknown-typed literals do; Cast takes that freedom away.
func Const(v row.Value, t row.Type) Node {
	if t.Kind == row.Unknown && v.State == row.Valid {
		t = row.Of(row.Varchar)
	}
	return &constant{v: v, typ: t, literal: t.Kind == row.Varchar && v.State == row.Valid}
}

// Null returns a NULL whose type is still open.
func Null() Node { return &constant{v: row.NullValue} }

func typedNull(t row.Type) Node { return &constant{v: row.NullValue, typ: t} }

func (n *constant) Type() row.Type     { return n.typ }
func (n *constant) children() []Node   { return nil }
func (n *constant) with(_ []Node) Node { return n }

func (n *constant) prec() int {
	if n.typ.Numeric() && n.v.State == row.Valid && (n.v.I < 0 || n.v.D.Sign() < 0 || math.Signbit(n.v.F)) {
		return precUnary
	}
	return precAtom
}

func (n *constant) same(o Node) bool { return sameValue(n.v, o.(*constant).v) }

func (n *constant) row([]row.Value) (row.Value, error) { return n.v, nil }

// sameValue is identity, not SQL equality: -0 differs from 0, since 1/x tells them apart.
func sameValue(a, b row.Value) bool {
	return a.State == b.State && a.I == b.I && a.D == b.D && a.S == b.S &&
		math.Float64bits(a.F) == math.Float64bits(b.F)
}

// constOf returns the value of a constant that is not NULL.
func constOf(n Node) (row.Value, bool) {
	c, ok := n.(*constant)
	if !ok || c.v.State != row.Valid {
		return row.Value{}, false
	}
	return c.v, true
}

// isLiteral tells whether n is a string literal that still adapts.
func isLiteral(n Node) bool {
	c, ok := n.(*constant)
	return ok && c.literal
}

// untyped tells whether n has no type of its own: a bare NULL or a string literal.
func untyped(n Node) bool { return n.Type().Kind == row.Unknown || isLiteral(n) }

// AsColumn returns the index of the column that n is, and whether it is one.
func AsColumn(n Node) (int, bool) {
	if c, ok := n.(*column); ok {
		return c.index, true
	}
	return 0, false
}

// ConstValue returns the value of a literal, which may be NULL, and whether n is one.
func ConstValue(n Node) (row.Value, bool) {
	if c, ok := n.(*constant); ok {
		return c.v, true
	}
	return row.Value{}, false
}

// Walk calls f for n and everything below it, parents first, until f returns false for a node,
// whose parts are then left out.
func Walk(n Node, f func(Node) bool) {
	if !f(n) {
		return
	}
	for _, c := range n.children() {
		Walk(c, f)
	}
}

// Rewrite replaces every node of n, children first, by what f returns for it. A replacement must
// have the type of what it replaces.
func Rewrite(n Node, f func(Node) Node) Node {
	var changed []Node
	for i, c := range n.children() {
		r := Rewrite(c, f)
		if r != c && changed == nil {
			changed = slices.Clone(n.children())
		}
		if changed != nil {
			changed[i] = r
		}
	}
	if changed != nil {
		n = n.with(changed)
	}
	return f(n)
}

// Columns returns the indexes of the columns that n reads, ascending.
func Columns(n Node) []int {
	var list []int
	Walk(n, func(n Node) bool {
		if i, ok := AsColumn(n); ok && !slices.Contains(list, i) {
			list = append(list, i)
		}
		return true
	})
	slices.Sort(list)
	return list
}

// Equal tells whether a and b are the same expression, node by node. Names of columns do not
// count, their indexes do.
func Equal(a, b Node) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if a.Type() != b.Type() || !sameKind(a, b) || !a.same(b) {
		return false
	}
	ac, bc := a.children(), b.children()
	return slices.EqualFunc(ac, bc, Equal)
}

// sameKind tells whether two nodes have one Go type, which same relies on.
func sameKind(a, b Node) bool {
	var ok bool
	switch a.(type) {
	case *column:
		_, ok = b.(*column)
	case *constant:
		_, ok = b.(*constant)
	case *apply:
		_, ok = b.(*apply)
	case *cast:
		_, ok = b.(*cast)
	case *logic:
		_, ok = b.(*logic)
	case *caseNode:
		_, ok = b.(*caseNode)
	case *in:
		_, ok = b.(*in)
	case *test:
		_, ok = b.(*test)
	case *coalesce:
		_, ok = b.(*coalesce)
	}
	return ok
}

// IsConst tells whether n reads no column.
func IsConst(n Node) bool {
	isConst := true
	Walk(n, func(n Node) bool {
		if _, ok := n.(*column); ok {
			isConst = false
		}
		return isConst
	})
	return isConst
}

// FoldConst replaces the largest parts of n that read no column by their values. A part that
// fails stays as it is, since what is above may never evaluate it; only when n reads no column at
// all, and fails, is that an error.
func FoldConst(n Node) (Node, error) {
	folded := Rewrite(n, func(n Node) Node {
		if _, ok := n.(*constant); ok || !allConst(n.children()) || isColumn(n) {
			return n
		}
		v, err := n.row(nil)
		if err != nil || v.State == row.Error {
			return n
		}
		return &constant{v: v, typ: n.Type()}
	})
	if IsConst(folded) {
		if _, ok := folded.(*constant); !ok {
			if _, err := folded.row(nil); err != nil {
				return nil, err
			}
		}
	}
	return folded, nil
}

// isColumn tells whether n is a column.
func isColumn(n Node) bool {
	_, ok := n.(*column)
	return ok
}

func allConst(list []Node) bool {
	for _, n := range list {
		if _, ok := n.(*constant); !ok {
			return false
		}
	}
	return true
}

// EvalRow computes n for one row. An Error value among the inputs that are read makes the result
// an Error value; a failure (overflow, division by zero) is the error.
func EvalRow(n Node, vals []row.Value) (row.Value, error) { return n.row(vals) }
