package read

import (
	"fmt"

	"penstock/engine/core"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// grouper folds rows into the groups of a read: accumulators in columns, one slot a group.
type grouper struct {
	shape  *shape
	where  *condition
	keys   []*column
	args   []*column // nil: COUNT(*)
	filter []*condition
	budget *Budget
	text   expr.TextRoom // of one batch

	slots  map[string]int32
	names  [][]byte // group key by slot
	accs   []expr.Acc
	arena  arena
	held   int64
	weight int64
	err    error

	key   []byte
	sel   []int32
	at    []int32 // slot by batch position
	times []int64 // rows of a table have no time of their own: FIRST and LAST are the smallest
}

func newGrouper(s *shape, budget *Budget) *grouper {
	g := &grouper{shape: s, budget: budget, text: budget.textRoom(), slots: map[string]int32{},
		at: make([]int32, row.MaxBatch), times: make([]int64, row.MaxBatch)}
	g.where = newCondition(s.filter, &g.text)
	for _, k := range s.groups.keys {
		g.keys = append(g.keys, newColumn(k, &g.text))
	}
	for i, a := range s.groups.aggs {
		var arg *column
		if n := s.groups.args[i]; n != nil {
			arg = newColumn(n, &g.text)
		}
		g.args = append(g.args, arg)
		g.filter = append(g.filter, newCondition(s.groups.filters[i], &g.text))
		g.accs = append(g.accs, a.NewAcc())
	}
	return g
}

// take is the grouper's sink.
func (g *grouper) take(rows *core.RowBatch) bool {
	b := &rows.Batch
	g.text.Reset()
	sel := g.where.pass(b, rows.Faults)
	for _, k := range g.keys {
		k.eval(b, sel)
		if k.errs.Any() {
			sel = k.errs.Drop(sel) // a row without a group is in none
		}
	}
	for _, i := range sel {
		g.key = g.key[:0]
		for _, k := range g.keys {
			g.key = row.AppendKeyVec(g.key, k.vec, int(i))
		}
		g.at[i] = g.slot(g.key)
	}
	g.grow()
	for n, acc := range g.accs {
		g.update(n, acc, b, sel)
	}
	for _, i := range rows.Faults {
		g.faulty(rows.Values(int(i)))
	}
	g.weigh()
	if g.text.Over() && g.err == nil {
		g.err = g.budget.textError()
	}
	return g.err == nil
}

// update folds a batch into one accumulator.
func (g *grouper) update(n int, acc expr.Acc, b *row.Batch, sel []int32) {
	g.sel = append(g.sel[:0], sel...)
	in := g.sel
	if f := g.filter[n]; f.node != nil {
		f.errs.Reset(b.N)
		in = f.prog.Filter(b, in, &f.errs, in[:0])
	}
	if g.args[n] == nil {
		acc.Update(in, g.at, nil, g.times)
		return
	}
	arg := g.args[n]
	arg.eval(b, in)
	if arg.errs.Any() {
		in = arg.errs.Drop(in) // an argument that is an error is not counted
	}
	acc.Update(in, g.at, arg.vec, g.times)
}

// faulty takes one row with error values.
func (g *grouper) faulty(vals []row.Value) {
	if !g.where.passRow(vals) {
		return
	}
	g.key = g.key[:0]
	for _, k := range g.keys {
		v := cell(k.node, vals)
		if v.State == row.Error {
			return
		}
		g.key = row.AppendKey(g.key, v, k.node.Type())
	}
	s := g.slot(g.key)
	g.grow()
	for n, acc := range g.accs {
		if f := g.filter[n].node; f != nil {
			if v, err := expr.EvalRow(f, vals); err != nil || v.State != row.Valid || v.I == 0 {
				continue
			}
		}
		if g.args[n] == nil {
			acc.Update([]int32{0}, []int32{s}, nil, g.times)
			continue
		}
		node := g.args[n].node
		if v := cell(node, vals); v.State == row.Valid {
			one := row.NewVector(node.Type(), 1)
			one.Set(0, v)
			acc.Update([]int32{0}, []int32{s}, one, g.times)
		}
	}
}

// slot returns the slot of a group, a new one when it was not seen.
func (g *grouper) slot(key []byte) int32 {
	if s, ok := g.slots[string(key)]; ok {
		return s
	}
	s := int32(len(g.names))
	name := g.arena.keep(key)
	g.slots[string(name)] = s
	g.names = append(g.names, name)
	g.held += int64(len(key)*2 + entryBytes + 16*len(g.accs))
	return s
}

func (g *grouper) grow() {
	for _, a := range g.accs {
		a.Grow(len(g.names))
	}
}

// weigh accounts for what groups and accumulators hold.
func (g *grouper) weigh() {
	now := g.held
	for _, a := range g.accs {
		now += int64(a.Bytes())
	}
	if err := g.budget.take(now - g.weight); err != nil && g.err == nil {
		g.err = err
	}
	g.weight = now
}

// part ends the grouping.
func (g *grouper) part() (*Part, error) {
	g.weigh()
	return &Part{groups: g, Failed: g.where.failed, Reason: g.where.reason}, g.err
}

// add merges the groups of another part.
func (g *grouper) add(o *grouper) error {
	var buf []byte
	for s, key := range o.names {
		buf = buf[:0]
		for _, a := range o.accs {
			buf = a.Encode(buf, s)
		}
		if _, err := g.merge(key, buf); err != nil {
			return err
		}
	}
	g.weigh()
	return g.err
}

// merge adds encoded partials to a group, and returns what follows them.
func (g *grouper) merge(key, partials []byte) (rest []byte, err error) {
	s := g.slot(key)
	g.grow()
	for _, a := range g.accs {
		if partials, err = a.Merge(int(s), partials); err != nil {
			return nil, fmt.Errorf("partials of a group: %w", err)
		}
	}
	return partials, nil
}

// finish makes the answer of the groups: HAVING, output, order and limit. Without GROUP BY there
// is one group also when no row came.
func (g *grouper) finish() (*Rows, *Part, error) {
	r := g.shape.read
	if len(r.Keys) == 0 {
		g.slot(nil)
		g.grow()
	}
	out := overGroups(r)
	giveBack, err := out.reserve(g.budget)
	if err != nil {
		return nil, nil, err
	}
	defer giveBack()
	x := newSelector(out, g.budget)
	used, _ := out.columns()
	f := newFiller(out.in, used, x.take)
	for s := range g.names {
		vals, err := g.row(r, s)
		if err != nil {
			return nil, nil, err
		}
		if !f.add(vals) {
			break
		}
	}
	f.flush()
	p, err := x.part()
	if err != nil {
		return nil, nil, err
	}
	rows, err := ranked(r, []*Part{p}, g.budget)
	return rows, p, err
}

func (g *grouper) row(r *plan.Read, s int) ([]row.Value, error) {
	vals := make([]row.Value, 0, len(r.Keys)+len(g.accs))
	key := g.names[s]
	for _, k := range r.Keys {
		v, rest, err := row.DecodeKey(key, k.Expr.Type())
		if err != nil {
			return nil, fmt.Errorf("key %s of a group: %w", k.Name, err)
		}
		vals, key = append(vals, v), rest
	}
	for _, a := range g.accs {
		vals = append(vals, a.Value(s))
	}
	return vals, nil
}
