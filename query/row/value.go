package row

// State says whether a Value is there.
type State uint8

// An Error value is the result of an aggregate that cannot be represented when it is read
// (a sum of more than 38 digits); S holds the reason. It is the same on every run.
const (
	Valid State = iota
	Null
	Error
)

// Value is one cell outside the hot path: a literal, a cell of a result, a group key that is
// shown. Its type stands beside it (in a Column), and tells which field is used, as for Vector.
type Value struct {
	State State
	I     int64
	F     float64
	D     Int128
	S     string
}

// NullValue is NULL of any type.
var NullValue = Value{State: Null}

// Int, Float, Dec128, Text and Bool make valid values.
func Int(i int64) Value     { return Value{I: i} }
func Float(f float64) Value { return Value{F: f} }
func Dec128(d Int128) Value { return Value{D: d} }
func Text(s string) Value   { return Value{S: s} }
func Bool(b bool) Value {
	if b {
		return Value{I: 1}
	}
	return Value{}
}

// IsNull tells whether the value is NULL.
func (v Value) IsNull() bool { return v.State == Null }
