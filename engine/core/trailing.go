package core

import (
	"bytes"
	"encoding/binary"
	"sort"

	"penstock/query/expr"
	"penstock/query/row"
)

// trailer is an accumulator of a window that trails time: panes enter it and leave it again.
// Its Encode and Merge carry the whole state of a row, not a partial.
type trailer interface {
	expr.Acc
	// enter adds the partial of a pane, leave takes it out; both return what follows the partial.
	enter(slot int, pane int64, partial []byte) (rest []byte, err error)
	leave(slot int, pane int64, partial []byte) (rest []byte, err error)
}

// trailingAccs are the accumulators of a trailing window's rows: the row count, then the table's own.
func trailingAccs(aggs []*expr.Aggregate) []expr.Acc {
	accs := []expr.Acc{sumTrailer{rowCount.NewAcc()}}
	for _, a := range aggs {
		switch {
		case a.Subtractable():
			accs = append(accs, sumTrailer{a.NewAcc()})
		case a.Distinct:
			accs = append(accs, &distinctTrailer{agg: a, inner: a.NewAcc()})
		default:
			accs = append(accs, newFrontTrailer(a))
		}
	}
	return accs
}

// sumTrailer is for aggregates that can be subtracted.
type sumTrailer struct{ expr.Acc }

func (t sumTrailer) enter(slot int, _ int64, partial []byte) ([]byte, error) {
	return t.Merge(slot, partial)
}

func (t sumTrailer) leave(slot int, _ int64, partial []byte) ([]byte, error) {
	return t.Subtract(slot, partial)
}

// frontTrailer is for aggregates that select one of their values (MIN, MAX, FIRST, LAST). It keeps
// the candidates that may still win: a value that leaves no later than a better one never can, so
// the candidates, ordered by the pane they leave with, get worse from the oldest to the newest.
// Most rows keep very few; adding is amortised constant, and rows out of order insert in between.
type frontTrailer struct {
	agg   *expr.Aggregate
	inner expr.Acc // one slot, to turn a partial into a value
	empty []byte   // partial of no values
	slots [][]candidate
}

type candidate struct {
	pane    int64
	partial []byte
}

func newFrontTrailer(a *expr.Aggregate) *frontTrailer {
	t := &frontTrailer{agg: a, inner: a.NewAcc()}
	t.inner.Grow(1)
	t.empty = t.inner.Encode(nil, 0)
	return t
}

func (t *frontTrailer) split(b []byte) (partial, rest []byte, err error) {
	rest, err = t.agg.Skip(b)
	if err != nil {
		return nil, nil, err
	}
	return b[:len(b)-len(rest)], rest, nil
}

func (t *frontTrailer) enter(slot int, pane int64, b []byte) ([]byte, error) {
	partial, rest, err := t.split(b)
	if err == nil && !bytes.Equal(partial, t.empty) {
		t.add(slot, candidate{pane, append([]byte(nil), partial...)})
	}
	return rest, err
}

func (t *frontTrailer) add(slot int, c candidate) {
	front := t.slots[slot]
	at := sort.Search(len(front), func(i int) bool { return front[i].pane >= c.pane })
	if at < len(front) && !t.agg.Better(c.partial, front[at].partial) {
		return // one that leaves no earlier is as good
	}
	end := at
	for end < len(front) && front[end].pane == c.pane {
		end++
	}
	for at > 0 && !t.agg.Better(front[at-1].partial, c.partial) {
		at--
	}
	front = append(front[:at], append([]candidate{c}, front[end:]...)...)
	t.slots[slot] = front
}

func (t *frontTrailer) leave(slot int, pane int64, b []byte) ([]byte, error) {
	front := t.slots[slot]
	n := 0
	for n < len(front) && front[n].pane <= pane {
		n++
	}
	t.slots[slot] = front[n:]
	return t.agg.Skip(b)
}

func (t *frontTrailer) Grow(n int) {
	for len(t.slots) < n {
		t.slots = append(t.slots, nil)
	}
}

func (t *frontTrailer) Update([]int32, []int32, *row.Vector, []int64) {
	panic("core: rows are folded into panes, not into windows")
}

func (t *frontTrailer) Encode(dst []byte, slot int) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(t.slots[slot])))
	for _, c := range t.slots[slot] {
		dst = binary.AppendVarint(dst, c.pane)
		dst = appendBytes(dst, c.partial)
	}
	return dst
}

