package expr

import "penstock/query/row"

// step computes one node at the positions in sel. The vector is indexed by batch position, is
// defined only at sel, and belongs to the step until its next call. sel is not changed.
type step func(f *frame, sel []int32) *row.Vector

// frame is what the steps of a program share during one Eval.
type frame struct {
	batch *row.Batch
	errs  *Errors
}

// compiler turns nodes into steps.
type compiler struct{}

// Program is a compiled Node with its own scratch memory: one goroutine at a time may use it, so
// each worker compiles its own.
type Program struct {
	frame frame
	typ   row.Type
	eval  step
	pick  picker
}

// Compile makes a program of n. What reads no column is computed here, once.
func Compile(n Node) *Program {
	if folded, err := FoldConst(n); err == nil {
		n = folded
	}
	c := &compiler{}
	p := &Program{typ: n.Type(), eval: n.compile(c)}
	if n.Type().Kind == row.Boolean {
		p.pick = compilePick(c, n)
	}
	return p
}

// Type is the type of the vectors that Eval returns.
func (p *Program) Type() row.Type { return p.typ }

// Eval computes the positions in sel. The result is indexed by batch position and undefined
// elsewhere, and at positions that fail, which are marked in errs. It belongs to the program
// until its next Eval, and may be a column of the batch itself.
func (p *Program) Eval(b *row.Batch, sel []int32, errs *Errors) *row.Vector {
	p.frame.batch, p.frame.errs = b, errs
	return p.eval(&p.frame, sel)
}

// Filter appends to out the positions of sel where the condition is true: not NULL, not failed.
// out may be sel[:0].
func (p *Program) Filter(b *row.Batch, sel []int32, errs *Errors, out []int32) []int32 {
	p.frame.batch, p.frame.errs = b, errs
	from := len(out)
	out = p.pick(&p.frame, sel, out)
	if errs.Any() {
		out = append(out[:from], errs.Drop(out[from:])...)
	}
	return out
}

// newVector returns a vector with room for a batch.
func newVector(t row.Type) *row.Vector {
	v := &row.Vector{Type: t}
	switch t.Physical() {
	case row.F64:
		v.F64 = make([]float64, row.MaxBatch)
	case row.Dec:
		v.Dec = make([]row.Int128, row.MaxBatch)
	case row.Str:
		v.Str = make([]string, row.MaxBatch)
	default:
		v.I64 = make([]int64, row.MaxBatch)
	}
	return v
}

// setValue stores a valid value or a NULL at position i. v.Null must be there for a NULL.
func setValue(v *row.Vector, i int32, x row.Value) {
	if x.State != row.Valid {
		v.Null[i] = true
		return
	}
	switch v.Type.Physical() {
	case row.F64:
		v.F64[i] = x.F
	case row.Dec:
		v.Dec[i] = x.D
	case row.Str:
		v.Str[i] = x.S
	default:
		v.I64[i] = x.I
	}
}

// compile returns one vector that holds the constant everywhere, made at the first use: the
// kernels that take a constant operand as such never ask for it.
func (n *constant) compile(*compiler) step {
	var v *row.Vector
	return func(*frame, []int32) *row.Vector {
		if v == nil {
			v = newVector(n.typ)
			if n.v.State != row.Valid {
				v.Null = make([]bool, row.MaxBatch)
			}
			for i := range int32(row.MaxBatch) {
				setValue(v, i, n.v)
			}
		}
		return v
	}
}

// nulls is the scratch that turns the NULLs of a step's inputs into its own, and into a
// selection without them.
type nulls struct {
	flags []bool
	sel   []int32
}

// drop returns the positions of sel at which no argument is NULL, and sets out.Null.
func (n *nulls) drop(sel []int32, args []*row.Vector, out *row.Vector) []int32 {
	out.Null = nil
	any := false
	for _, a := range args {
		any = any || a.Null != nil
	}
	if !any {
		return sel
	}
	if n.flags == nil {
		n.flags = make([]bool, row.MaxBatch)
		n.sel = make([]int32, row.MaxBatch)
	}
	kept := n.sel[:0]
	for _, i := range sel {
		null := false
		for _, a := range args {
			null = null || a.Null != nil && a.Null[i]
		}
		n.flags[i] = null
		if !null {
			kept = append(kept, i)
		}
	}
	if len(kept) < len(sel) {
		out.Null = n.flags
	}
	return kept
}

// clear makes room for NULLs in out, none of them set yet, when an argument has some.
func (n *nulls) clear(sel []int32, args []*row.Vector, out *row.Vector) {
	out.Null = nil
	for _, a := range args {
		if a.Null == nil {
			continue
		}
		if n.flags == nil {
			n.flags = make([]bool, row.MaxBatch)
		}
		out.Null = n.flags
	}
	if out.Null != nil {
		for _, i := range sel {
			out.Null[i] = false
		}
	}
}

// picker appends to out the positions of sel where a condition is true. Failed positions may be
// among them. out may share memory with sel from its start: it never gets ahead of it.
type picker func(f *frame, sel, out []int32) []int32

// compilePick makes the picker of a condition. A conjunction narrows the selection side by side;
// everything else is evaluated to a vector.
func compilePick(c *compiler, n Node) picker {
	if l, ok := n.(*logic); ok && !l.or {
		return l.compilePick(c)
	}
	eval := n.compile(c)
	return func(f *frame, sel, out []int32) []int32 {
		return pickTrue(eval(f, sel), sel, out)
	}
}

func pickTrue(v *row.Vector, sel, out []int32) []int32 {
	if v.Null == nil {
		// Written without a branch on the value: which rows pass is not predictable.
		k := len(out)
		out = append(out, sel...)
		for _, i := range out[k:] {
			out[k] = i
			k += int(v.I64[i])
		}
		return out[:k]
	}
	for _, i := range sel {
		if !v.Null[i] && v.I64[i] != 0 {
			out = append(out, i)
		}
	}
	return out
}
