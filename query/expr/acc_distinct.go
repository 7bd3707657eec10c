package expr

import (
	"encoding/binary"
	"errors"
	"slices"

	"penstock/query/row"
)

var errNoSubtract = errors.New("this aggregate cannot be subtracted")

// distinctAcc is an aggregate over the set of values: COUNT, SUM, AVG (DISTINCT x). A slot holds
// the row keys of its values.
type distinctAcc struct {
	sets  []map[string]struct{}
	typ   row.Type // of the values
	plain *Aggregate
	sum   Acc         // of one slot, for Value; nil for COUNT
	one   *row.Vector // a value on its way there
	key   []byte
	keys  []string
	bytes int
}

// bytesPerKey is what a key in a set costs beside its bytes.
const bytesPerKey = 32

func newDistinctAcc(a *Aggregate) *distinctAcc {
	plain := *a
	plain.Distinct = false
	d := &distinctAcc{typ: a.Arg.Type(), plain: &plain}
	if a.Name != "COUNT" {
		d.sum = plain.NewAcc()
		d.sum.Grow(1)
		d.one = newVector(d.typ)
	}
	return d
}

func (a *distinctAcc) Grow(n int) { a.sets = grow(a.sets, n) }
func (a *distinctAcc) Bytes() int { return a.bytes }

func (a *distinctAcc) Clear(slot int) {
	for k := range a.sets[slot] {
		a.bytes -= len(k) + bytesPerKey
	}
	a.sets[slot] = nil
}

func (a *distinctAcc) Reset() {
	clear(a.sets)
	a.sets = a.sets[:0]
	a.bytes = 0
}

func (a *distinctAcc) Update(sel, slots []int32, arg *row.Vector, _ []int64) {
	for _, i := range sel {
		if arg.IsNull(int(i)) {
			continue
		}
		a.key = row.AppendKeyVec(a.key[:0], arg, int(i))
		a.add(int(slots[i]), a.key)
	}
}

func (a *distinctAcc) add(slot int, key []byte) {
	set := a.sets[slot]
	if _, has := set[string(key)]; has {
		return
	}
	if set == nil {
		set = map[string]struct{}{}
		a.sets[slot] = set
	}
	set[string(key)] = struct{}{}
	a.bytes += len(key) + bytesPerKey
}

// sorted returns the keys of a slot in order, valid until the next call.
func (a *distinctAcc) sorted(slot int) []string {
	a.keys = a.keys[:0]
	for k := range a.sets[slot] {
		a.keys = append(a.keys, k)
	}
	slices.Sort(a.keys)
	return a.keys
}

func (a *distinctAcc) Encode(dst []byte, slot int) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(a.sets[slot])))
	for _, k := range a.sorted(slot) {
		dst = binary.AppendUvarint(dst, uint64(len(k)))
		dst = append(dst, k...)
	}
	return dst
}

func (a *distinctAcc) Merge(slot int, src []byte) (rest []byte, err error) {
	return eachDistinct(src, func(key []byte) { a.add(slot, key) })
}

func (a *distinctAcc) Subtract(int, []byte) ([]byte, error) { return nil, errNoSubtract }

func (a *distinctAcc) Value(slot int) row.Value {
	if a.sum == nil {
		return row.Int(int64(len(a.sets[slot])))
	}
	a.sum.Clear(0)
	for k := range a.sets[slot] {
		v, _, err := row.DecodeKey([]byte(k), a.typ)
		if err != nil {
			return row.Value{State: row.Error, S: err.Error()}
		}
		setValue(a.one, 0, v)
		a.sum.Update([]int32{0}, []int32{0}, a.one, nil)
	}
	return a.sum.Value(0)
}

// DistinctValues calls f for the row key of each value in a partial of a DISTINCT aggregate, in
// their order. key is part of partial.
func DistinctValues(partial []byte, f func(key []byte)) error {
	_, err := eachDistinct(partial, f)
	return err
}

func eachDistinct(src []byte, f func(key []byte)) (rest []byte, err error) {
	n, src, err := takeCount(src)
	if err != nil {
		return nil, err
	}
	for ; n > 0; n-- {
		size, rest, err := takeCount(src)
		if err != nil || size < 0 || size > int64(len(rest)) {
			return nil, errPartial
		}
		f(rest[:size])
		src = rest[size:]
	}
	return src, nil
}
