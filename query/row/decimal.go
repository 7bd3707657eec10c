package row

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

// fault is why a text is not a DECIMAL. A code and not an error, so that the text does not escape
// to the heap on the way in.
type fault uint8

const (
	faultNone     fault = iota
	faultSyntax         // not a number
	faultTooLarge       // more digits before the point than the type has
	faultFraction       // more digits after the point than the scale, and they are not zeros
)

// ParseDecimal returns the unscaled value of a number written as [+-]digits[.digits][e[+-]digits].
// Digits beyond the scale are rounded half away from zero when round is set, as a SQL cast does;
// without it they must be zeros, because data must not change silently on its way in. The error
// can be shown as it is.
func ParseDecimal(s string, precision, scale int, round bool) (Int128, error) {
	d, f := parseDecimal(s, precision, scale, round)
	if f == faultNone {
		return d, nil
	}
	return d, f.describe(s, precision, scale)
}

func (f fault) describe(s string, precision, scale int) error {
	t := DecimalType(precision, scale)
	switch f {
	case faultTooLarge:
		return fmt.Errorf("%s does not fit %s", Quote(s), t)
	case faultFraction:
		return fmt.Errorf("%s has more than the %d fraction digits of %s", Quote(s), scale, t)
	}
	return fmt.Errorf("%s is not %s", Quote(s), t)
}

// pow10u holds the powers of ten that fit a uint64.
var pow10u = func() (t [20]uint64) {
	t[0] = 1
	for i := 1; i < len(t); i++ {
		t[i] = t[i-1] * 10
	}
	return t
}()

func parseDecimal(s string, precision, scale int, round bool) (Int128, fault) {
	i, neg := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		i, neg = 1, s[0] == '-'
	}
	// Up to 18 digits and no exponent fit a uint64, and nearly all numbers are such.
	if len(s)-i > 19 {
		return parseLongDecimal(s, precision, scale, round)
	}
	var m uint64
	point, digits := -1, 0
	for ; i < len(s); i++ {
		c := s[i] - '0'
		if c <= 9 {
			m = m*10 + uint64(c)
			digits++
		} else if s[i] == '.' && point < 0 {
			point = digits
		} else {
			return parseLongDecimal(s, precision, scale, round)
		}
	}
	frac := 0
	if point >= 0 {
		frac = digits - point
	}
	if digits == 0 || digits > 18 || frac > scale || digits+scale-frac > 19 {
		return parseLongDecimal(s, precision, scale, round)
	}
	m *= pow10u[scale-frac]
	if precision < len(pow10u) && m >= pow10u[precision] {
		return Int128{}, faultTooLarge
	}
	if neg {
		return Int128{Lo: m}.Neg(), faultNone
	}
	return Int128{Lo: m}, faultNone
}

// parseLongDecimal takes any number of digits and an exponent.
func parseLongDecimal(s string, precision, scale int, round bool) (Int128, fault) {
	mant, exp, neg, ok := splitNumber(s)
	if !ok {
		return Int128{}, faultSyntax
	}
	digits := 0 // in the mantissa
	point := -1
	for i := 0; i < len(mant); i++ {
		if mant[i] == '.' {
			point = i
		} else {
			digits++
		}
	}
	frac := 0
	if point >= 0 {
		frac = digits - point
	}
	keep := digits - frac + exp + scale // how many of the mantissa's digits are before the scale's end
	var m uint128
	n, significant, up := 0, 0, false
	for i := 0; i < len(mant); i++ {
		if mant[i] == '.' {
			continue
		}
		c := uint64(mant[i] - '0')
		if n < keep {
			if m = m.mulAdd(10, c); significant > 0 || c > 0 {
				significant++
			}
			if significant > MaxPrecision {
				return Int128{}, faultTooLarge
			}
		} else {
			if c != 0 && !round {
				return Int128{}, faultFraction
			}
			up = up || n == keep && c >= 5
		}
		n++
	}
	for ; n < keep && significant > 0; n++ {
		if significant++; significant > MaxPrecision {
			return Int128{}, faultTooLarge
		}
		m = m.mulAdd(10, 0)
	}
	if up {
		m = m.mulAdd(1, 1)
	}
	v, _ := m.signed(neg)
	if !v.FitsPrecision(precision) {
		return Int128{}, faultTooLarge
	}
	return v, faultNone
}

