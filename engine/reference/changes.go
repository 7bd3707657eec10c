package reference

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

// changes is what EMIT CHANGES leaves behind: the last value of each key, as of everything read.
// A group that the metric's filters keep out at the end has none.
func (e *Evaluator) changes(m *plan.Metric, t *table) []Output {
	r := newReader(m, t, false)
	r.c.enter(math.MaxInt64)
	type change struct {
		order string
		out   Output
	}
	var list []change
	since := e.streamOf(t).resume
	for _, w := range r.c.windows {
		if t.bucket && w.end <= since {
			continue // in e.past, and not all of its rows are here
		}
		for _, g := range w.list {
			one := r.of(w, g)
			if !one.keep {
				continue
			}
			start, end := r.c.bounds(w)
			res := format.Result{Intervals: 1, Rows: [][]row.Value{one.cells}}
			if t.bucket {
				res.Start, res.End = start.I, end.I
			}
			list = append(list, change{one.key, output(m, changeKey(m, t, g, start), res)})
		}
	}
	slices.SortFunc(list, func(a, b change) int { return strings.Compare(a.order, b.order) })
	out := slices.Clone(e.past[m.Name])
	for _, c := range list {
		out = append(out, c.out)
	}
	return out
}

// changeKey is the record key of a group: the metric's name, and the key as a list in JSON, with
// the window's start behind it where there are windows.
func changeKey(m *plan.Metric, t *table, g *group, start row.Value) []byte {
	var parts []string
	for i, k := range t.plan.Keys {
		parts = append(parts, string(row.AppendJSON(nil, t.keys[g.key].values[i], k.Expr.Type())))
	}
	if t.bucket {
		parts = append(parts, string(row.AppendJSON(nil, start, row.Of(row.Timestamp))))
	}
	return []byte(m.Name + "/[" + strings.Join(parts, ",") + "]")
}

// Table returns a table as a reader sees it when everything was read: all rows that were applied.
// Of windows it has those that the lowest clock has not left behind: that end then or later. A
// sliding window is the one that ends at the lowest clock. Rows are in the order of their keys,
// those of one key in the order of their windows.
func (e *Evaluator) Table(name string) (columns []row.Column, rows [][]row.Value, err error) {
	return e.tableBy(name, func(t *table, clock int64) [][]row.Value { return t.read(clock, clock) })
}

// OpenTable is Table for an engine that runs: it has let go of a window that ends at the lowest
// clock, and of what falls out of a sliding one when a pane closes, not when the clock moves.
func (e *Evaluator) OpenTable(name string) (columns []row.Column, rows [][]row.Value, err error) {
	return e.tableBy(name, func(t *table, clock int64) [][]row.Value {
		if pane := t.plan.Pane.Microseconds(); clock != noTime && pane > 0 {
			clock = floor(clock, pane)
			return t.read(clock, clock+1)
		}
		return t.read(clock, clock)
	})
}

func (e *Evaluator) tableBy(name string, read func(t *table, clock int64) [][]row.Value) ([]row.Column, [][]row.Value, error) {
	for _, s := range e.streams {
		for _, t := range s.tables {
			if strings.EqualFold(t.plan.Name, name) {
				return t.plan.Columns(), read(t, s.lowest()), nil
			}
		}
	}
	return nil, nil, fmt.Errorf("no table %q", name)
}

// read returns the rows as of a clock; of windows, those that end at first or later.
func (t *table) read(clock, first int64) [][]row.Value {
	r := newReader(&plan.Metric{Read: plan.Read{Table: t.plan, Limit: -1}}, t, false)
	r.c.at = math.MaxInt64
	r.c.enter(math.MaxInt64)
	if clock != noTime {
		r.c.leave(clock - t.size)
	}
	r.c.at = clock
	var list []*readRow
	for _, w := range r.c.windows {
		if t.bucket && w.end < first {
			continue
		}
		for _, g := range w.all(t) {
			if vals := r.tableRow(w, g); vals != nil {
				key := t.keys[g.key].bytes + string(row.AppendKey(nil, row.Int(w.start), row.Of(row.Timestamp)))
				list = append(list, &readRow{cells: vals, key: key})
			}
		}
	}
	return r.ranked(list)
}
