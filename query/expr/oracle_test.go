package expr

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"penstock/query/row"
)

// The two ways of computing share their arithmetic, so agreeing says nothing about it; here it
// is held against other implementations.

// likeSlow is LIKE by the book: each character of the pattern against each suffix of the text.
func likeSlow(s, p []rune) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	switch p[0] {
	case '%':
		return likeSlow(s, p[1:]) || len(s) > 0 && likeSlow(s[1:], p)
	case '_':
		return len(s) > 0 && likeSlow(s[1:], p[1:])
	case '\\':
		p = p[1:]
	}
	return len(s) > 0 && s[0] == p[0] && likeSlow(s[1:], p[1:])
}

func TestLikeMatchesTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	random := func(letters string, most int) string {
		var b strings.Builder
		for range rng.IntN(most + 1) {
			b.WriteString(string(pick(rng, []rune(letters)...)))
		}
		return b.String()
	}
	for range 50_000 {
		s, p := random("abß", 9), random("abß%%%__", 7)
		c, err := compileLike(p, '\\', false)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.match(s), likeSlow([]rune(s), []rune(p)); got != want {
			t.Fatalf("%q LIKE %q is %v, expected %v", s, p, got, want)
		}
	}
}

// A pattern that makes a backtracking matcher run for ever.
func TestLikeIsNotExponential(t *testing.T) {
	s := strings.Repeat("a", 100_000)
	p, err := compileLike(strings.Repeat("%a", 40)+"%b", '\\', false)
	if err != nil || p.match(s) {
		t.Fatal("matched", err)
	}
	if p, err = compileLike(strings.Repeat("%a_a", 40)+"%b%", '\\', false); err != nil || p.match(s) {
		t.Fatal("matched", err)
	}
}

// rat is the value of a DECIMAL.
func rat(d row.Int128, scale int) *big.Rat {
	r, ok := new(big.Rat).SetString(string(row.FormatDecimal(nil, d, scale)))
	if !ok {
		panic("no number")
	}
	return r
}

// TestDecimalArithmetic holds + - * / and comparison against math/big.
func TestDecimalArithmetic(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 20_000 {
		lt := row.DecimalType(38, rng.IntN(39))
		rt := row.DecimalType(38, rng.IntN(39))
		l, r := randomValue(rng, lt), randomValue(rng, rt)
		x, y := rat(l.D, int(lt.Scale)), rat(r.D, int(rt.Scale))
		a, b := Const(l, lt), Const(r, rt)
		for _, op := range []string{"+", "-", "*", "/", "<"} {
			n, err := Binary(op, a, b)
			if err != nil {
				if op != "*" || int(lt.Scale)+int(rt.Scale) <= row.MaxPrecision {
					t.Fatal(err)
				}
				continue
			}
			got, err := EvalRow(n, nil)
			if op == "<" {
				if err != nil || (got.I != 0) != (x.Cmp(y) < 0) {
					t.Fatalf("%s < %s is %v, %v", x, y, got, err)
				}
				continue
			}
			want := new(big.Rat)
			switch op {
			case "+":
				want.Add(x, y)
			case "-":
				want.Sub(x, y)
			case "*":
				want.Mul(x, y)
			default:
				if y.Sign() == 0 {
					if err != errDivisionByZero {
						t.Fatalf("%s / 0: %v", x, err)
					}
					continue
				}
				want.Quo(x, y)
			}
			checkDecimal(t, fmt.Sprintf("%s %s %s", a, op, b), got, err, want, int(n.Type().Scale))
		}
	}
}

// checkDecimal compares a result with the exact one, rounded to its scale half away from zero; one
// of more than 38 digits has to fail.
func checkDecimal(t *testing.T, what string, got row.Value, err error, want *big.Rat, scale int) {
	t.Helper()
	text := want.FloatString(scale) // rounds half away from zero
	d, perr := row.ParseDecimal(text, row.MaxPrecision, scale, false)
	switch {
	case perr != nil:
		if err == nil {
			t.Fatalf("%s is %s, expected a failure for %s", what, row.FormatDecimal(nil, got.D, scale), text)
		}
	case err != nil:
		// Operands are brought to one scale first, which may fail though the result would fit.
		if err != errDecimal {
			t.Fatalf("%s: %v", what, err)
		}
		if strings.Contains(what, " * ") || strings.Contains(what, " / ") {
			t.Fatalf("%s: %v, expected %s", what, err, text)
		}
	case got.D != d:
		t.Fatalf("%s is %s, expected %s", what, row.FormatDecimal(nil, got.D, scale), text)
	}
}

