package core

import (
	"penstock/engine/format"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// routeTable folds the rows of one source partition into the partials of one table.
type routeTable struct {
	plan    *plan.Table
	shape   shape
	metrics []*plan.Metric
	where   *expr.Program
	keys    []*expr.Program
	args    []*expr.Program // by aggregate; nil for COUNT(*)
	filters []*expr.Program // by aggregate; nil without FILTER
	g       *groups

	sel      []int32
	slots    []int32
	kept     [][]int32 // by aggregate: the rows that pass its FILTER
	keyVecs  []*row.Vector
	argVecs  []*row.Vector
	scratch  []byte
	partials []byte
	home     int32 // slot of the last key of a table without GROUP BY
	homePane panePair
}

func newRouteTable(t *plan.Table, metrics []*plan.Metric) *routeTable {
	rt := &routeTable{plan: t, shape: shapeOf(t, metrics), metrics: metrics, home: -1}
	rt.g = newGroups(partialAccs(t, rt.shape.kind != plan.NoWindow), true)
	if t.Where != nil {
		rt.where = expr.Compile(t.Where)
	}
	for _, k := range t.Keys {
		rt.keys = append(rt.keys, expr.Compile(k.Expr))
	}
	for _, a := range t.Aggs {
		var arg, filter *expr.Program
		if a.Arg != nil {
			arg = expr.Compile(a.Arg)
		}
		if a.Filter != nil {
			filter = expr.Compile(a.Filter)
		}
		rt.args, rt.filters = append(rt.args, arg), append(rt.filters, filter)
	}
	rt.kept = make([][]int32, len(rt.args))
	rt.slots = make([]int32, row.MaxBatch)
	rt.keyVecs = make([]*row.Vector, len(rt.keys))
	rt.argVecs = make([]*row.Vector, len(rt.args))
	return rt
}

// fold applies the selected rows of the batch. In this order a row is filtered, late, failed or applied.
func (t *routeTable) fold(p *RoutePartition, recs []format.Record, tally *TableTally) {
	t.sel = append(t.sel[:0], p.sel...)
	if len(t.sel) == 0 {
		return
	}
	p.errs.Reset(p.batch.N)
	if t.where != nil {
		t.sel = t.where.Filter(&p.batch, t.sel, &p.errs, t.sel[:0])
	}
	failed := t.noteFailed(p, p.sel)
	tally.Filtered += int64(len(p.sel)-len(t.sel)) - failed
	tally.Late += t.dropLate(p)
	failed += t.evaluate(p)
	tally.Failed += failed
	tally.Applied += int64(len(t.sel))
	if len(t.sel) == 0 {
		return
	}
	t.assignSlots(p)
	t.update(p)
	latest := int64(noTime)
	times := p.rowtime.I64
	if p.number == Replayed {
		times = p.enter // the first result that counts the row may be long behind its time
	}
	for _, i := range t.sel {
		latest = max(latest, times[i])
	}
	p.pos.LastEnd = max(p.pos.LastEnd, t.shape.lastEnd(latest, t.metrics))
}

// noteFailed notes the rows of sel that have failed, and returns their number.
func (t *routeTable) noteFailed(p *RoutePartition, sel []int32) (n int64) {
	if !p.errs.Any() {
		return 0
	}
	for _, i := range sel {
		if err := p.errs.At(i); err != nil {
			r := p.note(p.index[i], "failed", "", err.Error())
			r.Tables = append(r.Tables, t.plan.Name)
			n++
		}
	}
	return n
}

// dropLate takes out the rows whose every window had ended by their partition's clock.
func (t *routeTable) dropLate(p *RoutePartition) int64 {
	if t.shape.kind == plan.NoWindow {
		return 0
	}
	kept := t.sel[:0]
	for _, i := range t.sel {
		if p.before[i] < t.shape.lateAt(p.rowtime.I64[i]) {
			kept = append(kept, i)
			continue
		}
		r := p.note(p.index[i], "late", "", "every window of the row had ended by its partition's clock, "+
			string(row.FormatTimestamp(nil, p.before[i])))
		r.Tables = append(r.Tables, t.plan.Name)
	}
	late := len(t.sel) - len(kept)
	t.sel = kept
	return int64(late)
}

// evaluate computes keys and arguments, and takes out the rows for which one fails.
func (t *routeTable) evaluate(p *RoutePartition) int64 {
	p.errs.Reset(p.batch.N)
	for n, k := range t.keys {
		t.keyVecs[n] = k.Eval(&p.batch, t.sel, &p.errs)
	}
	for n, a := range t.args {
		sel := t.filter(p, n)
		if a != nil {
			t.argVecs[n] = a.Eval(&p.batch, sel, &p.errs)
		}
	}
	failed := t.noteFailed(p, t.sel)
	if failed > 0 {
		t.sel = p.errs.Drop(t.sel)
		for n, f := range t.filters {
			if f != nil {
				t.kept[n] = p.errs.Drop(t.kept[n])
			}
		}
	}
	return failed
}

// filter computes which rows pass the FILTER of an aggregate; its argument is evaluated for no
// others, so that FILTER guards it as WHERE would.
func (t *routeTable) filter(p *RoutePartition, agg int) []int32 {
	if t.filters[agg] == nil {
		return t.sel
	}
	t.kept[agg] = t.filters[agg].Filter(&p.batch, t.sel, &p.errs, t.kept[agg][:0])
	return t.kept[agg]
}

// assignSlots finds the group of every row: its key, and the panes between which it counts.
func (t *routeTable) assignSlots(p *RoutePartition) {
	pane := t.shape.pane
	windowed := t.shape.kind != plan.NoWindow
	var pair panePair
	enterEnd := int64(noTime)
	for _, i := range t.sel {
		if e := p.enter[i]; e >= enterEnd || e < enterEnd-pane {
			pair.enter = floorDiv(e, pane)
			enterEnd = (pair.enter + 1) * pane
		}
		pair.leave = pair.enter
		if tm := p.rowtime.I64[i]; windowed && tm < enterEnd-pane {
			pair.leave = floorDiv(tm, pane)
		}
		t.slots[i] = t.slotOf(pair, i)
	}
	t.g.grow()
}

func (t *routeTable) slotOf(pair panePair, i int32) int32 {
	if len(t.keys) == 0 {
		if t.home < 0 || t.homePane != pair {
			t.home, _ = t.g.slot(emptyKeyHash, pair, nil)
			t.homePane = pair
		}
		return t.home
	}
	t.scratch = groupKey(t.scratch[:0], t.keyVecs, int(i))
	s, _ := t.g.slot(hashKey(t.scratch), pair, t.scratch)
	return s
}

var emptyKeyHash = hashKey(nil)

func (t *routeTable) update(p *RoutePartition) {
	accs := t.g.accs
	if t.shape.kind != plan.NoWindow {
		accs[0].Update(t.sel, t.slots, nil, p.rowtime.I64)
		accs = accs[1:]
	}
	for n, a := range accs {
		sel := t.sel
		if t.filters[n] != nil {
			sel = t.kept[n]
		}
		a.Update(sel, t.slots, t.argVecs[n], p.rowtime.I64)
	}
}

// take writes the partials to the frames of their fold partitions and forgets them.
func (t *routeTable) take(writers []frameWriter) {
	n := t.g.len()
	if n == 0 {
		return
	}
	open := make([]bool, len(writers))
	for s := range int32(n) {
		hash := t.g.hashes[s]
		f := partitionOf(hash, len(writers))
		w := &writers[f]
		if !open[f] {
			open[f] = true
			w.beginTable(t.plan.Name)
		}
		t.partials = t.g.encode(t.partials[:0], s)
		w.entry(t.g.pane(s), t.g.key(s), t.partials)
	}
	for f := range writers {
		if open[f] {
			writers[f].endTable()
		}
	}
	t.g.reset()
	t.home = -1
}
