package expr

import (
	"encoding/binary"
	"math"
	"math/bits"

	"penstock/query/row"
)

// sumAcc is SUM and AVG of exact numbers. A slot adds in 128 bits; a sum of DECIMALs can leave
// them, and then its 128 bits move over to an Int256 beside it, which cannot overflow. The sum of
// a slot is that of both, so what it adds up to, and how it is encoded, does not depend on when
// that happened.
type sumAcc struct {
	slots []sumSlot
	wide  map[int32]*row.Int256
	typ   row.Type // of the result
	avg   bool
	pow   int // digits that the result has more than the argument
}

// sumSlot keeps the count beside the sum: one cache line for both.
type sumSlot struct {
	lo    uint64
	hi    int64
	count int64
}

func newSumAcc(a *Aggregate) *sumAcc {
	scale := asDecimal(a.Arg.Type()).Scale
	return &sumAcc{typ: a.Type, avg: a.Name == "AVG", pow: int(a.Type.Scale) - int(scale)}
}

func (a *sumAcc) Grow(n int) { a.slots = grow(a.slots, n) }
func (a *sumAcc) Bytes() int { return 80 * len(a.wide) }

func (a *sumAcc) Clear(slot int) {
	a.slots[slot] = sumSlot{}
	if a.wide != nil {
		delete(a.wide, int32(slot))
	}
}

func (a *sumAcc) Reset() {
	a.slots = a.slots[:0]
	clear(a.wide)
}

func (a *sumAcc) Update(sel, slots []int32, arg *row.Vector, _ []int64) {
	switch {
	case arg.Type.Physical() == row.Dec:
		a.updateDecimals(sel, slots, arg)
	case arg.Null == nil:
		for _, i := range sel {
			a.slots[slots[i]].addInt(arg.I64[i])
		}
	default:
		for _, i := range sel {
			if !arg.Null[i] {
				a.slots[slots[i]].addInt(arg.I64[i])
			}
		}
	}
}

// addInt cannot overflow: the count of values, 63 bits, times a value's 64 leaves a bit.
func (s *sumSlot) addInt(v int64) {
	lo, carry := bits.Add64(s.lo, uint64(v), 0)
	s.lo = lo
	s.hi += v>>63 + int64(carry)
	s.count++
}

func (a *sumAcc) updateDecimals(sel, slots []int32, arg *row.Vector) {
	for _, i := range sel {
		if arg.Null != nil && arg.Null[i] {
			continue
		}
		v := arg.Dec[i]
		s := &a.slots[slots[i]]
		lo, carry := bits.Add64(s.lo, v.Lo, 0)
		hi := s.hi + v.Hi + int64(carry)
		if (s.hi^hi)&(v.Hi^hi) < 0 {
			a.add(slots[i], v)
		} else {
			s.lo, s.hi = lo, hi
		}
		s.count++
	}
}

// add adds v to a slot with a look at overflow.
func (a *sumAcc) add(slot int32, v row.Int128) {
	s := &a.slots[slot]
	sum, over := row.Int128{Hi: s.hi, Lo: s.lo}.Add(v)
	if over {
		a.wideOf(slot).AddInt128(row.Int128{Hi: s.hi, Lo: s.lo})
		sum = v
	}
	s.hi, s.lo = sum.Hi, sum.Lo
}

func (a *sumAcc) wideOf(slot int32) *row.Int256 {
	w := a.wide[slot]
	if w == nil {
		if a.wide == nil {
			a.wide = map[int32]*row.Int256{}
		}
		w = new(row.Int256)
		a.wide[slot] = w
	}
	return w
}

// total is the whole sum of a slot.
func (a *sumAcc) total(slot int) row.Int256 {
	s := &a.slots[slot]
	var sum row.Int256
	if len(a.wide) > 0 {
		if w := a.wide[int32(slot)]; w != nil {
			sum = *w
		}
	}
	sum.AddInt128(row.Int128{Hi: s.hi, Lo: s.lo})
	return sum
}

func (a *sumAcc) Encode(dst []byte, slot int) []byte {
	s := &a.slots[slot]
	if s.count == 0 {
		return append(dst, 0)
	}
	head := uint64(s.count) << 1
	if s.hi == int64(s.lo)>>63 && (len(a.wide) == 0 || a.wide[int32(slot)] == nil) {
		return binary.AppendVarint(binary.AppendUvarint(dst, head), int64(s.lo))
	}
	sum := a.total(slot)
	if v, ok := sum.Int128(); ok && v.IsInt64() {
		return binary.AppendVarint(binary.AppendUvarint(dst, head), v.Int64())
	}
	return sum.Append(binary.AppendUvarint(dst, head|1))
}

// partialSum is a decoded partial. The sum is in narrow, or in wide when it needs more than 64
// bits.
type partialSum struct {
	count, narrow int64
	isWide        bool
	wide          row.Int256
}

func takeSum(src []byte) (p partialSum, rest []byte, err error) {
	head, rest, err := takeCount(src)
	if err != nil || head == 0 {
		return p, rest, err
	}
	p.count = int64(uint64(head) >> 1)
	if p.isWide = head&1 != 0; p.isWide {
		p.wide, rest, err = row.DecodeInt256(rest)
		return p, rest, err
	}
	narrow, n := binary.Varint(rest)
	if n <= 0 {
		return p, nil, errPartial
	}
	p.narrow = narrow
	return p, rest[n:], nil
}