// mulAdd returns m*f + c for a result that fits.
func (m uint128) mulAdd(f, c uint64) uint128 {
	hi, lo := bits.Mul64(m.lo, f)
	lo, carry := bits.Add64(lo, c, 0)
	return uint128{m.hi*f + hi + carry, lo}
}

// splitNumber checks a number's form and returns its mantissa (digits with at most one point), its
// exponent, cut off where it could no longer matter, and its sign.
func splitNumber(s string) (mant string, exp int, neg, ok bool) {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		neg = s[i] == '-'
		i++
	}
	start, digits, point := i, 0, false
	for ; i < len(s); i++ {
		if s[i] == '.' && !point {
			point = true
		} else if s[i]-'0' <= 9 {
			digits++
		} else {
			break
		}
	}
	mant = s[start:i]
	if digits == 0 {
		return "", 0, false, false
	}
	if i == len(s) {
		return mant, 0, neg, true
	}
	if s[i]|0x20 != 'e' {
		return "", 0, false, false
	}
	i++
	expNeg := false
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		expNeg = s[i] == '-'
		i++
	}
	if i == len(s) {
		return "", 0, false, false
	}
	for ; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return "", 0, false, false
		}
		if exp < 1<<40 {
			exp = exp*10 + int(c)
		}
	}
	if expNeg {
		exp = -exp
	}
	return mant, exp, neg, true
}

// FormatDecimal appends d / 10^scale with exactly scale digits after the point.
func FormatDecimal(dst []byte, d Int128, scale int) []byte {
	if d.Hi < 0 {
		dst = append(dst, '-')
	}
	var buf [40]byte
	i := len(buf)
	m := d.mag()
	for m.hi != 0 {
		q, r := m.quoRem(pow10[19])
		for range 19 {
			i--
			buf[i] = byte('0' + r.lo%10)
			r.lo /= 10
		}
		m = q
	}
	for m.lo != 0 {
		i--
		buf[i] = byte('0' + m.lo%10)
		m.lo /= 10
	}
	for len(buf)-i <= scale {
		i--
		buf[i] = '0'
	}
	dst = append(dst, buf[i:len(buf)-scale]...)
	if scale > 0 {
		dst = append(dst, '.')
		dst = append(dst, buf[len(buf)-scale:]...)
	}
	return dst
}

// Rescale changes the scale of d, rounding half away from zero when digits fall off.
func Rescale(d Int128, from, to int) (v Int128, overflow bool) {
	if to >= from {
		return d.MulPow10(to - from)
	}
	return d.DivPow10Round(from - to), false
}

// DecimalToFloat returns the float64 nearest to d / 10^scale.
func DecimalToFloat(d Int128, scale int) float64 {
	if m := d.mag(); m.hi == 0 && m.lo < 1<<53 && scale <= 22 {
		// Both are exact in float64, so the division rounds once.
		f := float64(m.lo) / float64Pow10[scale]
		if d.Hi < 0 {
			return -f
		}
		return f
	}
	var buf [48]byte
	f, _ := strconv.ParseFloat(string(FormatDecimal(buf[:0], d, scale)), 64)
	return f
}

var float64Pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
	1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// DecimalFromFloat returns the DECIMAL(precision, scale) nearest to the shortest decimal that
// stands for f, half away from zero: 0.1 becomes 0.1 and not the binary fraction behind it.
func DecimalFromFloat(f float64, precision, scale int) (Int128, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Int128{}, errors.New(string(FormatDouble(nil, f)) + " is not a DECIMAL")
	}
	var buf [32]byte
	s := string(strconv.AppendFloat(buf[:0], f, 'e', -1, 64))
	return ParseDecimal(s, precision, scale, true)
}
