package expr

import (
	"strings"

	"penstock/query/row"
)

// caseNode is CASE WHEN w THEN t ... ELSE e END. A branch is evaluated only where it is taken,
// a condition only where the ones before were not true.
type caseNode struct {
	whens, thens []Node
	els          Node
	typ          row.Type
}

// Case returns CASE. operand may be nil; with one, each of whens is compared with it. els may be
// nil: ELSE NULL.
func Case(operand Node, whens, thens []Node, els Node) (Node, error) {
	conds := make([]Node, len(whens))
	for i, w := range whens {
		var err error
		if operand != nil {
			conds[i], err = newCompare("=", operand, w)
		} else {
			conds[i], err = wantBool("WHEN", w)
		}
		if err != nil {
			return nil, err
		}
	}
	if els == nil {
		els = Null()
	}
	all := append(append([]Node{}, thens...), els)
	all, t, err := unify("CASE", all)
	if err != nil {
		return nil, err
	}
	return &caseNode{conds, all[:len(thens)], all[len(thens)], t}, nil
}

// newNullif is NULLIF(a, b): NULL where they are equal, a elsewhere.
func newNullif(args []Node) (Node, error) {
	if err := wantArgs("NULLIF", args, 2, 2); err != nil {
		return nil, err
	}
	eq, err := newCompare("=", args[0], args[1])
	if err != nil {
		return nil, err
	}
	x := args[0]
	if untyped(x) {
		x = eq.children()[0] // as the comparison typed it
	}
	return &caseNode{[]Node{eq}, []Node{typedNull(x.Type())}, x, x.Type()}, nil
}

func (n *caseNode) Type() row.Type { return n.typ }
func (n *caseNode) prec() int      { return precAtom }

func (n *caseNode) children() []Node {
	list := make([]Node, 0, 2*len(n.whens)+1)
	for i := range n.whens {
		list = append(list, n.whens[i], n.thens[i])
	}
	return append(list, n.els)
}

func (n *caseNode) with(kids []Node) Node {
	m := &caseNode{typ: n.typ, els: kids[len(kids)-1]}
	for i := range n.whens {
		m.whens = append(m.whens, kids[2*i])
		m.thens = append(m.thens, kids[2*i+1])
	}
	return m
}

func (n *caseNode) same(o Node) bool { return len(o.(*caseNode).whens) == len(n.whens) }

func (n *caseNode) String() string {
	var b strings.Builder
	b.WriteString("CASE")
	for i := range n.whens {
		b.WriteString(" WHEN " + n.whens[i].String() + " THEN " + n.thens[i].String())
	}
	if v, ok := ConstValue(n.els); !ok || v.State != row.Null {
		b.WriteString(" ELSE " + n.els.String())
	}
	return b.String() + " END"
}

func (n *caseNode) row(vals []row.Value) (row.Value, error) {
	for i, w := range n.whens {
		v, err := w.row(vals)
		if err != nil || v.State == row.Error {
			return v, err
		}
		if v.State == row.Valid && v.I != 0 {
			return n.thens[i].row(vals)
		}
	}
	return n.els.row(vals)
}

func (n *caseNode) compile(c *compiler) step {
	conds := make([]step, len(n.whens))
	branches := make([]step, len(n.whens)+1)
	for i := range n.whens {
		conds[i], branches[i] = n.whens[i].compile(c), n.thens[i].compile(c)
	}
	branches[len(n.whens)] = n.els.compile(c)
	m := newMerger(n.typ)
	rest := make([]int32, 0, row.MaxBatch)
	taken := make([]int32, 0, row.MaxBatch)
	return func(f *frame, sel []int32) *row.Vector {
		m.start(sel)
		rest = append(rest[:0], sel...)
		for k, cond := range conds {
			v := cond(f, rest)
			if f.errs.Any() {
				rest = f.errs.Drop(rest)
			}
			taken = pickTrue(v, rest, taken[:0])
			rest = dropTrue(v, rest)
			m.take(branches[k], f, taken)
		}
		m.take(branches[len(conds)], f, rest)
		return m.out
	}
}

