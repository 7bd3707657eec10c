package row

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

var keyTypes = []Type{Of(Boolean), Of(Integer), Of(Bigint), Of(Double), DecimalType(38, 4), Of(Varchar), Of(Timestamp), Of(Date)}

var anyInt = rapid.OneOf(rapid.Int64(), rapid.Int64Range(-300, 300), rapid.Int64Range(20000, 20200),
	rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, -17 - 255, -17 - 256, 20096 + 255, 20096 + 256}))

var anyText = rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 2, 'a'}), 0, 4, -1),
	rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 0xfc, 0xfd, 0xfe, 0xff}), 0, 4), func(b []byte) string { return string(b) }))

// drawValue draws a value of type t, NULL among them.
func drawValue(r *rapid.T, t Type, name string) Value {
	if rapid.IntRange(0, 9).Draw(r, name+" null") == 0 {
		return NullValue
	}
	switch t.Kind {
	case Boolean:
		return Bool(rapid.Bool().Draw(r, name))
	case Integer:
		return Int(int64(rapid.Int32().Draw(r, name)))
	case Double:
		return Float(rapid.OneOf(anyFinite, rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1)})).Draw(r, name))
	case Decimal:
		return Dec128(anyDecimal.Draw(r, name))
	case Varchar:
		return Text(anyText.Draw(r, name))
	}
	return Int(anyInt.Draw(r, name))
}

// order is what keys must reproduce: NULL last, valid values as Compare says.
func order(a, b Value, t Type) int {
	switch {
	case a.IsNull() && b.IsNull():
		return 0
	case a.IsNull():
		return 1
	case b.IsNull():
		return -1
	}
	return Compare(a, b, t)
}

func TestKeysOrderAsValues(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		typ := rapid.SampledFrom(keyTypes).Draw(r, "type")
		a, b := drawValue(r, typ, "a"), drawValue(r, typ, "b")
		want := order(a, b, typ)
		// What follows a key must not matter unless the values are equal.
		ka, kb := append(AppendKey(nil, a, typ), 0xff), append(AppendKey(nil, b, typ), 0)
		if want == 0 {
			ka, kb = ka[:len(ka)-1], kb[:len(kb)-1]
		}
		if got := bytes.Compare(ka, kb); got != want {
			r.Fatalf("%s: %x and %x compare %d, want %d", typ, ka, kb, got, want)
		}
		if got := bytes.Compare(AppendKeyDesc(nil, a, typ), AppendKeyDesc(nil, b, typ)); got != -want {
			r.Fatalf("%s descending: %d, want %d", typ, got, -want)
		}
		if Equal(a, b, typ) != (want == 0) {
			r.Fatal("Equal differs")
		}
		for _, desc := range []bool{false, true} {
			for _, nullsFirst := range []bool{false, true} {
				w := want
				if a.IsNull() != b.IsNull() {
					if nullsFirst {
						w = -w
					}
				} else if desc {
					w = -w
				}
				if got := bytes.Compare(AppendKeyOrder(nil, a, typ, desc, nullsFirst), AppendKeyOrder(nil, b, typ, desc, nullsFirst)); got != w {
					r.Fatalf("desc %v, nulls first %v: %d, want %d", desc, nullsFirst, got, w)
				}
			}
		}
	})
}

func TestKeysAndValuesReadBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		typ := rapid.SampledFrom(keyTypes).Draw(r, "type")
		v := drawValue(r, typ, "v")
		if rapid.IntRange(0, 9).Draw(r, "error") == 0 {
			v = Value{State: Error, S: anyText.Draw(r, "reason")}
		}
		key := AppendKey([]byte("p"), v, typ)[1:]
		back, rest, err := DecodeKey(append(key, 1, 2), typ)
		if err != nil || !Equal(v, back, typ) || len(rest) != 2 {
			r.Fatalf("%s key %x reads as %+v: %v", typ, key, back, err)
		}
		if rest, err := SkipKey(append(key, 1, 2), typ); err != nil || len(rest) != 2 {
			r.Fatalf("%s key %x: skip leaves %d: %v", typ, key, len(rest), err)
		}
		desc := AppendKeyDesc(nil, v, typ)
		if back, rest, err = DecodeKeyDesc(append(desc, 3), typ); err != nil || !Equal(v, back, typ) || len(rest) != 1 {
			r.Fatalf("%s descending key %x reads as %+v: %v", typ, desc, back, err)
		}
		plain := AppendValue([]byte("p"), v, typ)[1:]
		back, rest, err = DecodeValue(append(plain, 1, 2), typ)
		if err != nil || !Equal(v, back, typ) || len(rest) != 2 || math.Signbit(v.F) != math.Signbit(back.F) {
			r.Fatalf("%s value %x reads as %+v: %v", typ, plain, back, err)
		}
		if v.State != Error {
			vec := vectorOf(typ, v)
			if got := AppendKeyVec(nil, vec, 0); !bytes.Equal(got, key) || !Equal(vec.Value(0), v, typ) {
				r.Fatalf("%s: vector key %x, value key %x", typ, got, key)
			}
		}
	})
}

// vectorOf makes a vector of one value.
func vectorOf(t Type, v Value) *Vector {
	vec := &Vector{Type: t, Null: []bool{v.IsNull()}}
	switch t.Physical() {
	case F64:
		vec.F64 = []float64{v.F}
	case Dec:
		vec.Dec = []Int128{v.D}
	case Str:
		vec.Str = []string{v.S}
	default:
		vec.I64 = []int64{v.I}
	}
	return vec
}

func TestSmallKeysAreShort(t *testing.T) {
	for _, c := range []struct {
		v, size int64
	}{{0, 1}, {-16, 1}, {127, 1}, {128, 2}, {20095, 2}, {-17, 2}, {100_000, 4}, {math.MaxInt64, 9}, {math.MinInt64, 9}} {
		if got := len(AppendKey(nil, Int(c.v), Of(Bigint))); got != int(c.size) {
			t.Errorf("%d takes %d bytes, want %d", c.v, got, c.size)
		}
	}
	if got := len(AppendValue(nil, Float(1.5), Of(Double))); got != 3 {
		t.Errorf("1.5 takes %d bytes as a value", got)
	}
}

func FuzzDecodeKey(f *testing.F) {
	for _, t := range keyTypes {
		f.Add(AppendKey(nil, NullValue, t), byte(t.Kind))
		f.Add([]byte{0x08, 0xa0, 0, 1, 1, 0xfd, 2, 0, 0}, byte(t.Kind))
	}
	f.Fuzz(func(t *testing.T, src []byte, kind byte) {
		typ := keyTypes[int(kind)%len(keyTypes)]
		if v, rest, err := DecodeKey(src, typ); err == nil {
			if enc := AppendKey(nil, v, typ); !bytes.Equal(enc, src[:len(src)-len(rest)]) {
				t.Fatalf("%s key %x reads as %+v, whose key is %x", typ, src, v, enc)
			}
		}
		if v, rest, err := DecodeValue(src, typ); err == nil {
			if enc := AppendValue(nil, v, typ); !bytes.Equal(enc, src[:len(src)-len(rest)]) {
				t.Fatalf("%s value %x reads as %+v, which is written %x", typ, src, v, enc)
			}
		}
		DecodeKeyDesc(src, typ)
		SkipKey(src, typ)
	})
}

func BenchmarkAppendKeyVec(b *testing.B) {
	for _, c := range []struct {
		t Type
		v Value
	}{
		{Of(Bigint), Int(80)}, {Of(Bigint), Int(99_999)}, {Of(Varchar), Text("EPE")}, {Of(Double), Float(1.5)}, {DecimalType(12, 2), Dec128(Int128FromInt64(5100))},
	} {
		b.Run(fmt.Sprintf("%s/%d", c.t, len(AppendKey(nil, c.v, c.t))), func(b *testing.B) {
			vec := vectorOf(c.t, c.v)
			buf := make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendKeyVec(buf[:0], vec, 0)
			}
		})
	}
}
