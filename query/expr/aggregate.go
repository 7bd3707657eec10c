package expr

import (
	"strings"

	"penstock/query/row"
)

// Aggregate is a call of an aggregate function: what it is of a group, and what it is made of.
type Aggregate struct {
	Name     string
	Arg      Node // nil: COUNT(*)
	Distinct bool
	Filter   Node     // nil: every row
	Type     row.Type // of the result
}

// aggregateTable names every aggregate.
var aggregateTable = []Info{
	{"COUNT", "COUNT(*) | COUNT([DISTINCT] x)", "how many rows, or values that are not NULL"},
	{"SUM", "SUM(number)", "the exact sum; NULL without values"},
	{"AVG", "AVG(number)", "the exact sum over the count, rounded once"},
	{"MIN", "MIN(x)", "the smallest value"},
	{"MAX", "MAX(x)", "the largest value"},
	{"FIRST", "FIRST(x)", "the value of the earliest row, the smaller one of two as early"},
	{"LAST", "LAST(x)", "the value of the latest row, the smaller one of two as late"},
}

// Aggregates lists the aggregate functions.
func Aggregates() []Info { return aggregateTable }

// IsAggregate tells whether the upper-case name is an aggregate function.
func IsAggregate(name string) bool {
	for _, a := range aggregateTable {
		if a.Name == name {
			return true
		}
	}
	return false
}

// NewAggregate types an aggregate. arg is nil for COUNT(*), filter nil without FILTER.
func NewAggregate(name string, arg Node, distinct bool, filter Node) (*Aggregate, error) {
	if !IsAggregate(name) {
		return nil, &UnknownFunction{Name: name, Similar: similar(name)}
	}
	if arg == nil && (name != "COUNT" || distinct) {
		return nil, typeError("only COUNT takes *, as in COUNT(*)", "%s needs an argument, found *", name)
	}
	a := &Aggregate{Name: name, Arg: arg, Distinct: distinct}
	var err error
	if filter != nil {
		if a.Filter, err = wantBool("FILTER", filter); err != nil {
			return nil, err
		}
	}
	if arg != nil {
		if a.Arg, err = aggregateArg(name, arg); err != nil {
			return nil, err
		}
	}
	switch name {
	case "MIN", "MAX", "FIRST", "LAST":
		a.Distinct = false // a value seen twice changes nothing
	}
	a.Type = a.resultType()
	return a, nil
}

// aggregateArg checks an argument's type and settles that of an untyped one.
func aggregateArg(name string, arg Node) (Node, error) {
	number := name == "SUM" || name == "AVG"
	if untyped(arg) {
		if number {
			return coerce(arg, doubleType)
		}
		return coerceText(arg)
	}
	if number && !arg.Type().Numeric() {
		return nil, typeError(sumHint(name, arg),
			"%s needs a number, found %s of type %s", name, arg, arg.Type())
	}
	return arg, nil
}

// sumHint says how to add up what is no number.
func sumHint(name string, arg Node) string {
	switch arg.Type().Kind {
	case row.Varchar:
		return "cast it, as in " + name + "(" + asNumber(arg) + ")"
	case row.Boolean:
		return "to count the true ones write COUNT(*) FILTER (WHERE " + arg.String() + ")"
	case row.Timestamp, row.Date:
		return "MIN, MAX, FIRST and LAST take times"
	}
	return "write " + name + "(" + asNumber(arg) + ")"
}

// asNumber is how to write a number made of x.
func asNumber(x Node) string {
	switch t := x.Type(); {
	case t.Kind == row.Varchar:
		return castText(x, bigType)
	case t.Kind == row.Boolean:
		return castText(x, intType)
	case t.Kind == row.Interval || isDay(t):
		return "EXTRACT(EPOCH FROM " + x.String() + ")"
	}
	return x.String()
}

func (a *Aggregate) resultType() row.Type {
	switch a.Name {
	case "COUNT":
		return bigType
	case "SUM", "AVG":
		t := asDecimal(a.Arg.Type())
		if t.Kind == row.Double {
			return t
		}
		if a.Name == "AVG" {
			t.Scale = max(t.Scale, divScale)
		}
		return row.DecimalType(row.MaxPrecision, int(t.Scale))
	}
	return a.Arg.Type()
}

// String returns the aggregate as SQL.
func (a *Aggregate) String() string {
	var b strings.Builder
	b.WriteString(a.Name + "(")
	if a.Distinct {
		b.WriteString("DISTINCT ")
	}
	if a.Arg == nil {
		b.WriteString("*")
	} else {
		b.WriteString(a.Arg.String())
	}
	b.WriteString(")")
	if a.Filter != nil {
		b.WriteString(" FILTER (WHERE " + a.Filter.String() + ")")
	}
	return b.String()
}

// Equal tells whether two aggregates always have the same result.
func (a *Aggregate) Equal(b *Aggregate) bool {
	return a.Name == b.Name && a.Distinct == b.Distinct && Equal(a.Arg, b.Arg) && Equal(a.Filter, b.Filter)
}

// Subtractable tells whether a partial can be taken out of a state again (Acc.Subtract): COUNT,
// SUM and AVG, unless DISTINCT.
func (a *Aggregate) Subtractable() bool {
	return !a.Distinct && (a.Name == "COUNT" || a.Name == "SUM" || a.Name == "AVG")
}

// Selection tells whether the result is one of the values (MIN, MAX, FIRST, LAST), so that of
// two partials one wins; see Better.
func (a *Aggregate) Selection() bool {
	return a.Name == "MIN" || a.Name == "MAX" || a.Name == "FIRST" || a.Name == "LAST"
}

// Acc is the accumulators of many groups, in columns indexed by slot: one slot per group. Route
// and fold use the same. It belongs to one goroutine.
type Acc interface {
	// Grow makes slots [0, n) exist; new ones are empty. It never removes one.
	Grow(n int)
	// Update adds, for each i in sel, arg[i] with row time times[i] to slots[i]; the three are
	// indexed by batch position. arg is nil for COUNT(*). NULLs are left out here; FILTER was
	// applied to sel by the caller. Nothing of arg is kept.
	Update(sel, slots []int32, arg *row.Vector, times []int64)
	// Encode appends the partial of a slot: self-delimiting, and the same bytes for the same
	// state whatever order it was built in. An empty slot has one too.
	Encode(dst []byte, slot int) []byte
	// Merge adds the partial at the front of src to a slot, and returns what follows it.
	Merge(slot int, src []byte) (rest []byte, err error)
	// Subtract takes out a partial that was merged (or updated) in before: its exact inverse. Only
	// for a Subtractable aggregate.
	Subtract(slot int, src []byte) (rest []byte, err error)
	// Value is the result for a slot. A sum that does not fit its type is an Error value.
	Value(slot int) row.Value
	// Clear empties a slot. Reset removes all slots and keeps the memory.
	Clear(slot int)
	Reset()
	// Bytes is the memory in use beyond the fixed-size columns, roughly.
	Bytes() int
}

// Values writes the values of slots [0, n) into a vector of row.NewVector. An Error value is NULL
// there and marked in faulty.
func Values(a Acc, v *row.Vector, n int, faulty []bool) {
	if a, ok := a.(interface {
		values(v *row.Vector, n int) bool
	}); ok && a.values(v, n) {
		return
	}
	for i := range n {
		faulty[i] = v.Set(i, a.Value(i)) || faulty[i]
	}
}
