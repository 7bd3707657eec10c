package core

import (
	"penstock/query/expr"
	"penstock/query/row"
)

// skipAcc stands for the accumulator of an aggregate that a reader does not ask for: it steps over
// partials without adding them up, or without an aggregate leaves them where they are.
type skipAcc struct{ agg *expr.Aggregate }

// Merge steps over a partial.
func (a skipAcc) Merge(_ int, src []byte) ([]byte, error) {
	if a.agg == nil {
		return src, nil
	}
	return a.agg.Skip(src)
}

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

// askedAccs are the accumulators of a table's partials for a reader that wants some columns only;
// used is indexed like plan.Table.Group, nil wants all.
func askedAccs(t *foldTable, used []bool) []expr.Acc {
	accs := partialAccs(t.plan, t.counted())
	if t.trailing() {
		return accs // their entering partials are those of every aggregate
	}
	ahead := len(accs) - len(t.plan.Aggs)
	last := ahead - 1
	for i, a := range t.plan.Aggs {
		if used != nil && !used[len(t.plan.Keys)+i] {
			accs[ahead+i] = skipAcc{agg: a}
		} else {
			last = ahead + i
		}
	}
	for i := last + 1; i < len(accs); i++ {
		accs[i] = skipAcc{} // nothing is read behind it
	}
	return accs
}
