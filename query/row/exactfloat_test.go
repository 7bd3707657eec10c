package row

import (
	"bytes"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

var anyFinite = rapid.Custom(func(t *rapid.T) float64 {
	switch rapid.IntRange(0, 2).Draw(t, "shape") {
	case 0:
		return float64(rapid.IntRange(-1000, 1000).Draw(t, "hundredths")) / 100
	case 1:
		return rapid.Float64Range(-1e6, 1e6).Draw(t, "f")
	}
	f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return math.MaxFloat64
	}
	return f
})

func exactSum(fs []float64) *ExactFloat {
	var x ExactFloat
	for _, f := range fs {
		x.Add(f)
	}
	return &x
}

func TestExactFloatAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SliceOfN(anyFinite, 0, 20).Draw(t, "fs")
		x := exactSum(fs)
		want := new(big.Rat)
		for _, f := range fs {
			want.Add(want, new(big.Rat).SetFloat64(f))
		}
		if f, _ := want.Float64(); x.Float64() != f {
			t.Fatalf("sum %v, want %v", x.Float64(), f)
		}
		n := rapid.Int64Range(1, math.MaxInt64).Draw(t, "n")
		if f, _ := want.Quo(want, new(big.Rat).SetInt64(n)).Float64(); x.DivRound(n) != f {
			t.Fatalf("sum / %d = %v, want %v", n, x.DivRound(n), f)
		}
	})
}

func TestExactFloatHasOneEncodingPerSum(t *testing.T) {
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	any := rapid.OneOf(anyFinite, rapid.SampledFrom(special))
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SliceOfN(any, 0, 20).Draw(t, "fs")
		enc := exactSum(fs).Append(nil)

		shuffled := rapid.Permutation(fs).Draw(t, "shuffled")
		cut := rapid.IntRange(0, len(fs)).Draw(t, "cut")
		left, right := exactSum(shuffled[:cut]), exactSum(shuffled[cut:])
		left.Merge(right)
		if got := left.Append(nil); !bytes.Equal(got, enc) {
			t.Fatalf("another order gives %x, not %x", got, enc)
		}

		// What is merged can be taken out again, whatever it was.
		more := exactSum(rapid.SliceOfN(any, 0, 5).Draw(t, "more"))
		left.Merge(more)
		left.Sub(more)
		if got := left.Append(nil); !bytes.Equal(got, enc) {
			t.Fatalf("merging and taking out gives %x, not %x", got, enc)
		}

		var back ExactFloat
		rest, err := back.Decode(append(enc[:len(enc):len(enc)], 9))
		if err != nil || len(rest) != 1 || !bytes.Equal(back.Append(nil), enc) {
			t.Fatalf("%x decodes to %x: %v", enc, back.Append(nil), err)
		}
		left.Sub(&back)
		if !left.IsZero() || len(left.Append(nil)) != 1 {
			t.Fatalf("taking everything out leaves %x", left.Append(nil))
		}
	})
}

func TestExactFloatSpecialValues(t *testing.T) {
	inf := math.Inf(1)
	var x ExactFloat
	x.Add(1)
	x.Add(inf)
	if x.Float64() != inf || x.Finite() {
		t.Error("1 + Infinity")
	}
	x.Add(-inf)
	if !math.IsNaN(x.Float64()) {
		t.Error("Infinity - Infinity is not NaN")
	}
	x.Sub(exactSum([]float64{-inf, inf}))
	if x.Float64() != 1 || !x.Finite() {
		t.Error("taking the infinities out does not restore the sum")
	}
	// Out of range in between, in range at the end; and the last float before infinity.
	x = *exactSum([]float64{math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64})
	if x.Float64() != math.MaxFloat64 {
		t.Error("overflow in between")
	}
	x.Add(math.MaxFloat64)
	if x.Float64() != inf || !x.Finite() {
		t.Error("a sum that is too large is not an infinity")
	}
	if x.DivRound(2) != math.MaxFloat64 {
		t.Error("the average of two values is out of range")
	}
	x = *exactSum([]float64{0.1, 0.2, 0.3, -0.3, -0.2, -0.1})
	if !x.IsZero() || math.Signbit(x.Float64()) {
		t.Error("nothing left is not 0")
	}
}

func FuzzDecodeExactFloat(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{1, 2, 0, 0})
	f.Add(exactSum([]float64{1.5, -1e300}).Append(nil))
	f.Fuzz(func(t *testing.T, src []byte) {
		var x ExactFloat
		rest, err := x.Decode(src)
		if err != nil {
			return
		}
		if enc := x.Append(nil); string(enc) != string(src[:len(src)-len(rest)]) {
			t.Fatalf("%x reads as %v, which is written %x", src, x.Float64(), enc)
		}
		x.Add(math.MaxFloat64)
		x.DivRound(3)
	})
}

func BenchmarkExactFloatAdd(b *testing.B) {
	var x ExactFloat
	fs := [...]float64{0.1, 51.5, -7.25, 1e6, 3.3, 1e-3, 42, 17.99}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x.Add(fs[i&7])
		i++
	}
}
