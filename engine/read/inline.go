package read

import (
	"slices"

	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// shape is a read whose expressions are over the rows that come in: for a table the group rows
// that the store keeps, for everything else the columns of what is read.
type shape struct {
	read   *plan.Read
	filter expr.Node // nil: all rows
	rows   *selection
	groups *grouping
	// tie lists the columns that, in this order, name a row among rows of the same order; nil for
	// the order in which they come.
	tie []int
	// keyed is how many of them are the group key, which the store has as one piece.
	keyed int
	in    []row.Column
}

// selection is the second half of a read: what is ordered and shown.
type selection struct {
	order  []plan.Order
	output []plan.Named
}

// grouping is GROUP BY and the aggregates of a read.
type grouping struct {
	keys    []expr.Node
	aggs    []*expr.Aggregate
	args    []expr.Node // by aggregate; nil: COUNT(*)
	filters []expr.Node // by aggregate; nil: all rows
}

// overTable is the shape of a read of a table.
func overTable(r *plan.Read) *shape {
	t := r.Table
	s := &shape{in: t.Group(), filter: t.Having}
	s.bind(r, t.Inline)
	for i := range t.Keys {
		s.tie = append(s.tie, i)
	}
	s.keyed = len(t.Keys)
	if t.Window.Kind != plan.NoWindow {
		s.tie = append(s.tie, len(t.Keys)+len(t.Aggs)) // the window's start
	}
	return s
}

// overRows is the shape of a read of rows that are there.
func overRows(r *plan.Read, in []row.Column) *shape {
	s := &shape{in: in}
	s.bind(r, func(n expr.Node) expr.Node { return n })
	return s
}

func (s *shape) bind(r *plan.Read, in func(expr.Node) expr.Node) {
	s.read = r
	if r.Where != nil {
		s.filter = expr.And(s.filter, in(r.Where))
	}
	if r.Grouped {
		g := &grouping{aggs: r.Aggs}
		for _, k := range r.Keys {
			g.keys = append(g.keys, in(k.Expr))
		}
		for _, a := range r.Aggs {
			g.args, g.filters = append(g.args, in(a.Arg)), append(g.filters, in(a.Filter))
		}
		s.groups = g
		return
	}
	s.rows = &selection{}
	if r.Having != nil {
		s.filter = expr.And(s.filter, in(r.Having))
	}
	for _, o := range r.Order {
		o.Expr = in(o.Expr)
		s.rows.order = append(s.rows.order, o)
	}
	for _, o := range r.Output {
		s.rows.output = append(s.rows.output, plan.Named{Name: o.Name, Expr: in(o.Expr)})
	}
}

// overGroups is the shape of what is done with the groups of a read.
func overGroups(r *plan.Read) *shape {
	s := &shape{read: r, filter: r.Having, rows: &selection{order: r.Order, output: r.Output}}
	for i, k := range r.Keys {
		s.in = append(s.in, row.Column{Name: k.Name, Type: k.Expr.Type()})
		s.tie = append(s.tie, i)
	}
	for _, a := range r.Aggs {
		s.in = append(s.in, row.Column{Name: a.String(), Type: a.Type})
	}
	return s
}

// columns tells which columns that come in are needed for every row, and which (late) only for rows
// that are shown: parts of the key that neither choose a row nor order it.
func (s *shape) columns() (used, late []bool) {
	used, late = make([]bool, len(s.in)), make([]bool, len(s.in))
	mark := func(in []bool, nodes ...expr.Node) {
		for _, n := range nodes {
			if n == nil {
				continue
			}
			for _, i := range expr.Columns(n) {
				in[i] = true
			}
		}
	}
	mark(used, s.filter)
	if s.groups != nil {
		mark(used, s.groups.keys...)
		mark(used, s.groups.args...)
		mark(used, s.groups.filters...)
		return used, late
	}
	for _, o := range s.rows.order {
		mark(used, o.Expr)
	}
	for _, i := range s.tie[s.keyed:] {
		used[i] = true
	}
	for _, o := range s.rows.output {
		mark(late, o.Expr)
	}
	for i := range late {
		if i >= s.keyed {
			used[i] = used[i] || late[i]
		}
		late[i] = late[i] && !used[i]
	}
	return used, late
}

// Lookup is what the condition of a read says about the key of its table.
type Lookup struct {
	Prefix []byte // of the group key; empty: every key
	Whole  bool   // it is the whole key, which only one partition can have
}

// LookupOf finds the leading key columns that a read of a table compares with constants.
func LookupOf(r *plan.Read) Lookup {
	t := r.Table
	var l Lookup
	if t == nil || r.Where == nil || len(t.Keys) == 0 {
		return l
	}
	parts := expr.Conjuncts(t.Inline(r.Where))
	for i, k := range t.Keys {
		at := slices.IndexFunc(parts, func(n expr.Node) bool {
			x, _, ok := expr.Equality(n)
			col, isCol := expr.AsColumn(x)
			return ok && isCol && col == i
		})
		if at < 0 {
			return l
		}
		_, v, _ := expr.Equality(parts[at])
		l.Prefix = row.AppendKey(l.Prefix, v, k.Expr.Type())
	}
	l.Whole = true
	return l
}