func (t *frontTrailer) Merge(slot int, state []byte) ([]byte, error) {
	r := reader{b: state}
	for range r.count() {
		pane := r.varint()
		t.add(slot, candidate{pane, append([]byte(nil), r.bytes()...)})
	}
	return r.b, r.err
}

func (t *frontTrailer) Subtract(_ int, state []byte) ([]byte, error) { return state, errShort }

func (t *frontTrailer) Value(slot int) row.Value {
	if len(t.slots[slot]) == 0 {
		return row.NullValue
	}
	t.inner.Clear(0)
	if _, err := t.inner.Merge(0, t.slots[slot][0].partial); err != nil {
		return row.Value{State: row.Error, S: err.Error()}
	}
	return t.inner.Value(0)
}

func (t *frontTrailer) Clear(slot int) { t.slots[slot] = nil }

func (t *frontTrailer) Reset() {
	clear(t.slots)
	t.slots = t.slots[:0]
}

func (t *frontTrailer) Bytes() int { return 64 * len(t.slots) }

// distinctTrailer is for aggregates over distinct values: each with the last pane that has it.
type distinctTrailer struct {
	agg   *expr.Aggregate
	inner expr.Acc
	slots []map[string]int64
}

func (t *distinctTrailer) enter(slot int, pane int64, partial []byte) ([]byte, error) {
	m := t.slots[slot]
	if m == nil {
		m = map[string]int64{}
		t.slots[slot] = m
	}
	err := expr.DistinctValues(partial, func(key []byte) {
		if last, ok := m[string(key)]; !ok || pane > last {
			m[string(key)] = pane
		}
	})
	if err != nil {
		return nil, err
	}
	return t.agg.Skip(partial)
}

func (t *distinctTrailer) leave(slot int, pane int64, partial []byte) ([]byte, error) {
	m := t.slots[slot]
	err := expr.DistinctValues(partial, func(key []byte) {
		if last, ok := m[string(key)]; ok && last <= pane {
			delete(m, string(key))
		}
	})
	if err != nil {
		return nil, err
	}
	return t.agg.Skip(partial)
}

func (t *distinctTrailer) Grow(n int) {
	for len(t.slots) < n {
		t.slots = append(t.slots, nil)
	}
}

func (t *distinctTrailer) Update([]int32, []int32, *row.Vector, []int64) {
	panic("core: rows are folded into panes, not into windows")
}

func (t *distinctTrailer) keys(slot int) []string {
	keys := make([]string, 0, len(t.slots[slot]))
	for k := range t.slots[slot] {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (t *distinctTrailer) Encode(dst []byte, slot int) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(t.slots[slot])))
	for _, k := range t.keys(slot) {
		dst = appendString(dst, k)
		dst = binary.AppendVarint(dst, t.slots[slot][k])
	}
	return dst
}

func (t *distinctTrailer) Merge(slot int, state []byte) ([]byte, error) {
	r := reader{b: state}
	n := r.count()
	if t.slots[slot] == nil {
		t.slots[slot] = make(map[string]int64, n)
	}
	for range n {
		k := string(r.bytes())
		t.slots[slot][k] = r.varint()
	}
	return r.b, r.err
}

func (t *distinctTrailer) Subtract(_ int, state []byte) ([]byte, error) { return state, errShort }

// Value goes through the aggregate's own accumulator: a partial of distinct values is their
// sorted list.
func (t *distinctTrailer) Value(slot int) row.Value {
	partial := binary.AppendUvarint(nil, uint64(len(t.slots[slot])))
	for _, k := range t.keys(slot) {
		partial = appendString(partial, k)
	}
	t.inner.Reset()
	t.inner.Grow(1)
	if _, err := t.inner.Merge(0, partial); err != nil {
		return row.Value{State: row.Error, S: err.Error()}
	}
	return t.inner.Value(0)
}

func (t *distinctTrailer) Clear(slot int) { t.slots[slot] = nil }

func (t *distinctTrailer) Reset() {
	clear(t.slots)
	t.slots = t.slots[:0]
}

func (t *distinctTrailer) Bytes() int {
	n := 0
	for _, m := range t.slots {
		n += 48 * len(m)
	}
	return n
}
