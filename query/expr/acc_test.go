package expr

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"penstock/query/row"
)

func mustAggregate(t testing.TB, name string, arg Node, distinct bool) *Aggregate {
	t.Helper()
	a, err := NewAggregate(name, arg, distinct, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// eachAggregate calls f with every aggregate over every type it takes.
func eachAggregate(t *testing.T, f func(t *testing.T, a *Aggregate, rng *rand.Rand)) {
	types := []row.Type{intType, bigType, doubleType, row.DecimalType(12, 2), row.DecimalType(38, 20), textType, boolType, tsType}
	for _, info := range Aggregates() {
		for _, typ := range types {
			for _, distinct := range []bool{false, true} {
				a, err := NewAggregate(info.Name, Col(0, "x", typ), distinct, nil)
				if err != nil || a.Distinct != distinct {
					continue
				}
				for seed := range uint64(6) {
					t.Run(fmt.Sprintf("%s/%s/seed=%d", a, typ, seed), func(t *testing.T) {
						f(t, a, rand.New(rand.NewPCG(seed, 2)))
					})
				}
			}
		}
	}
	t.Run("COUNT(*)", func(t *testing.T) {
		f(t, mustAggregate(t, "COUNT", nil, false), rand.New(rand.NewPCG(1, 2)))
	})
}

// sample is an input of an aggregate: one batch.
type sample struct {
	vec   *row.Vector
	times []int64
	n     int
}

func randomSample(rng *rand.Rand, a *Aggregate) sample {
	s := sample{n: rng.IntN(100), times: make([]int64, row.MaxBatch)}
	for i := range s.times {
		s.times[i] = rng.Int64N(12) - 4
	}
	if a.Arg == nil {
		return s
	}
	s.vec = newVector(a.Arg.Type())
	s.vec.Null = make([]bool, row.MaxBatch)
	for i := range int32(s.n) {
		x := randomValue(rng, s.vec.Type)
		if rng.IntN(5) == 0 {
			x = row.NullValue
		}
		setValue(s.vec, i, x)
	}
	return s
}

func (s sample) update(acc Acc, sel []int32, slot int32) {
	slots := make([]int32, row.MaxBatch)
	for i := range slots {
		slots[i] = slot
	}
	acc.Update(sel, slots, s.vec, s.times)
}

func upTo(n int) []int32 {
	sel := make([]int32, n)
	for i := range sel {
		sel[i] = int32(i)
	}
	return sel
}

// However rows are split over accumulators, and in whatever order those are merged, the state is
// the same, byte for byte, and its value is that of a plain computation.
func TestAccOrderDoesNotMatter(t *testing.T) {
	eachAggregate(t, func(t *testing.T, a *Aggregate, rng *rand.Rand) {
		s := randomSample(rng, a)
		whole := a.NewAcc()
		whole.Grow(1)
		s.update(whole, upTo(s.n), 0)
		want := whole.Encode(nil, 0)
		if got, exp := whole.Value(0), plainValue(a, s); !identical(got, exp, a.Type) {
			t.Fatalf("value %s, expected %s", showResult(got, a.Type, nil), showResult(exp, a.Type, nil))
		}
		for range 5 {
			order := upTo(s.n)
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			parts := 1 + rng.IntN(5)
			acc := a.NewAcc()
			acc.Grow(parts + 1)
			for k := range parts {
				lo, hi := len(order)*k/parts, len(order)*(k+1)/parts
				s.update(acc, order[lo:hi], int32(k))
			}
			var partials []byte
			for _, k := range rng.Perm(parts) {
				partials = acc.Encode(partials, k)
			}
			for rest := partials; len(rest) > 0; {
				skipped, err := a.Skip(rest)
				if err != nil {
					t.Fatal(err)
				}
				if rest, err = acc.Merge(parts, rest); err != nil || !bytes.Equal(rest, skipped) {
					t.Fatalf("merge left %d bytes, skip %d: %v", len(rest), len(skipped), err)
				}
			}
			if got := acc.Encode(nil, parts); !bytes.Equal(got, want) {
				t.Fatalf("merged %x, expected %x", got, want)
			}
			if !identical(acc.Value(parts), whole.Value(0), a.Type) {
				t.Fatal("equal states have different values")
			}
		}
	})
}

// plainValue computes the aggregate the long way, with math/big.
func plainValue(a *Aggregate, s sample) row.Value {
	if a.Arg == nil {
		return row.Int(int64(s.n))
	}
	var vals []row.Value
	var times []int64
	for i := range s.n {
		v := s.vec.Value(i)
		if v.IsNull() || a.Distinct && slices.ContainsFunc(vals, func(o row.Value) bool { return row.Equal(o, v, s.vec.Type) }) {
			continue
		}
		vals, times = append(vals, v), append(times, s.times[i])
	}
	if a.Name == "COUNT" {
		return row.Int(int64(len(vals)))
	}
	if len(vals) == 0 {
		return row.NullValue
	}
	switch a.Name {
	case "SUM", "AVG":
		if a.Type.Kind == row.Double {
			return plainFloat(a, vals)
		}
		return plainSum(a, vals)
	}
	best := 0
	for i := range vals {
		c := row.Compare(vals[i], vals[best], s.vec.Type)
		later := times[i] - times[best]
		if a.Name == "MIN" && c < 0 || a.Name == "MAX" && c > 0 ||
			a.Name == "FIRST" && (later < 0 || later == 0 && c < 0) || a.Name == "LAST" && (later > 0 || later == 0 && c < 0) {
			best = i
		}
	}
	return vals[best]
}

func plainSum(a *Aggregate, vals []row.Value) row.Value {
	sum := new(big.Int)
	t := a.Arg.Type()
	for _, v := range vals {
		d := v.D
		if t.Physical() == row.I64 {
			d = row.Int128FromInt64(v.I)
		}
		x, _ := new(big.Int).SetString(string(row.FormatDecimal(nil, d, 0)), 10)
		sum.Add(sum, x)
	}
	what := "sum"
	if a.Name == "AVG" {
		what = "average"
		n := big.NewInt(int64(len(vals)))
		scale := int64(a.Type.Scale) - int64(asDecimal(t).Scale)
		sum.Mul(sum, new(big.Int).Exp(big.NewInt(10), big.NewInt(scale), nil))
		// Half away from zero: add or take away half of n, then truncate.
		twice := new(big.Int).Mul(sum, big.NewInt(2))
		if sum.Sign() < 0 {
			twice.Sub(twice, n)
		} else {
			twice.Add(twice, n)
		}
		sum.Quo(twice, n.Mul(n, big.NewInt(2)))
	}
	d, err := row.ParseDecimal(sum.String(), row.MaxPrecision, 0, false)
	if err != nil {
		return row.Value{State: row.Error, S: what + " does not fit " + a.Type.String()}
	}
	return row.Dec128(d)
}

func plainFloat(a *Aggregate, vals []row.Value) row.Value {
	special := 0.0
	sum := new(big.Rat)
	for _, v := range vals {
		if math.IsNaN(v.F) || math.IsInf(v.F, 0) {
			special += v.F
			continue
		}
		sum.Add(sum, new(big.Rat).SetFloat64(v.F))
	}
	if special != 0 {
		return row.Float(special)
	}
	what := "sum"
	if a.Name == "AVG" {
		what = "average"
		sum.Quo(sum, big.NewRat(int64(len(vals)), 1))
	}
	f, _ := sum.Float64()
	if math.IsInf(f, 0) {
		return row.Value{State: row.Error, S: what + " does not fit DOUBLE PRECISION"}
	}
	return row.Float(f)
}

// Subtract takes out exactly what Merge or Update brought in.
func TestAccSubtract(t *testing.T) {
	eachAggregate(t, func(t *testing.T, a *Aggregate, rng *rand.Rand) {
		acc := a.NewAcc()
		acc.Grow(3)
		if !a.Subtractable() {
			if _, err := acc.Subtract(0, acc.Encode(nil, 1)); err == nil && (a.Distinct || a.Selection()) {
				t.Fatal("subtracts")
			}
			return
		}
		var parts [][]byte
		for range 8 {
			s := randomSample(rng, a)
			acc.Clear(1)
			s.update(acc, upTo(s.n), 1)
			parts = append(parts, acc.Encode(nil, 1))
		}
		keep := rng.IntN(len(parts) + 1)
		for _, k := range rng.Perm(len(parts)) {
			if _, err := acc.Merge(0, parts[k]); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range rng.Perm(len(parts)) {
			if k >= keep {
				if _, err := acc.Subtract(0, parts[k]); err != nil {
					t.Fatal(err)
				}
			} else if _, err := acc.Merge(2, parts[k]); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := acc.Encode(nil, 0), acc.Encode(nil, 2); !bytes.Equal(got, want) {
			t.Fatalf("after subtraction %x, expected %x", got, want)
		}
		if keep == 0 && !a.Empty(acc.Encode(nil, 0)) {
			t.Fatal("not empty after everything was subtracted")
		}
	})
}

// Of two partials of a selection, Better names the one that a merge keeps.
func TestAccBetter(t *testing.T) {
	eachAggregate(t, func(t *testing.T, a *Aggregate, rng *rand.Rand) {
		if !a.Selection() {
			return
		}
		acc := a.NewAcc()
		acc.Grow(3)
		for range 50 {
			var parts [2][]byte
			for k := range parts {
				s := randomSample(rng, a)
				acc.Clear(k)
				s.update(acc, upTo(min(s.n, 2)), int32(k))
				parts[k] = acc.Encode(nil, k)
			}
			if a.Empty(parts[0]) || a.Empty(parts[1]) {
				continue
			}
			acc.Clear(2)
			for _, p := range parts {
				if _, err := acc.Merge(2, p); err != nil {
					t.Fatal(err)
				}
			}
			want := parts[1]
			if a.Better(parts[0], parts[1]) {
				want = parts[0]
			}
			if a.Better(parts[0], parts[1]) && a.Better(parts[1], parts[0]) {
				t.Fatal("both are better")
			}
			if got := acc.Encode(nil, 2); !bytes.Equal(got, want) {
				t.Fatalf("merge keeps %x, Better %x of %x", got, want, parts)
			}
		}
	})
}

// Cleared slots and slots after Reset are as new, and nothing is kept of the batch.
func TestAccReuse(t *testing.T) {
	eachAggregate(t, func(t *testing.T, a *Aggregate, rng *rand.Rand) {
		acc := a.NewAcc()
		empty := func(slot int) {
			t.Helper()
			p := acc.Encode(nil, slot)
			if !a.Empty(p) {
				t.Fatalf("slot %d holds %x", slot, p)
			}
			if v := acc.Value(slot); a.Name == "COUNT" && v.I != 0 || a.Name != "COUNT" && !v.IsNull() {
				t.Fatalf("the value of nothing is %v", v)
			}
		}
		for range 3 {
			acc.Grow(2)
			acc.Grow(5)
			for slot := range 5 {
				empty(slot)
			}
			for slot := range int32(5) {
				s := randomSample(rng, a)
				s.update(acc, upTo(s.n), slot)
			}
			before := acc.Bytes()
			acc.Clear(3)
			empty(3)
			if after := acc.Bytes(); after > before || after < 0 {
				t.Fatalf("bytes went from %d to %d", before, after)
			}
			acc.Reset()
		}
	})
}

func TestAccDamagedPartial(t *testing.T) {
	eachAggregate(t, func(t *testing.T, a *Aggregate, rng *rand.Rand) {
		acc := a.NewAcc()
		acc.Grow(2)
		s := randomSample(rng, a)
		s.update(acc, upTo(s.n), 0)
		p := acc.Encode(nil, 0)
		for cut := range p {
			if _, err := acc.Merge(1, p[:cut]); err == nil {
				t.Fatalf("merged %x, the front of %x", p[:cut], p)
			}
			if _, err := a.Skip(p[:cut]); err == nil {
				t.Fatalf("skipped %x, the front of %x", p[:cut], p)
			}
		}
	})
}

func TestDistinctValues(t *testing.T) {
	a := mustAggregate(t, "COUNT", Col(0, "x", intType), true)
	acc := a.NewAcc()
	acc.Grow(1)
	vec := newVector(intType)
	copy(vec.I64, []int64{5, 300, -7, 5, 300})
	acc.Update(upTo(5), make([]int32, row.MaxBatch), vec, nil)
	var got []int64
	err := DistinctValues(acc.Encode(nil, 0), func(key []byte) {
		v, _, err := row.DecodeKey(key, intType)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v.I)
	})
	if err != nil || !slices.Equal(got, []int64{-7, 5, 300}) {
		t.Fatalf("%v, %v", got, err)
	}
}

// A small sum takes a few bytes: frames carry millions of them.
func TestPartialIsShort(t *testing.T) {
	a := mustAggregate(t, "SUM", Col(0, "x", intType), false)
	acc := a.NewAcc()
	acc.Grow(1)
	vec := newVector(intType)
	vec.I64[0] = 710
	acc.Update(upTo(1), make([]int32, row.MaxBatch), vec, nil)
	if p := acc.Encode(nil, 0); len(p) > 4 {
		t.Fatalf("%d bytes: %x", len(p), p)
	}
}

// Sums that leave 128 bits on the way come back exactly.
func TestSumSpills(t *testing.T) {
	typ := row.DecimalType(38, 0)
	a := mustAggregate(t, "SUM", Col(0, "x", typ), false)
	acc := a.NewAcc()
	acc.Grow(1)
	vec := newVector(typ)
	top, _ := row.Pow10(38).Sub(row.Int128FromInt64(1))
	for i := range 1000 {
		vec.Dec[i] = top
		if i >= 500 {
			vec.Dec[i] = top.Neg()
		}
	}
	vec.Dec[1000] = row.Int128FromInt64(42)
	slots := make([]int32, row.MaxBatch)
	acc.Update(upTo(500), slots, vec, nil)
	if v := acc.Value(0); v.State != row.Error || v.S != "sum does not fit DECIMAL(38,0)" {
		t.Fatalf("a sum of 5e40 is %v", v)
	}
	acc.Update(upTo(1001)[500:], slots, vec, nil)
	if v := acc.Value(0); v.State != row.Valid || v.D != row.Int128FromInt64(42) {
		t.Fatalf("the sum is %v, expected 42", v)
	}
}
