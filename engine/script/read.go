package script

import (
	"bytes"
	"slices"

	"penstock/engine/core"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// keyed is a row of a table with the bytes that order it among others.
type keyed struct {
	key  []byte
	vals []row.Value
}

// answer evaluates a SELECT the plain way, row by row. from gives the rows of what it reads: of a
// table or a metric, in the columns that it has for a reader.
func answer(r *plan.Read, from func(r *plan.Read) ([]keyed, error)) ([][]row.Value, error) {
	rows := []keyed{{}}
	var err error
	switch {
	case r.Input != nil:
		var inner [][]row.Value
		inner, err = answer(r.Input, from)
		rows = nil
		for i, vals := range inner {
			rows = append(rows, keyed{row.AppendKey(nil, row.Int(int64(i)), row.Of(row.Bigint)), vals})
		}
	case r.Table != nil || r.Metric != nil:
		rows, err = from(r)
	}
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(k keyed) bool { return !holds(r.Where, k.vals) })
	if r.Grouped {
		if rows, err = regroup(r, rows); err != nil {
			return nil, err
		}
	}
	return ranked(r, rows), nil
}

// holds tells whether a condition is true.
func holds(cond expr.Node, vals []row.Value) bool {
	if cond == nil {
		return true
	}
	v, err := expr.EvalRow(cond, vals)
	return err == nil && v.State == row.Valid && v.I != 0
}

func evaluate(n expr.Node, vals []row.Value) row.Value {
	v, err := expr.EvalRow(n, vals)
	if err != nil {
		return row.Value{State: row.Error, S: err.Error()}
	}
	return v
}

// regroup groups rows; a row whose group is an error is in none.
func regroup(r *plan.Read, rows []keyed) ([]keyed, error) {
	type group struct {
		keyed
		accs []expr.Acc
	}
	groups := map[string]*group{}
	add := func(k []byte, keys []row.Value) *group {
		g := groups[string(k)]
		if g == nil {
			g = &group{keyed: keyed{k, keys}}
			for _, a := range r.Aggs {
				acc := a.NewAcc()
				acc.Grow(1)
				g.accs = append(g.accs, acc)
			}
			groups[string(k)] = g
		}
		return g
	}
	if len(r.Keys) == 0 {
		add(nil, nil)
	}
	for _, in := range rows {
		var keys []row.Value
		var k []byte
		bad := false
		for _, n := range r.Keys {
			v := evaluate(n.Expr, in.vals)
			bad = bad || v.State == row.Error
			keys = append(keys, v)
			if !bad {
				k = row.AppendKey(k, v, n.Expr.Type())
			}
		}
		if bad {
			continue
		}
		g := add(k, keys)
		for i, a := range r.Aggs {
			count(a, g.accs[i], in.vals)
		}
	}
	var out []keyed
	for _, g := range groups {
		vals := g.vals
		for _, acc := range g.accs {
			vals = append(vals, acc.Value(0))
		}
		if holds(r.Having, vals) {
			out = append(out, keyed{g.key, vals})
		}
	}
	return out, nil
}

// count gives an aggregate one row.
func count(a *expr.Aggregate, acc expr.Acc, vals []row.Value) {
	if !holds(a.Filter, vals) {
		return
	}
	one := []int32{0}
	if a.Arg == nil {
		acc.Update(one, one, nil, []int64{0})
		return
	}
	v := evaluate(a.Arg, vals)
	if v.State != row.Valid {
		return
	}
	acc.Update(one, one, vectorOf(v, a.Arg.Type()), []int64{0})
}

func vectorOf(v row.Value, t row.Type) *row.Vector {
	return &row.Vector{Type: t, I64: []int64{v.I}, F64: []float64{v.F}, Dec: []row.Int128{v.D}, Str: []string{v.S}}
}

// ranked projects, orders and limits.
func ranked(r *plan.Read, rows []keyed) [][]row.Value {
	slices.SortFunc(rows, func(a, b keyed) int {
		for _, o := range r.Order {
			if c := compareCells(evaluate(o.Expr, a.vals), evaluate(o.Expr, b.vals), o); c != 0 {
				return c
			}
		}
		return bytes.Compare(a.key, b.key)
	})
	var out [][]row.Value
	seen := map[string]bool{}
	for _, k := range rows {
		var vals []row.Value
		var text []byte
		for _, o := range r.Output {
			v := evaluate(o.Expr, k.vals)
			vals = append(vals, v)
			text = append(row.AppendJSON(text, v, o.Expr.Type()), ',')
		}
		if r.Distinct && seen[string(text)] {
			continue
		}
		seen[string(text)] = true
		out = append(out, vals)
	}
	out = out[min(r.Offset, len(out)):]
	if r.Limit >= 0 {
		out = out[:min(r.Limit, len(out))]
	}
	return out
}

// compareCells orders by one term of ORDER BY: an error stands last, and NULL where the term says.
func compareCells(a, b row.Value, o plan.Order) int {
	class := func(v row.Value) int {
		switch {
		case v.State == row.Valid:
			return 1
		case v.State == row.Null && o.NullsFirst:
			return 0
		}
		return 2
	}
	if ca, cb := class(a), class(b); ca != cb || ca != 1 {
		return ca - cb
	}
	c := row.Compare(a, b, o.Expr.Type())
	if o.Desc {
		return -c
	}
	return c
}

// tableRows are the rows of a table, from readers of all its partitions.
func tableRows(t *plan.Table, readers []*core.Reader) ([]keyed, error) {
	var list []keyed
	for _, r := range readers {
		err := r.Rows(t, core.Scan{}, func(b *row.Batch, values func(int) []row.Value, _ []int32) bool {
			for i := range b.N {
				vals := values(i)
				if !holds(t.Having, vals) {
					continue
				}
				var k keyed
				for n, key := range t.Keys {
					k.key = row.AppendKey(k.key, vals[n], key.Expr.Type())
				}
				k.key = row.AppendKey(k.key, vals[len(vals)-2], row.Of(row.Timestamp))
				for _, o := range t.Output {
					k.vals = append(k.vals, evaluate(o.Expr, vals))
				}
				list = append(list, k)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// latestRows are the rows of a metric's latest result, with the bounds of its interval behind, as
// plan.Metric.Columns has them. Of EMIT CHANGES they are the rows that are left.
func latestRows(m *plan.Metric, list []published) []keyed {
	if m.Emit != plan.EmitChanges && len(list) > 1 {
		list = list[len(list)-1:]
	}
	var out []keyed
	own := m.Read.Columns()
	for _, p := range list {
		for _, vals := range p.rows {
			vals = slices.Clone(vals)
			for _, c := range m.Columns()[len(own):] {
				at := p.end
				if c.Name == "window_start" {
					at = p.start
				}
				vals = append(vals, row.Int(at))
			}
			out = append(out, keyed{row.AppendKey(nil, row.Int(int64(len(out))), row.Of(row.Bigint)), vals})
		}
	}
	return out
}
