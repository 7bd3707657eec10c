package row

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// ExactFloat is the exact sum of float64 values: a superaccumulator. Every finite float64 is a whole
// number of 2^-1074, so their sum is a whole number too, and it is kept as one, in two's complement
// limbs of 64 bits. Addition is therefore associative and Sub is the exact inverse of Merge, whatever
// the values; rounding happens once, when the sum is read. NaN and the infinities cannot be summed
// and are counted, so that taking them out again restores the sum.
//
// A full accumulator is 34 limbs; a sum of values of like size needs two or three. Only the limbs
// from the lowest to the highest in use are kept, so an accumulator costs a short slice. The zero
// ExactFloat is the empty sum. A copy shares its limbs: move it, or Merge it into an empty one.
type ExactFloat struct {
	limbs []uint64
	low   int // index of limbs[0]: its lowest bit is worth 2^(64*low-1074)
	// How many NaN, +Inf and -Inf were added less how many were taken out.
	nan, posInf, negInf int64
}

const (
	floatBias     = 1074 // 2^-1074 is the unit
	maxFloatLimbs = 36   // 2098 bits for the largest float64, and 2^64 of them to add
)

// Add adds f.
func (x *ExactFloat) Add(f float64) {
	b := math.Float64bits(f)
	exp := int(b >> 52 & 0x7ff)
	mant := b & (1<<52 - 1)
	if exp == 0x7ff {
		x.count(f, 1)
		return
	}
	if exp == 0 {
		if mant == 0 {
			return
		}
		exp = 1
	} else {
		mant |= 1 << 52
	}
	bit := exp - 1 // of the unit
	limb, shift := bit/64, uint(bit%64)
	lo, hi := mant<<shift, mant>>(64-shift)
	x.cover(limb, limb+2)
	w := x.limbs[limb-x.low:]
	if b>>63 == 0 {
		var c uint64
		w[0], c = bits.Add64(w[0], lo, 0)
		w[1], c = bits.Add64(w[1], hi, c)
		for i := 2; c != 0 && i < len(w); i++ {
			w[i], c = bits.Add64(w[i], 0, c)
		}
	} else {
		var c uint64
		w[0], c = bits.Sub64(w[0], lo, 0)
		w[1], c = bits.Sub64(w[1], hi, c)
		for i := 2; c != 0 && i < len(w); i++ {
			w[i], c = bits.Sub64(w[i], 0, c)
		}
	}
}

func (x *ExactFloat) count(f float64, n int64) {
	switch {
	case f != f:
		x.nan += n
	case f > 0:
		x.posInf += n
	default:
		x.negInf += n
	}
}

// sign returns the word that continues the number above its highest limb.
func (x *ExactFloat) sign() uint64 {
	if len(x.limbs) == 0 {
		return 0
	}
	return uint64(int64(x.limbs[len(x.limbs)-1]) >> 63)
}

// cover makes the limbs from lo to hi exist and leaves a free bit above: the top two bits of the
// number are equal before an addition, so that it cannot overflow, and the carry always ends inside.
func (x *ExactFloat) cover(lo, hi int) {
	n := len(x.limbs)
	if n == 0 {
		x.low = lo
		if cap(x.limbs) == 0 {
			x.limbs = make([]uint64, 0, 4)
		}
		for range hi - lo + 1 {
			x.limbs = append(x.limbs, 0)
		}
		return
	}
	if lo < x.low {
		more := x.low - lo
		for range more {
			x.limbs = append(x.limbs, 0)
		}
		copy(x.limbs[more:], x.limbs[:n])
		clear(x.limbs[:more])
		x.low = lo
	}
	s := x.sign()
	for x.low+len(x.limbs) <= hi {
		x.limbs = append(x.limbs, s)
	}
	if top := x.limbs[len(x.limbs)-1]; (top^top<<1)>>63 != 0 {
		x.limbs = append(x.limbs, s)
	}
}

// Merge adds the sum y.
func (x *ExactFloat) Merge(y *ExactFloat) {
	x.nan += y.nan
	x.posInf += y.posInf
	x.negInf += y.negInf
	x.combine(y, bits.Add64)
}