// TestRounding holds ROUND, TRUNC, FLOOR and CEIL of decimals against math/big.
func TestRounding(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range 5_000 {
		scale := rng.IntN(10)
		typ := row.DecimalType(20, scale)
		v := row.Dec128(row.Int128FromInt64(rng.Int64N(2_000_000) - 1_000_000))
		digits := rng.IntN(10) - 4
		x := rat(v.D, scale)
		pow := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(digits, -digits))), nil))
		if digits < 0 {
			pow.Inv(pow)
		}
		shifted := new(big.Rat).Mul(x, pow)
		quo, rem := new(big.Int).QuoRem(shifted.Num(), shifted.Denom(), new(big.Int))
		want := map[string]*big.Int{"TRUNC": quo}
		rounded, _ := new(big.Int).SetString(shifted.FloatString(0), 10)
		want["ROUND"] = rounded
		args := []Node{Const(v, typ), whole(int64(digits))}
		if digits == 0 {
			args = args[:1]
			want["FLOOR"], want["CEIL"] = new(big.Int).Set(quo), new(big.Int).Set(quo)
			if rem.Sign() < 0 {
				want["FLOOR"].Sub(quo, big.NewInt(1))
			}
			if rem.Sign() > 0 {
				want["CEIL"].Add(quo, big.NewInt(1))
			}
		}
		for name, w := range want {
			n := must(Call(name, args))
			got, err := EvalRow(n, nil)
			exact := new(big.Rat).Quo(new(big.Rat).SetInt(w), pow)
			if err != nil || rat(got.D, int(n.Type().Scale)).Cmp(exact) != 0 {
				t.Fatalf("%s of type %s is %v, %v; expected %s", n, n.Type(), got, err, exact)
			}
			if !got.D.FitsPrecision(int(n.Type().Precision)) {
				t.Fatalf("%s is %v, which is no %s", n, got, n.Type())
			}
		}
	}
}

// TestFieldsOfTime holds EXTRACT and DATE_TRUNC against the time package.
func TestFieldsOfTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range 20_000 {
		us := row.MinTimestamp + rng.Int64N(row.MaxTimestamp-row.MinTimestamp)
		at := time.UnixMicro(us).UTC()
		isoYear, week := at.ISOWeek()
		for name, want := range map[string]int{"year": at.Year(), "month": int(at.Month()), "day": at.Day(),
			"hour": at.Hour(), "minute": at.Minute(), "dow": int(at.Weekday()), "isodow": (int(at.Weekday())+6)%7 + 1,
			"doy": at.YearDay(), "week": week, "isoyear": isoYear, "quarter": (int(at.Month())-1)/3 + 1,
			"microseconds": at.Second()*1e6 + at.Nanosecond()/1e3} {
			got, err := EvalRow(must(Call("EXTRACT", []Node{literal(name), Const(row.Int(us), tsType)})), nil)
			if err != nil || got.D.Int64() != int64(want) {
				t.Fatalf("%s of %s is %v, %v; expected %d", name, at, got.D, err, want)
			}
		}
		y, m, d := at.Date()
		for unit, want := range map[string]time.Time{
			"day": time.Date(y, m, d, 0, 0, 0, 0, time.UTC), "month": time.Date(y, m, 1, 0, 0, 0, 0, time.UTC),
			"year": time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC), "hour": time.Date(y, m, d, at.Hour(), 0, 0, 0, time.UTC),
			"week":    time.Date(y, m, d-(int(at.Weekday())+6)%7, 0, 0, 0, 0, time.UTC),
			"quarter": time.Date(y, (m-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC),
		} {
			got, err := EvalRow(must(Call("DATE_TRUNC", []Node{literal(unit), Const(row.Int(us), tsType)})), nil)
			if err != nil || got.I != want.UnixMicro() {
				t.Fatalf("%s of %s is %s, %v; expected %s", unit, at, time.UnixMicro(got.I).UTC(), err, want)
			}
		}
	}
}

// TestText checks what cuts text never cuts a character.
func TestTextKeepsCharacters(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for range 5_000 {
		s := strings.Repeat(pick(rng, "aß", "€x", "日本", "", "🚰"), rng.IntN(4))
		from, n := rng.Int64N(20)-10, rng.Int64N(10)
		part, err := substring(s, from, n)
		if err != nil {
			t.Fatal(err)
		}
		var want []rune
		for i, r := range []rune(s) {
			if p := int64(i) + 1; p >= from && p < from+n {
				want = append(want, r)
			}
		}
		if part != string(want) {
			t.Fatalf("SUBSTRING(%q, %d, %d) is %q, expected %q", s, from, n, part, string(want))
		}
		for _, got := range []string{left(s, from), right(s, from), reverse(s), substringFrom(s, from)} {
			if !utf8.ValidString(got) {
				t.Fatalf("%q is cut in a character: %q, %d", got, s, from)
			}
		}
		if rest := int64(utf8.RuneCountInString(s)); from >= 0 && from <= rest && left(s, from)+right(s, rest-from) != s {
			t.Fatalf("LEFT and RIGHT of %q at %d do not make it", s, from)
		}
	}
}

// Each function has a golden line.
func TestEveryFunctionIsPinned(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, f := range Functions() {
		if !strings.Contains(all.String(), "("+strings.ToLower(f.Name)+" ") {
			t.Errorf("no line of testdata calls %s", f.Name)
		}
		if f.Signature == "" || f.Help == "" {
			t.Errorf("%s has no help", f.Name)
		}
	}
}
