package reference

import (
	"strings"

	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// table is every row that was applied to a table.
type table struct {
	plan   *plan.Table
	rows   []applied // in the order in which they were read
	keys   []groupKey
	keyAt  map[string]int // place in keys, by the bytes of the key
	base   []base         // without a window: what came before the state that was restored
	size   int64
	adv    int64
	bucket bool // tumbling or hopping
}

// groupKey is the values of GROUP BY.
type groupKey struct {
	bytes  string // orders as the values do
	values []row.Value
}

// applied is one row of a table.
type applied struct {
	partition int32
	offset    int64
	time      int64
	enter     int64 // results as of a later time count it
	key       int   // its place in table.keys
	args      []row.Value
}

func newTable(p *plan.Table) *table {
	k := p.Window.Kind
	return &table{plan: p, keyAt: map[string]int{}, size: p.Window.Size.Microseconds(), adv: p.Window.Advance.Microseconds(),
		bucket: k == plan.Tumbling || k == plan.Hopping}
}

// lastWindowEnd is the end of the last window that holds a row of that time; false when there is
// no such end.
func (t *table) lastWindowEnd(time int64) (end int64, ends bool) {
	switch t.plan.Window.Kind {
	case plan.NoWindow:
		return 0, false
	case plan.Sliding:
		return time + t.size, true
	}
	return floor(time, t.adv) + t.size, true
}

// evaluate computes a row's group key and the arguments of the aggregates. An argument that is
// not counted (FILTER is not true) becomes NULL, which no aggregate counts; that of COUNT(*) is 1.
func (t *table) evaluate(vals []row.Value) (applied, error) {
	values := make([]row.Value, len(t.plan.Keys))
	for i, k := range t.plan.Keys {
		v, err := expr.EvalRow(k.Expr, vals)
		if err != nil {
			return applied{}, err
		}
		values[i] = kept(v)
	}
	args, err := arguments(t.plan.Aggs, vals)
	if err != nil {
		return applied{}, err
	}
	return applied{key: t.key(values), args: args}, nil
}

// arguments computes what the aggregates take from a row.
func arguments(aggs []*expr.Aggregate, vals []row.Value) ([]row.Value, error) {
	args := make([]row.Value, len(aggs))
	for i, a := range aggs {
		args[i] = row.NullValue
		if a.Filter != nil {
			v, err := expr.EvalRow(a.Filter, vals)
			if err != nil {
				return nil, err
			}
			if !isTrue(v) {
				continue
			}
		}
		if a.Arg == nil {
			args[i] = row.Int(1)
			continue
		}
		v, err := expr.EvalRow(a.Arg, vals)
		if err != nil {
			return nil, err
		}
		args[i] = kept(v)
	}
	return args, nil
}

// kept is a value that outlives the record it came from. -0 is kept as the 0 that it equals.
func kept(v row.Value) row.Value {
	v.S = strings.Clone(v.S)
	if v.F == 0 {
		v.F = 0
	}
	return v
}

func (t *table) key(values []row.Value) int {
	var b []byte
	for i, k := range t.plan.Keys {
		b = row.AppendKey(b, values[i], k.Expr.Type())
	}
	at, known := t.keyAt[string(b)]
	if !known {
		at = len(t.keys)
		t.keys = append(t.keys, groupKey{string(b), values})
		t.keyAt[string(b)] = at
	}
	return at
}