// Sub takes the sum y out again.
func (x *ExactFloat) Sub(y *ExactFloat) {
	x.nan -= y.nan
	x.posInf -= y.posInf
	x.negInf -= y.negInf
	x.combine(y, bits.Sub64)
}

func (x *ExactFloat) combine(y *ExactFloat, op func(a, b, c uint64) (uint64, uint64)) {
	if len(y.limbs) == 0 {
		return
	}
	s := y.sign()
	x.cover(y.low, y.low+len(y.limbs))
	w := x.limbs[y.low-x.low:]
	var c uint64
	for i := range w {
		v := s
		if i < len(y.limbs) {
			v = y.limbs[i]
		}
		w[i], c = op(w[i], v, c)
	}
	x.trim()
}

// trim drops limbs at both ends that carry no information.
func (x *ExactFloat) trim() {
	n := len(x.limbs)
	for n > 1 && x.limbs[n-1] == uint64(int64(x.limbs[n-2])>>63) {
		n--
	}
	x.limbs = x.limbs[:n]
	zeros := 0
	for zeros < n && x.limbs[zeros] == 0 {
		zeros++
	}
	if zeros > 0 {
		n = copy(x.limbs, x.limbs[zeros:])
		x.limbs = x.limbs[:n]
		x.low += zeros
	}
}

// Reset empties the sum and keeps its memory.
func (x *ExactFloat) Reset() {
	*x = ExactFloat{limbs: x.limbs[:0]}
}

// IsZero tells whether nothing is in the sum, or nothing is left of it.
func (x *ExactFloat) IsZero() bool {
	for _, w := range x.limbs {
		if w != 0 {
			return false
		}
	}
	return x.nan|x.posInf|x.negInf == 0
}

// Bytes is the memory behind the accumulator.
func (x *ExactFloat) Bytes() int { return 8 * cap(x.limbs) }

// Special returns NaN or an infinity when such values are in the sum, as IEEE addition would.
func (x *ExactFloat) special() (f float64, is bool) {
	switch {
	case x.nan > 0 || x.posInf > 0 && x.negInf > 0:
		return math.NaN(), true
	case x.posInf > 0:
		return math.Inf(1), true
	case x.negInf > 0:
		return math.Inf(-1), true
	}
	return 0, false
}

// Finite tells whether only finite values are in the sum; then an infinite Float64 means that the
// sum is too large for one.
func (x *ExactFloat) Finite() bool {
	_, is := x.special()
	return !is
}

// Float64 returns the sum, correctly rounded to even.
func (x *ExactFloat) Float64() float64 { return x.DivRound(1) }

// DivRound returns the sum divided by n > 0, rounded once: an average.
func (x *ExactFloat) DivRound(n int64) float64 {
	if f, is := x.special(); is {
		return f
	}
	if len(x.limbs) == 0 {
		return 0
	}
	// The magnitude, with two limbs below it: a quotient then has 65 bits or more, enough to round.
	var buf [maxFloatLimbs + 4]uint64
	m := buf[:len(x.limbs)+2]
	copy(m[2:], x.limbs)
	neg := x.sign() != 0
	if neg {
		var c uint64
		for i := range m {
			m[i], c = bits.Sub64(0, m[i], c)
		}
	}
	var rem uint64
	for i := len(m) - 1; i >= 0 && n > 1; i-- {
		m[i], rem = bits.Div64(rem, m[i], uint64(n))
	}
	f := roundFloat(m, 64*(x.low-2)-floatBias, rem != 0)
	if neg {
		return -f
	}
	return f
}

