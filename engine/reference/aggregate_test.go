package reference

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"penstock/query/expr"
	"penstock/query/row"
)

// TestSumsAgainstAccumulators checks query/expr's accumulators with the plain sums, and these with
// removals: what was added and removed again must not show.
func TestSumsAgainstAccumulators(t *testing.T) {
	types := []row.Type{row.Of(row.Integer), row.Of(row.Bigint), row.Of(row.Double), row.DecimalType(38, 0), row.DecimalType(12, 2),
		row.DecimalType(38, 38), row.Of(row.Varchar), row.Of(row.Timestamp), row.Of(row.Boolean)}
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 3))
		typ := types[rng.IntN(len(types))]
		names := []string{"COUNT", "MIN", "MAX", "FIRST", "LAST"}
		if typ.Numeric() {
			names = append(names, "SUM", "AVG")
		}
		agg, err := expr.NewAggregate(names[rng.IntN(len(names))], expr.Col(0, "x", typ), rng.IntN(3) == 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		plain, acc := newSum(agg, true), agg.NewAcc()
		acc.Grow(1)
		type pair struct {
			v    row.Value
			time int64
		}
		var gone []pair
		for range rng.IntN(30) {
			p := pair{randomValue(rng, typ), int64(rng.IntN(5))}
			plain.add(p.v, p.time)
			if rng.IntN(3) == 0 {
				gone = append(gone, p)
				continue
			}
			acc.Update([]int32{0}, []int32{0}, vector(p.v, typ), []int64{p.time})
		}
		for _, p := range gone {
			plain.remove(p.v, p.time)
		}
		got, want := plain.value(), acc.Value(0)
		if a, b := row.AppendJSON(nil, got, agg.Type), row.AppendJSON(nil, want, agg.Type); string(a) != string(b) {
			t.Errorf("seed %d: %s over %s is %s, its accumulator says %s", seed, agg, typ, a, b)
		}
	}
}

// randomValue prefers values that are often equal, and the largest ones.
func randomValue(rng *rand.Rand, typ row.Type) row.Value {
	small := int64(rng.IntN(7)) - 3
	big := rng.IntN(4) == 0
	switch typ.Kind {
	case row.Boolean:
		return row.Bool(small > 0)
	case row.Varchar:
		return row.Text(strings.Repeat("ab\x00\xff"[small&3:][:1], int(small&3)))
	case row.Double:
		if big {
			list := []float64{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e300, -1e-300, 0.1, 1 << 53}
			return row.Float(list[rng.IntN(len(list))])
		}
		return kept(row.Float(float64(small) / 3))
	case row.Decimal:
		d := row.Int128FromInt64(small)
		if big {
			d, _ = row.Pow10(int(typ.Precision)).Sub(row.Int128FromInt64(1))
			if small < 0 {
				d = d.Neg()
			}
		}
		return row.Dec128(d)
	case row.Bigint:
		if big {
			return row.Int(math.MaxInt64 + min(0, small)) // also close below it
		}
	}
	return row.Int(small)
}

func vector(v row.Value, typ row.Type) *row.Vector {
	return &row.Vector{Type: typ, I64: []int64{v.I}, F64: []float64{v.F}, Dec: []row.Int128{v.D}, Str: []string{v.S}}
}
