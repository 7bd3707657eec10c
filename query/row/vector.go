package row

// MaxBatch is the most rows of a Batch.
const MaxBatch = 1024

// Vector is one column of a Batch. Exactly the slice that Type.Physical names is used; it and
// Null (when not nil) are at least as long as the batch. Values at NULL positions are undefined.
// Strings may point into the records the batch was decoded from: they live as long as those do.
type Vector struct {
	Type Type
	Null []bool // nil: no NULL in this vector
	I64  []int64
	F64  []float64
	Dec  []Int128
	Str  []string
}

// IsNull tells whether position i is NULL.
func (v *Vector) IsNull(i int) bool { return v.Null != nil && v.Null[i] }

// Value returns position i as a Value.
func (v *Vector) Value(i int) Value {
	if v.IsNull(i) {
		return NullValue
	}
	switch v.Type.Physical() {
	case F64:
		return Value{F: v.F64[i]}
	case Dec:
		return Value{D: v.Dec[i]}
	case Str:
		return Value{S: v.Str[i]}
	}
	return Value{I: v.I64[i]}
}

// NewVector returns a vector with room for n values and a place for each NULL.
func NewVector(t Type, n int) *Vector {
	v := &Vector{Type: t, Null: make([]bool, n)}
	switch t.Physical() {
	case F64:
		v.F64 = make([]float64, n)
	case Dec:
		v.Dec = make([]Int128, n)
	case Str:
		v.Str = make([]string, n)
	default:
		v.I64 = make([]int64, n)
	}
	return v
}

// Set writes position i of a vector of NewVector. An Error value, which a vector cannot hold, is
// NULL there and reported.
func (v *Vector) Set(i int, x Value) (fault bool) {
	v.Null[i] = x.State != Valid
	if v.Null[i] {
		return x.State == Error
	}
	switch v.Type.Physical() {
	case F64:
		v.F64[i] = x.F
	case Dec:
		v.Dec[i] = x.D
	case Str:
		v.Str[i] = x.S
	default:
		v.I64[i] = x.I
	}
	return false
}

// Batch is up to MaxBatch rows as columns. For a stream: its columns in the order of the
// declaration, then rowtime (TIMESTAMP). A column that no expression uses is nil.
type Batch struct {
	N    int
	Cols []*Vector
}
