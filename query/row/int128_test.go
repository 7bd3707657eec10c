package row

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// anyInt128 draws numbers of every length, and those beside powers of two and of ten, where carries are.
var anyInt128 = rapid.Custom(func(t *rapid.T) Int128 {
	var v Int128
	switch rapid.IntRange(0, 3).Draw(t, "shape") {
	case 0:
		v = Int128FromInt64(rapid.Int64().Draw(t, "small"))
	case 1:
		v = Pow10(rapid.IntRange(0, 38).Draw(t, "power"))
		v, _ = v.Add(Int128FromInt64(rapid.Int64Range(-2, 2).Draw(t, "beside")))
	default:
		v = Int128{rapid.Int64().Draw(t, "hi"), rapid.Uint64().Draw(t, "lo")}
		n := rapid.UintRange(0, 127).Draw(t, "cut")
		if n < 64 {
			v = Int128{v.Hi >> n, v.Lo}
		} else {
			v = Int128{v.Hi >> 63, uint64(v.Hi>>63<<(127-n)) | v.Lo>>(n-64)}
		}
	}
	if rapid.Bool().Draw(t, "negative") {
		v = v.Neg()
	}
	return v
})

// anyDecimal draws numbers of up to 38 digits.
var anyDecimal = rapid.Custom(func(t *rapid.T) Int128 {
	return anyInt128.Filter(func(v Int128) bool { return v.FitsPrecision(MaxPrecision) }).Draw(t, "decimal")
})

func (a Int128) big() *big.Int {
	b := new(big.Int).Lsh(big.NewInt(a.Hi), 64)
	return b.Add(b, new(big.Int).SetUint64(a.Lo))
}

func (x *Int256) big() *big.Int {
	b := new(big.Int)
	for i := 3; i >= 0; i-- {
		b.Lsh(b, 64).Add(b, new(big.Int).SetUint64(x[i]))
	}
	if b.Bit(255) == 1 {
		b.Sub(b, new(big.Int).Lsh(big.NewInt(1), 256))
	}
	return b
}

var (
	bigMin128 = new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 127))
	bigMax128 = new(big.Int).Not(bigMin128)
)

func fits128(b *big.Int) bool { return b.Cmp(bigMin128) >= 0 && b.Cmp(bigMax128) <= 0 }

// bigDivRound divides, half away from zero.
func bigDivRound(a, b *big.Int) *big.Int {
	num, den := new(big.Int).Abs(a), new(big.Int).Abs(b)
	q := num.Lsh(num, 1).Add(num, den)
	q.Div(q, den.Lsh(den, 1))
	if a.Sign()*b.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

func TestInt128AgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyInt128.Draw(t, "a"), anyInt128.Draw(t, "b")
		check := func(what string, got Int128, overflow bool, want *big.Int) {
			if overflow == fits128(want) {
				t.Fatalf("%s: overflow %v, want %s", what, overflow, want)
			}
			if !overflow && got.big().Cmp(want) != 0 {
				t.Fatalf("%s = %s, want %s", what, got.big(), want)
			}
		}
		v, over := a.Add(b)
		check("a + b", v, over, new(big.Int).Add(a.big(), b.big()))
		v, over = a.Sub(b)
		check("a - b", v, over, new(big.Int).Sub(a.big(), b.big()))
		v, over = a.Mul(b)
		check("a * b", v, over, new(big.Int).Mul(a.big(), b.big()))
		n := rapid.IntRange(0, 45).Draw(t, "n")
		pow := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
		v, over = a.MulPow10(n)
		check("a * 10^n", v, over, new(big.Int).Mul(a.big(), pow))
		check("a / 10^n", a.DivPow10Round(n), false, bigDivRound(a.big(), pow))
		if a != (Int128{Hi: math.MinInt64}) {
			check("-a", a.Neg(), false, new(big.Int).Neg(a.big()))
		}
		if a.Cmp(b) != a.big().Cmp(b.big()) || a.Sign() != a.big().Sign() {
			t.Fatalf("cmp %d, sign %d", a.Cmp(b), a.Sign())
		}
		if a.IsInt64() != a.big().IsInt64() || a.IsInt64() && a.Int64() != a.big().Int64() {
			t.Fatal("IsInt64")
		}
		if digits := len(new(big.Int).Abs(a.big()).String()); a.Digits() != digits || a.FitsPrecision(20) != (digits <= 20) {
			t.Fatalf("%s has %d digits", a.big(), a.Digits())
		}
	})
}