func (a *sumAcc) Merge(slot int, src []byte) (rest []byte, err error) {
	p, rest, err := takeSum(src)
	if err != nil {
		return nil, err
	}
	a.slots[slot].count += p.count
	if p.isWide {
		a.wideOf(int32(slot)).Add(&p.wide)
	} else {
		a.add(int32(slot), row.Int128FromInt64(p.narrow))
	}
	return rest, nil
}

func (a *sumAcc) Subtract(slot int, src []byte) (rest []byte, err error) {
	p, rest, err := takeSum(src)
	if err != nil {
		return nil, err
	}
	a.slots[slot].count -= p.count
	if p.isWide {
		a.wideOf(int32(slot)).Sub(&p.wide)
	} else {
		a.add(int32(slot), row.Int128FromInt64(p.narrow).Neg())
	}
	return rest, nil
}

func (a *sumAcc) Value(slot int) row.Value {
	s := &a.slots[slot]
	if s.count == 0 {
		return row.NullValue
	}
	sum := a.total(slot)
	if a.avg {
		v, ok := sum.DivRound(s.count, a.pow)
		if !ok {
			return row.Value{State: row.Error, S: "average does not fit " + a.typ.String()}
		}
		return row.Dec128(v)
	}
	v, ok := sum.Int128()
	if !ok || !v.FitsPrecision(row.MaxPrecision) {
		return row.Value{State: row.Error, S: "sum does not fit " + a.typ.String()}
	}
	return row.Dec128(v)
}

// values is for sums that are far from the end of their type; false: take them one by one.
func (a *sumAcc) values(v *row.Vector, n int) bool {
	if a.avg || len(a.wide) > 0 || v.Type.Physical() != row.Dec {
		return false
	}
	for i := range n {
		s := &a.slots[i]
		d := row.Int128{Hi: s.hi, Lo: s.lo}
		if !d.IsInt64() && !d.FitsPrecision(row.MaxPrecision) {
			return false
		}
		v.Dec[i], v.Null[i] = d, s.count == 0
	}
	return true
}

// floatAcc is SUM and AVG of DOUBLE PRECISION: a superaccumulator per slot.
type floatAcc struct {
	slots []floatSlot
	avg   bool
	bytes int
	tmp   row.ExactFloat
}

type floatSlot struct {
	sum   row.ExactFloat
	count int64
}

func (a *floatAcc) Bytes() int { return a.bytes }

// Grow moves slots with their limbs. A slot beyond the old length may own limbs from before a
// Reset, which are used again.
func (a *floatAcc) Grow(n int) {
	if n <= cap(a.slots) {
		a.slots = a.slots[:max(n, len(a.slots))]
		return
	}
	bigger := make([]floatSlot, max(n, 2*cap(a.slots)))
	copy(bigger, a.slots[:cap(a.slots)])
	a.slots = bigger[:n]
}

func (a *floatAcc) Clear(slot int) {
	s := &a.slots[slot]
	s.sum.Reset()
	s.count = 0
}

func (a *floatAcc) Reset() {
	for i := range a.slots {
		a.Clear(i)
	}
	a.slots = a.slots[:0]
}

func (a *floatAcc) Update(sel, slots []int32, arg *row.Vector, _ []int64) {
	for _, i := range sel {
		if arg.Null != nil && arg.Null[i] {
			continue
		}
		s := &a.slots[slots[i]]
		before := s.sum.Bytes()
		s.sum.Add(arg.F64[i])
		s.count++
		a.bytes += s.sum.Bytes() - before
	}
}

func (a *floatAcc) Encode(dst []byte, slot int) []byte {
	s := &a.slots[slot]
	dst = binary.AppendUvarint(dst, uint64(s.count))
	if s.count == 0 {
		return dst
	}
	return s.sum.Append(dst)
}

func (a *floatAcc) Merge(slot int, src []byte) (rest []byte, err error) {
	return a.combine(slot, src, 1)
}

func (a *floatAcc) Subtract(slot int, src []byte) (rest []byte, err error) {
	return a.combine(slot, src, -1)
}

func (a *floatAcc) combine(slot int, src []byte, sign int64) (rest []byte, err error) {
	n, rest, err := takeCount(src)
	if err != nil || n == 0 {
		return rest, err
	}
	if rest, err = a.tmp.Decode(rest); err != nil {
		return nil, err
	}
	s := &a.slots[slot]
	before := s.sum.Bytes()
	if sign > 0 {
		s.sum.Merge(&a.tmp)
	} else {
		s.sum.Sub(&a.tmp)
	}
	s.count += sign * n
	a.bytes += s.sum.Bytes() - before
	return rest, nil
}

func (a *floatAcc) Value(slot int) row.Value {
	s := &a.slots[slot]
	if s.count == 0 {
		return row.NullValue
	}
	by, what := int64(1), "sum"
	if a.avg {
		by, what = s.count, "average"
	}
	f := s.sum.DivRound(by)
	if math.IsInf(f, 0) && s.sum.Finite() {
		return row.Value{State: row.Error, S: what + " does not fit DOUBLE PRECISION"}
	}
	return row.Float(f)
}
