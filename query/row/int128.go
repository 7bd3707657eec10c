package row

import "math/bits"

// Int128 is a signed 128-bit integer in two's complement: the unscaled value of a DECIMAL.
//
// Methods that can leave the range return overflow beside the result, which is then undefined.
type Int128 struct {
	Hi int64
	Lo uint64
}

// uint128 is a magnitude.
type uint128 struct{ hi, lo uint64 }

// Int128FromInt64 widens i.
func Int128FromInt64(i int64) Int128 { return Int128{Hi: i >> 63, Lo: uint64(i)} }

// Add returns a + b.
func (a Int128) Add(b Int128) (sum Int128, overflow bool) {
	lo, c := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(uint64(a.Hi), uint64(b.Hi), c)
	s := int64(hi)
	return Int128{s, lo}, (a.Hi^s)&(b.Hi^s) < 0
}

// Sub returns a - b.
func (a Int128) Sub(b Int128) (diff Int128, overflow bool) {
	lo, c := bits.Sub64(a.Lo, b.Lo, 0)
	hi, _ := bits.Sub64(uint64(a.Hi), uint64(b.Hi), c)
	s := int64(hi)
	return Int128{s, lo}, (a.Hi^b.Hi)&(a.Hi^s) < 0
}

// Neg returns -a. The smallest value, which no DECIMAL reaches, is its own negative.
func (a Int128) Neg() Int128 {
	lo, c := bits.Sub64(0, a.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(a.Hi), c)
	return Int128{int64(hi), lo}
}

// Abs returns the value without its sign, with the same exception as Neg.
func (a Int128) Abs() Int128 {
	if a.Hi < 0 {
		return a.Neg()
	}
	return a
}

// mag returns |a|, which always fits.
func (a Int128) mag() uint128 {
	b := a.Abs()
	return uint128{uint64(b.Hi), b.Lo}
}

// signed gives a magnitude its sign back.
func (m uint128) signed(neg bool) (v Int128, overflow bool) {
	v = Int128{int64(m.hi), m.lo}
	if neg {
		v = v.Neg()
		return v, v.Hi > 0 || v.Hi == 0 && m.hi != 0
	}
	return v, v.Hi < 0
}

// Mul returns a * b.
func (a Int128) Mul(b Int128) (product Int128, overflow bool) {
	if a.IsInt64() && b.IsInt64() {
		// The common case: one multiplication, and the sign of each factor corrects the high half.
		hi, lo := bits.Mul64(a.Lo, b.Lo)
		hi -= uint64(a.Hi) & b.Lo
		hi -= uint64(b.Hi) & a.Lo
		return Int128{int64(hi), lo}, false
	}
	x, y := a.mag(), b.mag()
	if x.hi != 0 && y.hi != 0 {
		return Int128{}, true
	}
	if x.hi == 0 {
		x, y = y, x // now y fits 64 bits
	}
	hi, lo := bits.Mul64(x.lo, y.lo)
	over, mid := bits.Mul64(x.hi, y.lo)
	hi, c := bits.Add64(hi, mid, 0)
	if over != 0 || c != 0 {
		return Int128{}, true
	}
	return uint128{hi, lo}.signed((a.Hi < 0) != (b.Hi < 0))
}

// Cmp returns -1, 0 or 1 as a is smaller than, equal to or larger than b.
func (a Int128) Cmp(b Int128) int {
	switch {
	case a.Hi < b.Hi:
		return -1
	case a.Hi > b.Hi:
		return 1
	case a.Lo < b.Lo:
		return -1
	case a.Lo > b.Lo:
		return 1
	}
	return 0
}

// Sign returns -1, 0 or 1.
func (a Int128) Sign() int {
	switch {
	case a.Hi < 0:
		return -1
	case a.Hi == 0 && a.Lo == 0:
		return 0
	}
	return 1
}

// IsZero tells whether a is 0.
func (a Int128) IsZero() bool { return a.Hi == 0 && a.Lo == 0 }

// IsInt64 tells whether Int64 returns the same number.
func (a Int128) IsInt64() bool { return a.Hi == int64(a.Lo)>>63 }

// Int64 returns the low 64 bits as a signed number.
func (a Int128) Int64() int64 { return int64(a.Lo) }

// QuoRem divides with truncation towards zero, as SQL and Go do; the remainder has the sign of a.
// Dividing by zero panics: callers test for it, because it is the row's mistake and not ours. The
// smallest value divided by -1 wraps.
func (a Int128) QuoRem(b Int128) (quo, rem Int128) {
	q, r := a.mag().quoRem(b.mag())
	quo = Int128{int64(q.hi), q.lo}
	rem = Int128{int64(r.hi), r.lo}
	if (a.Hi < 0) != (b.Hi < 0) {
		quo = quo.Neg()
	}
	if a.Hi < 0 {
		rem = rem.Neg()
	}
	return quo, rem
}

