package core

import (
	"maps"
	"slices"

	"penstock/engine/format"
	"penstock/query/row"
)

// EMIT CHANGES: at a flush, every key that changed since the last one is published with its value
// as of everything read, closed panes and open ones together. The last value of a key is a
// function of the log; how many come before it depends on the flushes.

// touch notes the groups an entry belongs to: its key, in every window that holds its pane.
func (t *foldTable) touch(p panePair, key []byte) {
	if t.touched == nil {
		return
	}
	if !t.shape.buckets {
		t.touched[string(appendOrdered(nil, 0))+string(key)] = struct{}{}
		return
	}
	t.windowsOf(p, func(w int64) {
		t.touched[string(appendOrdered(nil, w))+string(key)] = struct{}{}
	})
}

// windowsOf calls fn for the windows that an entry counts in: they hold the pane it leaves with,
// and had not ended when it entered. Those that have been forgotten are left out.
func (t *foldTable) windowsOf(p panePair, fn func(w int64)) {
	for w := floorDiv(p.leave, t.shape.stride); ; w-- {
		end := w*t.shape.stride + t.shape.width
		if end <= p.enter || end <= t.closed || end <= p.leave {
			return
		}
		fn(w)
	}
}

// takeChanges publishes the touched groups.
func (t *foldTable) takeChanges() error {
	if len(t.touched) == 0 {
		return nil
	}
	sums, err := t.openSums()
	if err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(t.touched)) {
		if err := t.publishChange([]byte(k), sums); err != nil {
			return err
		}
	}
	clear(t.touched)
	return nil
}

// takeWindowChanges publishes the touched groups of a window that is about to be forgotten.
func (t *foldTable) takeWindowChanges(v *view) error {
	prefix := string(appendOrdered(nil, v.window))
	var keys []string
	for k := range t.touched {
		if k[:8] == prefix {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := t.publishChange([]byte(k), nil); err != nil {
			return err
		}
		delete(t.touched, k)
	}
	return nil
}

// openSums adds up the open panes of the touched groups.
func (t *foldTable) openSums() (*groups, error) {
	sums := newGroups(partialAccs(t.plan, t.counted()), false)
	for _, enter := range t.order {
		err := t.eachEntry(enter, t.open[enter], func(pair panePair, key, partials []byte) (err error) {
			add := func(w int64) {
				k := append(appendOrdered(nil, w), key...)
				if _, ok := t.touched[string(k)]; !ok || err != nil {
					return
				}
				to, _ := sums.slot(hashKey(k), panePair{}, k)
				sums.grow()
				err = sums.merge(to, partials)
			}
			if t.shape.buckets {
				t.windowsOf(pair, add)
			} else {
				add(0)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// publishChange publishes one group: its closed row and its open panes.
func (t *foldTable) publishChange(k []byte, sums *groups) error {
	window, key := ordered(k), k[8:]
	g := newGroups(partialAccs(t.plan, t.counted()), false)
	s, _ := g.slot(hashKey(key), panePair{}, key)
	g.grow()
	v := t.views[window]
	if v == nil && !t.shape.buckets {
		v = t.onlyView()
	}
	if v != nil {
		at, err := v.rows.slot(hashKey(key), key)
		if err != nil {
			return err
		}
		if err := g.merge(s, v.rows.g.encode(nil, at)); err != nil {
			return err
		}
	} else {
		v = t.emptyView(window)
	}
	if sums != nil {
		if at := sums.find(hashKey(k), panePair{}, k); at >= 0 {
			if err := g.merge(s, sums.encode(nil, at)); err != nil {
				return err
			}
		}
	}
	start, end := t.bounds(v, 0)
	vals, err := t.groupRow(nil, g, s, start, end)
	if err != nil {
		return err
	}
	for _, m := range t.changes {
		if err := t.f.changedRow(m, vals, start, end); err != nil {
			return err
		}
	}
	return nil
}

// changedRow publishes a group of EMIT CHANGES under a key of its own; one that the filters now
// keep out is deleted.
func (f *Fold) changedRow(m *foldMetric, vals []row.Value, start, end row.Value) error {
	keys := m.t.plan.Keys
	key := append([]byte(m.plan.Name), "/["...)
	for i, k := range keys {
		if i > 0 {
			key = append(key, ',')
		}
		key = row.AppendJSON(key, vals[i], k.Expr.Type())
	}
	if !start.IsNull() {
		if len(keys) > 0 {
			key = append(key, ',')
		}
		key = row.AppendJSON(key, start, row.Of(row.Timestamp))
	}
	key = append(key, ']')
	if !m.keep(vals) {
		f.results = append(f.results, Output{Topic: m.plan.Topic, Key: key})
		return nil
	}
	cells := make([]row.Value, len(m.output))
	for i, o := range m.output {
		cells[i] = evaluate(o, vals)
	}
	res := format.Result{Metric: m.plan.Name, Columns: m.plan.Read.Columns(), Rows: [][]row.Value{cells}, Intervals: 1}
	if !start.IsNull() {
		res.Start, res.End = start.I, end.I
	}
	return f.output(m.plan, key, &res, res.End)
}