func TestInt128Division(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyInt128.Draw(t, "a"), anyInt128.Draw(t, "b"), anyInt128.Draw(t, "c")
		if c.IsZero() {
			return
		}
		if q, ok := new(big.Int).QuoRem(a.big(), c.big(), new(big.Int)); ok != nil && fits128(q) {
			quo, rem := a.QuoRem(c)
			if quo.big().Cmp(q) != 0 || rem.big().Cmp(ok) != 0 {
				t.Fatalf("a / c = %s rest %s, want %s rest %s", quo.big(), rem.big(), q, ok)
			}
		}
		want := bigDivRound(new(big.Int).Mul(a.big(), b.big()), c.big())
		got, over := MulDivRound(a, b, c)
		if over == fits128(want) || !over && got.big().Cmp(want) != 0 {
			t.Fatalf("a * b / c = %s overflow %v, want %s", got.big(), over, want)
		}
	})
}

func TestInt256AgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x, y Int256
		want := new(big.Int)
		for range rapid.IntRange(0, 8).Draw(t, "terms") {
			v := anyInt128.Draw(t, "v")
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0:
				x.AddInt64(v.Int64())
				want.Add(want, big.NewInt(v.Int64()))
			case 1:
				y = Int256{}
				y.AddInt128(v)
				x.Sub(&y)
				want.Sub(want, v.big())
			case 2:
				y.Add(&x)
				x.Add(&x)
				want.Lsh(want, 1)
			default:
				x.AddInt128(v)
				want.Add(want, v.big())
			}
		}
		if x.big().Cmp(want) != 0 || x.Sign() != want.Sign() || x.IsZero() != (want.Sign() == 0) {
			t.Fatalf("sum %s, want %s", x.big(), want)
		}
		if v, ok := x.Int128(); ok != fits128(want) || ok && v.big().Cmp(want) != 0 {
			t.Fatalf("Int128 %v", ok)
		}
		enc := x.Append([]byte("x"))
		back, rest, err := DecodeInt256(append(enc[1:], 7))
		if err != nil || back != x || len(rest) != 1 {
			t.Fatalf("%x decodes to %s: %v", enc, back.big(), err)
		}
		n := rapid.Int64Range(1, math.MaxInt64).Draw(t, "n")
		pow := rapid.IntRange(0, 38).Draw(t, "pow")
		num := new(big.Int).Mul(want, Pow10(pow).big())
		avg := bigDivRound(num, big.NewInt(n))
		got, ok := x.DivRound(n, pow)
		fits := len(new(big.Int).Abs(avg).String()) <= MaxPrecision && num.BitLen() < 255
		if ok != fits || ok && got.big().Cmp(avg) != 0 {
			t.Fatalf("average %s ok %v, want %s", got.big(), ok, avg)
		}
	})
}

func FuzzDecodeInt256(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{224 + 1, 0, 2})
	f.Add([]byte{255})
	f.Fuzz(func(t *testing.T, src []byte) {
		x, rest, err := DecodeInt256(src)
		if err != nil {
			return
		}
		if enc := x.Append(nil); string(enc) != string(src[:len(src)-len(rest)]) {
			t.Fatalf("%x reads as %s, which is written %x", src, x.big(), enc)
		}
	})
}

func BenchmarkInt256AddInt128(b *testing.B) {
	var x Int256
	v := Int128{-1, 1 << 63}
	b.ReportAllocs()
	for b.Loop() {
		x.AddInt128(v)
	}
}

func BenchmarkInt128Mul(b *testing.B) {
	x, y := Int128FromInt64(51_00), Int128FromInt64(710)
	b.ReportAllocs()
	for b.Loop() {
		x.Mul(y)
	}
}
