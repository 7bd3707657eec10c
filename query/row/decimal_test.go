package row

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anyNumber draws the text of a number, plain or with an exponent.
var anyNumber = rapid.StringMatching(`[+-]?([0-9]{1,25}|[0-9]{0,22}\.[0-9]{1,24}|[0-9]{1,5}\.)(e[+-]?[0-9]{1,2})?`)

// wantDecimal is ParseDecimal over big.Rat; nil for an error.
func wantDecimal(s string, precision, scale int, round bool) *big.Int {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil
	}
	r.Mul(r, new(big.Rat).SetInt(Pow10(scale).big()))
	if !r.IsInt() && !round {
		return nil
	}
	v := bigDivRound(r.Num(), r.Denom())
	if new(big.Int).Abs(v).Cmp(Pow10(precision).big()) >= 0 {
		return nil
	}
	return v
}

func TestParseDecimalAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyNumber.Draw(t, "s")
		precision := rapid.IntRange(1, 38).Draw(t, "precision")
		scale := rapid.IntRange(0, precision).Draw(t, "scale")
		round := rapid.Bool().Draw(t, "round")
		want := wantDecimal(s, precision, scale, round)
		got, err := ParseDecimal(s, precision, scale, round)
		if (err != nil) != (want == nil) || err == nil && got.big().Cmp(want) != 0 {
			t.Fatalf("%s = %s, %v, want %v", s, got.big(), err, want)
		}
	})
}

func TestFormatDecimalReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDecimal.Draw(t, "d")
		scale := rapid.IntRange(0, 38).Draw(t, "scale")
		s := string(FormatDecimal(nil, d, scale))
		if back, err := ParseDecimal(s, 38, scale, false); err != nil || back != d {
			t.Fatalf("%s reads as %s: %v", s, back.big(), err)
		}
		want := new(big.Rat).SetFrac(d.big(), Pow10(scale).big())
		if s != want.FloatString(scale) {
			t.Fatalf("%s, want %s", s, want.FloatString(scale))
		}
		f, _ := strconv.ParseFloat(s, 64)
		if got := DecimalToFloat(d, scale); got != f {
			t.Fatalf("%s as DOUBLE is %v, want %v", s, got, f)
		}
		to := rapid.IntRange(0, 38).Draw(t, "to")
		moved := new(big.Int).Mul(d.big(), Pow10(max(0, to-scale)).big())
		moved = bigDivRound(moved, Pow10(max(0, scale-to)).big())
		v, over := Rescale(d, scale, to)
		if over == fits128(moved) || !over && v.big().Cmp(moved) != 0 {
			t.Fatalf("scale %d to %d: %s, want %s", scale, to, v.big(), moved)
		}
	})
}

func TestDecimalFromFloat(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0.1, "0.100"}, {2.0005, "2.001"}, {-2.0005, "-2.001"}, {1e15, "1000000000000000.000"}, {math.Copysign(0, -1), "0.000"}, {1e-300, "0.000"},
		{1e30, `"1e+30" does not fit DECIMAL(20,3)`}, {math.NaN(), "NaN is not a DECIMAL"}, {math.Inf(-1), "-Infinity is not a DECIMAL"},
	} {
		d, err := DecimalFromFloat(c.f, 20, 3)
		got := string(FormatDecimal(nil, d, 3))
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.f, got, c.want)
		}
	}
}

func TestDecimalLengths(t *testing.T) {
	long := strings.Repeat("0", 1<<20)
	for _, s := range []string{long + "1.5" + long, "0" + "." + long + "e" + long + "5", "0e999999999999999999999", "1e-999999999999999999999"} {
		if _, err := ParseDecimal(s, 5, 2, true); err != nil {
			t.Errorf("%.20s…: %v", s, err)
		}
	}
	for _, s := range []string{"1" + long, "1e" + strings.Repeat("9", 40)} {
		if _, err := ParseDecimal(s, 5, 2, true); err == nil || len(err.Error()) > 100 {
			t.Errorf("%.20s…: %v", s, err)
		}
	}
}

func TestRowPathDoesNotAllocate(t *testing.T) {
	vec := &Vector{Type: DecimalType(12, 2), Dec: []Int128{Int128FromInt64(5100)}}
	var x Int256
	var sum ExactFloat
	sum.Add(1.5)
	buf := make([]byte, 0, 64)
	clock, err := CompileTimeFormat("dd/MM/yyyy HH:mm", "+09:00")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"ParseDecimal":   func() { ParseDecimal("12345.67", 12, 2, false) },
		"long decimal":   func() { ParseDecimal("12345678901234567890.5e1", 38, 2, false) },
		"ParseTimestamp": func() { ParseTimestamp("2016-03-22 20:25:28.123") },
		"TimeFormat":     func() { clock.ParseText("22/03/2016 20:25") },
		"AppendKeyVec":   func() { buf = AppendKeyVec(buf[:0], vec, 0) },
		"Int256":         func() { x.AddInt128(vec.Dec[0]) },
		"Int256.Append":  func() { buf = x.Append(buf[:0]) },
		"ExactFloat":     func() { sum.Add(2.5) },
		"sum.Append":     func() { buf = sum.Append(buf[:0]) },
		"sum.Float64":    func() { sum.Float64() },
		"FormatDecimal":  func() { buf = FormatDecimal(buf[:0], vec.Dec[0], 2) },
		"DecimalToFloat": func() { DecimalToFloat(Int128{5, 5}, 7) },
		"FormatRFC3339":  func() { buf = FormatRFC3339(buf[:0], 1458678328123456) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"1.5", "-0", "12.3.4", "1e5", "+.5", "5.", "1e", "99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s, 38, 10, false)
		if err != nil {
			return
		}
		text := string(FormatDecimal(nil, d, 10))
		if back, err := ParseDecimal(text, 38, 10, false); err != nil || back != d {
			t.Fatalf("%q is %s, which reads as %s: %v", s, text, back.big(), err)
		}
	})
}

func BenchmarkParseDecimal(b *testing.B) {
	for _, s := range []string{"51.00", "1234567.89", "12345678901234567890.12"} {
		b.Run(fmt.Sprint(len(s)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseDecimal(s, 38, 2, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFormatDecimal(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = FormatDecimal(buf[:0], Int128{0, 123456789}, 2)
	}
}