func (m uint128) cmp(n uint128) int {
	switch {
	case m.hi < n.hi || m.hi == n.hi && m.lo < n.lo:
		return -1
	case m == n:
		return 0
	}
	return 1
}

func (m uint128) quoRem(d uint128) (q, r uint128) {
	if d.hi == 0 {
		var rem uint64
		if m.hi < d.lo {
			q.lo, rem = bits.Div64(m.hi, m.lo, d.lo)
		} else {
			q.hi, rem = bits.Div64(0, m.hi, d.lo)
			q.lo, rem = bits.Div64(rem, m.lo, d.lo)
		}
		return q, uint128{0, rem}
	}
	// The quotient fits 64 bits. Divide the halved number by the divisor's normalised high word:
	// the guess is at most one too large, so start one lower and correct (Hacker's Delight 9-4).
	n := uint(bits.LeadingZeros64(d.hi))
	top := d.hi<<n | d.lo>>(64-n)
	guess, _ := bits.Div64(m.hi>>1, m.hi<<63|m.lo>>1, top)
	guess >>= 63 - n
	if guess != 0 {
		guess--
	}
	hi, lo := bits.Mul64(guess, d.lo)
	hi += guess * d.hi
	var c uint64
	r.lo, c = bits.Sub64(m.lo, lo, 0)
	r.hi, _ = bits.Sub64(m.hi, hi, c)
	if r.cmp(d) >= 0 {
		guess++
		r.lo, c = bits.Sub64(r.lo, d.lo, 0)
		r.hi, _ = bits.Sub64(r.hi, d.hi, c)
	}
	return uint128{0, guess}, r
}

// pow10 holds 10^0 to 10^38, all that fit.
var pow10 = func() (t [MaxPrecision + 1]uint128) {
	t[0] = uint128{0, 1}
	for i := 1; i < len(t); i++ {
		hi, lo := bits.Mul64(t[i-1].lo, 10)
		t[i] = uint128{t[i-1].hi*10 + hi, lo}
	}
	return t
}()

// Pow10 returns 10^n for n from 0 to 38.
func Pow10(n int) Int128 { return Int128{int64(pow10[n].hi), pow10[n].lo} }

// MulPow10 returns a * 10^n for n >= 0.
func (a Int128) MulPow10(n int) (product Int128, overflow bool) {
	if n > MaxPrecision {
		return Int128{}, !a.IsZero()
	}
	return a.Mul(Pow10(n))
}

// DivPow10Round returns a / 10^n, n >= 0, rounded half away from zero as PostgreSQL rounds NUMERIC.
func (a Int128) DivPow10Round(n int) Int128 {
	if n > MaxPrecision {
		return Int128{} // |a| < 10^39 / 2, so even the half is not reached
	}
	q, r := a.mag().quoRem(pow10[n])
	// r >= 10^n - r is r >= 10^n / 2 without losing the half.
	rest, c := bits.Sub64(pow10[n].lo, r.lo, 0)
	restHi, _ := bits.Sub64(pow10[n].hi, r.hi, c)
	if r.cmp(uint128{restHi, rest}) >= 0 {
		q.lo++
		if q.lo == 0 {
			q.hi++
		}
	}
	v, _ := q.signed(a.Hi < 0)
	return v
}

// Digits returns how many decimal digits a has without its sign; 0 has one.
func (a Int128) Digits() int {
	m := a.mag()
	var guess int // bits * log10(2), rounded down, is the answer or one below
	if m.hi != 0 {
		guess = (64 + bits.Len64(m.hi)) * 1233 >> 12
	} else {
		guess = bits.Len64(m.lo) * 1233 >> 12
	}
	if guess < len(pow10) && m.cmp(pow10[guess]) >= 0 {
		guess++
	}
	return max(guess, 1)
}

// FitsPrecision tells whether a has at most p digits.
func (a Int128) FitsPrecision(p int) bool {
	return p <= MaxPrecision && a.mag().cmp(pow10[p]) < 0
}

// MulDivRound returns a * b / c rounded half away from zero, with the product kept in full: a
// DECIMAL division scales its dividend up by more than 128 bits can hold. c must not be 0.
func MulDivRound(a, b, c Int128) (quo Int128, overflow bool) {
	var w Int256
	w.setProduct(a.mag(), b.mag())
	d := c.mag()
	rem := w.divMag(d)
	// Round up when rem >= d - rem.
	rest, borrow := bits.Sub64(d.lo, rem.lo, 0)
	restHi, _ := bits.Sub64(d.hi, rem.hi, borrow)
	if rem.cmp(uint128{restHi, rest}) >= 0 {
		w.AddInt64(1)
	}
	if w[3] != 0 || w[2] != 0 {
		return Int128{}, true
	}
	neg := (a.Hi < 0) != (b.Hi < 0) != (c.Hi < 0)
	return uint128{w[1], w[0]}.signed(neg)
}
