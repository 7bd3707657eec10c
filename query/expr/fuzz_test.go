package expr

import (
	"bytes"
	"testing"

	"penstock/query/row"
)

// fuzzAggregates is one aggregate for every form of partial.
func fuzzAggregates(t testing.TB) []*Aggregate {
	t.Helper()
	var list []*Aggregate
	add := func(name string, arg Node, distinct bool) {
		a, err := NewAggregate(name, arg, distinct, nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	add("COUNT", nil, false)
	for i, typ := range []row.Type{row.Of(row.Bigint), row.DecimalType(12, 2), row.Of(row.Double), row.Of(row.Varchar), row.Of(row.Timestamp), row.Of(row.Boolean)} {
		c := Col(0, "c", typ)
		if i < 3 {
			add("SUM", c, false)
			add("AVG", c, false)
		}
		add("COUNT", c, true)
		for _, name := range []string{"MIN", "MAX", "FIRST", "LAST"} {
			add(name, c, false)
		}
	}
	return list
}

// FuzzPartial merges partials as they come from frames and from the state. What cannot be read is
// an error; what can is written as it was, and reads again to the same.
func FuzzPartial(f *testing.F) {
	aggs := fuzzAggregates(f)
	for i, a := range aggs {
		acc := a.NewAcc()
		acc.Grow(1)
		f.Add(uint8(i), acc.Encode(nil, 0))
		v := &row.Vector{I64: []int64{-7, 1 << 40}, F64: []float64{0.1, -1e300}, Dec: []row.Int128{row.Int128FromInt64(5), row.Int128FromInt64(-1)}, Str: []string{"a", ""}}
		if a.Arg != nil {
			v.Type = a.Arg.Type()
		}
		acc.Update([]int32{0, 1}, []int32{0, 0}, v, []int64{3, 4})
		f.Add(uint8(i), acc.Encode(nil, 0))
	}
	f.Fuzz(func(t *testing.T, which uint8, partial []byte) {
		a := aggs[int(which)%len(aggs)]
		acc := a.NewAcc()
		acc.Grow(2)
		rest, err := acc.Merge(0, partial)
		skipped, skipErr := a.Skip(partial)
		if err != nil {
			return
		}
		if skipErr != nil || !bytes.Equal(rest, skipped) {
			t.Fatalf("%s: merging %x leaves %x, skipping it %x, %v", a, partial, rest, skipped, skipErr)
		}
		enc := acc.Encode(nil, 0)
		if rest, err = acc.Merge(1, enc); err != nil || len(rest) != 0 {
			t.Fatalf("%s: %x is written as %x, which leaves %x: %v", a, partial, enc, rest, err)
		}
		if again := acc.Encode(nil, 1); !bytes.Equal(again, enc) {
			t.Fatalf("%s: %x is written as %x, then as %x", a, partial, enc, again)
		}
		_ = acc.Value(0)
		if a.Subtractable() {
			if _, err := acc.Subtract(0, enc); err != nil {
				t.Fatalf("%s: %x cannot be taken from itself: %v", a, enc, err)
			}
			acc.Clear(1)
			if got, want := acc.Encode(nil, 0), acc.Encode(nil, 1); !bytes.Equal(got, want) {
				t.Fatalf("%s: %x less itself is %x", a, enc, got)
			}
		}
	})
}
