package row

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// Int256 is a 256-bit two's complement accumulator, lowest word first: the sum of more values of
// 38 digits than a log can hold, so it never overflows, and addition and subtraction commute
// exactly. The zero Int256 is 0.
type Int256 [4]uint64

// AddInt64 adds v.
func (x *Int256) AddInt64(v int64) {
	s := uint64(v >> 63)
	var c uint64
	x[0], c = bits.Add64(x[0], uint64(v), 0)
	x[1], c = bits.Add64(x[1], s, c)
	x[2], c = bits.Add64(x[2], s, c)
	x[3], _ = bits.Add64(x[3], s, c)
}

// AddInt128 adds v.
func (x *Int256) AddInt128(v Int128) {
	s := uint64(v.Hi >> 63)
	var c uint64
	x[0], c = bits.Add64(x[0], v.Lo, 0)
	x[1], c = bits.Add64(x[1], uint64(v.Hi), c)
	x[2], c = bits.Add64(x[2], s, c)
	x[3], _ = bits.Add64(x[3], s, c)
}

// Add adds y.
func (x *Int256) Add(y *Int256) {
	var c uint64
	x[0], c = bits.Add64(x[0], y[0], 0)
	x[1], c = bits.Add64(x[1], y[1], c)
	x[2], c = bits.Add64(x[2], y[2], c)
	x[3], _ = bits.Add64(x[3], y[3], c)
}

// Sub subtracts y: the inverse of Add.
func (x *Int256) Sub(y *Int256) {
	var c uint64
	x[0], c = bits.Sub64(x[0], y[0], 0)
	x[1], c = bits.Sub64(x[1], y[1], c)
	x[2], c = bits.Sub64(x[2], y[2], c)
	x[3], _ = bits.Sub64(x[3], y[3], c)
}

// IsZero tells whether x is 0.
func (x *Int256) IsZero() bool { return x[0]|x[1]|x[2]|x[3] == 0 }

// Sign returns -1, 0 or 1.
func (x *Int256) Sign() int {
	switch {
	case int64(x[3]) < 0:
		return -1
	case x.IsZero():
		return 0
	}
	return 1
}

// Neg turns x into -x.
func (x *Int256) Neg() {
	var zero Int256
	zero.Sub(x)
	*x = zero
}

// Int128 returns x when it fits 128 bits.
func (x *Int256) Int128() (v Int128, ok bool) {
	v = Int128{Hi: int64(x[1]), Lo: x[0]}
	s := uint64(v.Hi >> 63)
	return v, x[2] == s && x[3] == s
}

// setProduct makes x the product of two magnitudes.
func (x *Int256) setProduct(a, b uint128) {
	h0, l0 := bits.Mul64(a.lo, b.lo)
	h1, l1 := bits.Mul64(a.hi, b.lo)
	h2, l2 := bits.Mul64(a.lo, b.hi)
	h3, l3 := bits.Mul64(a.hi, b.hi)
	x[0] = l0
	var c, d uint64
	x[1], c = bits.Add64(h0, l1, 0)
	x[2], c = bits.Add64(h1, l3, c)
	x[3] = h3 + c
	x[1], d = bits.Add64(x[1], l2, 0)
	x[2], d = bits.Add64(x[2], h2, d)
	x[3] += d
}

// divMag divides a non-negative x by d in place and returns the remainder.
func (x *Int256) divMag(d uint128) (rem uint128) {
	if d.hi == 0 {
		var r uint64
		for i := 3; i >= 0; i-- {
			x[i], r = bits.Div64(r, x[i], d.lo)
		}
		return uint128{0, r}
	}
	// Bit by bit: only divisors of more than 64 bits come here, which no money does.
	for i := 255; i >= 0; i-- {
		carry := rem.hi >> 63
		rem.hi = rem.hi<<1 | rem.lo>>63
		rem.lo = rem.lo<<1 | x[i/64]>>(i%64)&1
		x[i/64] &^= 1 << (i % 64)
		if carry != 0 || rem.cmp(d) >= 0 {
			var b uint64
			rem.lo, b = bits.Sub64(rem.lo, d.lo, 0)
			rem.hi, _ = bits.Sub64(rem.hi, d.hi, b)
			x[i/64] |= 1 << (i % 64)
		}
	}
	return rem
}

// DivRound returns x * 10^pow / n, n > 0, rounded half away from zero: an average with pow more
// digits after the point. It is not ok when the result leaves 38 digits.
func (x *Int256) DivRound(n int64, pow int) (v Int128, ok bool) {
	y := *x
	neg := y.Sign() < 0
	if neg {
		y.Neg()
	}
	for ; pow > 0; pow -= min(pow, 19) {
		if over := y.mulWord(pow10[min(pow, 19)].lo); over {
			return Int128{}, false
		}
	}
	rem := y.divMag(uint128{0, uint64(n)}).lo
	if rem >= uint64(n)-rem {
		y.AddInt64(1)
	}
	if y[3]|y[2] != 0 {
		return Int128{}, false
	}
	v, over := uint128{y[1], y[0]}.signed(neg)
	return v, !over && v.FitsPrecision(MaxPrecision)
}

// mulWord multiplies a non-negative x by w.
func (x *Int256) mulWord(w uint64) (overflow bool) {
	var carry uint64
	for i := range x {
		hi, lo := bits.Mul64(x[i], w)
		var c uint64
		x[i], c = bits.Add64(lo, carry, 0)
		carry = hi + c
	}
	return carry != 0
}

// The encoding of an Int256: one byte below wideInt256 is the number itself, zigzagged; from there
// on the byte tells how many bytes of two's complement follow, lowest first, as few as keep the
// value. So a number has one encoding.
const wideInt256 = 224

// Append appends the encoding of x, 1 to 33 bytes, to dst.
func (x *Int256) Append(dst []byte) []byte {
	if v, ok := x.Int128(); ok && v.IsInt64() {
		if z := zigzag(v.Int64()); z < wideInt256 {
			return append(dst, byte(z))
		}
	}
	var b [32]byte
	for i, w := range x {
		binary.LittleEndian.PutUint64(b[i*8:], w)
	}
	n := minimalLen(b[:])
	dst = append(dst, byte(wideInt256+n-1))
	return append(dst, b[:n]...)
}

// minimalLen returns how many of the bytes of a two's complement number, lowest first, keep its value.
func minimalLen(b []byte) int {
	n := len(b)
	fill := byte(int8(b[n-1]) >> 7)
	for n > 1 && b[n-1] == fill && b[n-2]&0x80 == fill&0x80 {
		n--
	}
	return n
}

var errInt256 = errors.New("broken encoding of a sum")

// DecodeInt256 reads what Append wrote and returns what follows. Forms that Append does not
// write are refused.
func DecodeInt256(src []byte) (x Int256, rest []byte, err error) {
	if len(src) == 0 {
		return x, nil, errInt256
	}
	if src[0] < wideInt256 {
		x.AddInt64(unzigzag(uint64(src[0])))
		return x, src[1:], nil
	}
	n := int(src[0]) - wideInt256 + 1
	if len(src) < 1+n {
		return x, nil, errInt256
	}
	var b [32]byte
	copy(b[:], src[1:1+n])
	fill := byte(int8(b[n-1]) >> 7)
	for i := n; i < len(b); i++ {
		b[i] = fill
	}
	for i := range x {
		x[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
	if minimalLen(b[:]) != n {
		return x, nil, errInt256
	}
	if v, ok := x.Int128(); ok && v.IsInt64() && zigzag(v.Int64()) < wideInt256 {
		return x, nil, errInt256
	}
	return x, src[1+n:], nil
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