// roundFloat returns the float64 nearest to m * 2^exp, ties to even; more tells that the number is
// a little above that.
func roundFloat(m []uint64, exp int, more bool) float64 {
	top := len(m) - 1
	for top >= 0 && m[top] == 0 {
		top--
	}
	if top < 0 {
		return 0
	}
	last := 64*top + bits.Len64(m[top]) - 1 // the highest bit
	// The lowest bit that is kept: 52 below, but none below the smallest float64.
	ulp := max(last-52, -floatBias-exp)
	mant := bitsAt(m, ulp)
	half := ulp > 0 && m[(ulp-1)/64]>>((ulp-1)%64)&1 != 0
	if half {
		sticky := more || m[(ulp-1)/64]&(1<<((ulp-1)%64)-1) != 0
		for i := 0; i < (ulp-1)/64 && !sticky; i++ {
			sticky = m[i] != 0
		}
		if sticky || mant&1 != 0 {
			mant++
		}
	}
	return math.Ldexp(float64(mant), ulp+exp)
}

// bitsAt returns the 64 bits of m from bit i on; bits outside of m are 0.
func bitsAt(m []uint64, i int) uint64 {
	limb, shift := i/64, i%64
	if limb >= len(m) {
		return 0
	}
	v := m[limb] >> shift
	if shift > 0 && limb+1 < len(m) {
		v |= m[limb+1] << (64 - shift)
	}
	return v
}

// The encoding: uvarint 2*n, plus 1 when anything is counted; the three counts, zigzag, when so; and
// for n > 0 uvarint position and n bytes, lowest first, of the number in two's complement, where
// position is the byte the lowest of them has in units of 2^-1074. Neither end has a byte to spare,
// so a sum has one encoding.

// Append appends the encoding.
func (x *ExactFloat) Append(dst []byte) []byte {
	var buf [8 * (maxFloatLimbs + 2)]byte
	for i, w := range x.limbs {
		binary.LittleEndian.PutUint64(buf[8*i:], w)
	}
	b := buf[:8*len(x.limbs)]
	pos := 8 * x.low
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
		pos++
	}
	if len(b) > 0 {
		b = b[:minimalLen(b)]
	}
	head := uint64(2 * len(b))
	if x.nan|x.posInf|x.negInf != 0 {
		head++
	}
	dst = binary.AppendUvarint(dst, head)
	if head&1 != 0 {
		dst = binary.AppendVarint(dst, x.nan)
		dst = binary.AppendVarint(dst, x.posInf)
		dst = binary.AppendVarint(dst, x.negInf)
	}
	if len(b) > 0 {
		dst = binary.AppendUvarint(dst, uint64(pos))
		dst = append(dst, b...)
	}
	return dst
}

var errExactFloat = errors.New("broken encoding of an exact sum")

// Decode replaces x by the sum at the front of src and returns what follows it. Only bytes that
// Append writes are accepted.
func (x *ExactFloat) Decode(src []byte) (rest []byte, err error) {
	x.Reset()
	head, src, ok := uvarint(src)
	if !ok {
		return nil, errExactFloat
	}
	if head&1 != 0 {
		for _, c := range []*int64{&x.nan, &x.posInf, &x.negInf} {
			var z uint64
			if z, src, ok = uvarint(src); !ok {
				return nil, errExactFloat
			}
			*c = unzigzag(z)
		}
		if x.nan|x.posInf|x.negInf == 0 {
			return nil, errExactFloat
		}
	}
	if head < 2 {
		return src, nil
	}
	pos, src, ok := uvarint(src)
	n := head / 2
	if !ok || n > uint64(len(src)) || n > 8*maxFloatLimbs || pos > 8*maxFloatLimbs || pos+n > 8*(maxFloatLimbs-1) || src[0] == 0 || minimalLen(src[:n]) != int(n) {
		return nil, errExactFloat
	}
	var buf [8 * (maxFloatLimbs + 2)]byte
	first := int(pos % 8)
	end := first + copy(buf[first:], src[:n])
	if src[n-1]&0x80 != 0 {
		for i := end; i < (end+7)/8*8; i++ {
			buf[i] = 0xff
		}
	}
	x.low = int(pos / 8)
	for i := 0; i < end; i += 8 {
		x.limbs = append(x.limbs, binary.LittleEndian.Uint64(buf[i:]))
	}
	return src[n:], nil
}

// uvarint reads a uvarint in its shortest form.
func uvarint(src []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(src)
	if n <= 0 || n > 1 && src[n-1] == 0 {
		return 0, nil, false
	}
	return v, src[n:], true
}