// dropTrue removes the positions where v is true from sel, in place.
func dropTrue(v *row.Vector, sel []int32) []int32 {
	kept := sel[:0]
	for _, i := range sel {
		if v.I64[i] == 0 || v.Null != nil && v.Null[i] {
			kept = append(kept, i)
		}
	}
	return kept
}

// merger puts a vector together from parts that other steps compute at disjoint positions.
type merger struct {
	out   *row.Vector
	flags []bool
	sel   []int32
}

func newMerger(t row.Type) *merger {
	return &merger{out: newVector(t), flags: make([]bool, row.MaxBatch)}
}

func (m *merger) start(sel []int32) {
	m.out.Null = nil
	m.sel = sel
}

func (m *merger) take(s step, f *frame, sel []int32) {
	if len(sel) > 0 {
		m.put(s(f, sel), sel)
	}
}

// put copies v at sel.
func (m *merger) put(v *row.Vector, sel []int32) {
	if v.Null != nil && m.out.Null == nil {
		for _, i := range m.sel {
			m.flags[i] = false
		}
		m.out.Null = m.flags
	}
	if v.Null != nil {
		for _, i := range sel {
			m.flags[i] = v.Null[i]
		}
	}
	switch m.out.Type.Physical() {
	case row.F64:
		move(m.out.F64, v.F64, sel)
	case row.Dec:
		move(m.out.Dec, v.Dec, sel)
	case row.Str:
		move(m.out.Str, v.Str, sel)
	default:
		move(m.out.I64, v.I64, sel)
	}
}

func move[T phys](to, from []T, sel []int32) {
	for _, i := range sel {
		to[i] = from[i]
	}
}

// coalesce is COALESCE: the first argument that is not NULL; later ones are evaluated only where
// all before are NULL.
type coalesce struct {
	args []Node
	typ  row.Type
}

func newCoalesce(args []Node) (Node, error) {
	if len(args) == 0 {
		return nil, typeError("as in COALESCE(price, 0)", "COALESCE needs at least one argument, found none")
	}
	args, t, err := unify("COALESCE", args)
	if err != nil {
		return nil, err
	}
	return &coalesce{args, t}, nil
}

func (n *coalesce) Type() row.Type        { return n.typ }
func (n *coalesce) children() []Node      { return n.args }
func (n *coalesce) with(kids []Node) Node { return &coalesce{kids, n.typ} }
func (n *coalesce) same(Node) bool        { return true }
func (n *coalesce) prec() int             { return precAtom }

func (n *coalesce) String() string {
	parts := make([]string, len(n.args))
	for i, a := range n.args {
		parts[i] = a.String()
	}
	return "COALESCE(" + strings.Join(parts, ", ") + ")"
}

func (n *coalesce) row(vals []row.Value) (row.Value, error) {
	for _, a := range n.args {
		v, err := a.row(vals)
		if err != nil || v.State != row.Null {
			return v, err
		}
	}
	return row.NullValue, nil
}

func (n *coalesce) compile(c *compiler) step {
	steps := make([]step, len(n.args))
	for i, a := range n.args {
		steps[i] = a.compile(c)
	}
	m := newMerger(n.typ)
	rest := make([]int32, 0, row.MaxBatch)
	return func(f *frame, sel []int32) *row.Vector {
		v := steps[0](f, sel)
		if v.Null == nil || len(steps) == 1 {
			return v
		}
		m.start(sel)
		m.put(v, sel)
		rest = append(rest[:0], sel...)
		for _, s := range steps[1:] {
			rest = keepNull(v, rest)
			if f.errs.Any() {
				rest = f.errs.Drop(rest)
			}
			if len(rest) == 0 || v.Null == nil {
				break
			}
			v = s(f, rest)
			m.put(v, rest)
			if v.Null == nil {
				for _, i := range rest {
					m.flags[i] = false
				}
			}
		}
		return m.out
	}
}

// keepNull keeps the positions of sel where v is NULL, in place.
func keepNull(v *row.Vector, sel []int32) []int32 {
	kept := sel[:0]
	for _, i := range sel {
		if v.Null != nil && v.Null[i] {
			kept = append(kept, i)
		}
	}
	return kept
}
