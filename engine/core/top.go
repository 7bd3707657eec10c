package core

import (
	"sort"

	"penstock/query/row"
)

// top keeps the best rows of a view by a metric's order, so that an interval does not walk all keys.
//
// Every row that is not kept sorts at or after bar. A row that changes is placed anew: in front of
// the bar it is kept; behind it is let go. When more than twice the wanted number are kept, the
// worse half goes and the bar is drawn at the first that went. When values fell so far that fewer
// than the result needs are left, the rows are scanned once, for more than before, so that scans
// stay rare; they are counted.
type top struct {
	want   int
	need   int
	bar    []byte            // nil: every row is kept
	keys   map[string]string // row key -> sort bytes
	sorted []topEntry
	fresh  bool // sorted is up to date
	scans  int
}

type topEntry struct{ sortBy, key string }

func (m *foldMetric) newTop() *top {
	n := m.local()
	if n < 0 || m.readsBounds() {
		return nil
	}
	return &top{need: n, want: m.t.f.topRows(n), keys: map[string]string{}}
}

// sortBytes is where a row stands: by ORDER BY, then by its key. They are good until the next call.
func (tp *top) sortBytes(m *foldMetric, g *groups, s int32) (sortBy []byte, in bool, err error) {
	vals, err := m.t.groupRow(m.t.f.vals, g, s, row.NullValue, row.NullValue)
	if err != nil {
		return nil, false, err
	}
	m.t.f.vals = vals
	if !m.keep(vals) {
		return nil, false, nil
	}
	b := sortKey(m.t.f.sortBuf[:0], m.order, vals)
	b = append(b, g.key(s)...)
	m.t.f.sortBuf = b
	return b, true, nil
}

func (tp *top) update(m *foldMetric, v *view, s int32) error {
	g := v.rows.g
	var sortBy []byte
	in := false
	if v.rows.live(s) {
		var err error
		if sortBy, in, err = tp.sortBytes(m, g, s); err != nil {
			return err
		}
	}
	key := g.key(s)
	old, was := tp.keys[string(key)]
	in = in && (tp.bar == nil || string(sortBy) < string(tp.bar))
	switch {
	case in && was && old == string(sortBy), !in && !was:
		return nil
	case in:
		tp.keys[string(key)] = string(sortBy)
	default:
		delete(tp.keys, string(key))
	}
	tp.fresh = false
	if len(tp.keys) > 2*tp.want {
		tp.trim()
	}
	return nil
}

func (tp *top) sort() {
	if tp.fresh {
		return
	}
	tp.sorted = tp.sorted[:0]
	for k, s := range tp.keys {
		tp.sorted = append(tp.sorted, topEntry{s, k})
	}
	sort.Slice(tp.sorted, func(i, j int) bool { return tp.sorted[i].sortBy < tp.sorted[j].sortBy })
	tp.fresh = true
}

func (tp *top) trim() {
	tp.sort()
	for _, e := range tp.sorted[tp.want:] {
		delete(tp.keys, e.key)
	}
	tp.bar = []byte(tp.sorted[tp.want].sortBy)
	tp.sorted = tp.sorted[:tp.want]
}

// collect adds the best rows to a share.
func (tp *top) collect(c *collector, v *view, start, stop row.Value) error {
	if tp.bar != nil && len(tp.keys) < tp.need {
		if err := tp.rescan(c.m, v); err != nil {
			return err
		}
	}
	tp.sort()
	for _, e := range tp.sorted[:min(tp.need, len(tp.sorted))] {
		s, err := v.rows.slot(hashKey([]byte(e.key)), []byte(e.key))
		if err != nil {
			return err
		}
		if err := c.row(v, v.rows.g, s, start, stop); err != nil {
			return err
		}
	}
	return nil
}

// rescan walks every row and keeps more of them than before.
func (tp *top) rescan(m *foldMetric, v *view) error {
	tp.scans++
	tp.want = min(2*tp.want, 1<<16)
	tp.bar, tp.fresh = nil, false
	clear(tp.keys)
	var failed error
	err := v.rows.scan(m.t.f.scratch(m.t), func(g *groups, s int32) {
		sortBy, in, err := tp.sortBytes(m, g, s)
		if err != nil {
			failed = err
			return
		}
		if !in || tp.bar != nil && string(sortBy) >= string(tp.bar) {
			return
		}
		tp.keys[string(g.key(s))] = string(sortBy)
		tp.fresh = false
		if len(tp.keys) > 2*tp.want {
			tp.trim()
		}
	})
	if err == nil {
		err = failed
	}
	return err
}
