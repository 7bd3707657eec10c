package row

import "fmt"

// Kind is a SQL type without its parameters.
type Kind uint8

// The kinds of the language. Unknown is the type of a bare NULL; Interval exists only
// inside expressions (a literal added to a timestamp) and is never stored.
const (
	Unknown Kind = iota
	Boolean
	Integer
	Bigint
	Double
	Decimal
	Varchar
	Timestamp
	Date
	Interval
)

// Physical is the Go representation of a kind: which slice of a Vector holds it.
type Physical uint8

// I64 holds BOOLEAN (0 or 1), INTEGER, BIGINT, TIMESTAMP (microseconds since the epoch,
// UTC), DATE (days since the epoch) and INTERVAL (microseconds; months are not kept).
const (
	I64 Physical = iota
	F64
	Dec
	Str
)

// MaxPrecision is the most digits a DECIMAL can have.
const MaxPrecision = 38

// Type is a SQL type. The zero Type is Unknown.
type Type struct {
	Kind      Kind
	Precision uint8 // DECIMAL: total digits, 1 to 38
	Scale     uint8 // DECIMAL: digits after the point, 0 to Precision
	Length    int32 // VARCHAR(n): most characters; 0 means any
}

// DecimalType returns DECIMAL(precision, scale).
func DecimalType(precision, scale int) Type {
	return Type{Kind: Decimal, Precision: uint8(precision), Scale: uint8(scale)}
}

// Of returns the type of a kind that takes no parameters.
func Of(k Kind) Type { return Type{Kind: k} }

// Physical tells which slice of a Vector, and which field of a Value, holds the type.
func (t Type) Physical() Physical {
	switch t.Kind {
	case Double:
		return F64
	case Decimal:
		return Dec
	case Varchar:
		return Str
	default:
		return I64
	}
}

// Numeric tells whether arithmetic applies to the type.
func (t Type) Numeric() bool {
	switch t.Kind {
	case Integer, Bigint, Double, Decimal:
		return true
	}
	return false
}

var kindNames = [...]string{"UNKNOWN", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE PRECISION",
	"DECIMAL", "VARCHAR", "TIMESTAMP", "DATE", "INTERVAL"}

// String returns the type as it is written in SQL.
func (t Type) String() string {
	switch {
	case t.Kind == Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case t.Kind == Varchar && t.Length > 0:
		return fmt.Sprintf("VARCHAR(%d)", t.Length)
	case int(t.Kind) < len(kindNames):
		return kindNames[t.Kind]
	}
	return fmt.Sprintf("Kind(%d)", t.Kind)
}

// Column is a named, typed column of a stream, a table or a result.
type Column struct {
	Name string
	Type Type
}
