package core

import (
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// skipAcc stands for the accumulator of an aggregate that a reader does not ask for: it steps over
// partials without adding them up.
type skipAcc struct{ agg *expr.Aggregate }

// Merge steps over a partial.
func (a skipAcc) Merge(_ int, src []byte) ([]byte, error) { return a.agg.Skip(src) }

// Value is NULL; nobody asks.
func (a skipAcc) Value(int) row.Value { return row.NullValue }

// The rest of expr.Acc has nothing to do.
func (a skipAcc) Grow(int)                                          {}
func (a skipAcc) Clear(int)                                         {}
func (a skipAcc) Reset()                                            {}
func (a skipAcc) Bytes() int                                        { return 0 }
func (a skipAcc) Update(_, _ []int32, _ *row.Vector, _ []int64)     {}
func (a skipAcc) Encode(dst []byte, _ int) []byte                   { return dst }
func (a skipAcc) Subtract(_ int, src []byte) (rest []byte, _ error) { return a.agg.Skip(src) }

// skipUnused replaces the accumulators of a table's aggregates that are not asked for.
func skipUnused(accs []expr.Acc, t *plan.Table, used []bool) {
	ahead := len(accs) - len(t.Aggs)
	for i, a := range t.Aggs {
		if used != nil && !used[len(t.Keys)+i] {
			accs[ahead+i] = skipAcc{a}
		}
	}
}
