// Package row is what a row is made of: types, values, and the bytes they travel and rest as.
//
// A Type is a SQL type; a Value is one cell outside the hot path, a Vector a column of up to
// MaxBatch cells on it. Four Go representations carry all types (Type.Physical): int64, float64,
// Int128 and string. Who evaluates an expression or decodes a record works on vectors and
// allocates nothing per row.
//
// Numbers are exact where SQL says so. A DECIMAL is an unscaled Int128 beside the scale of its
// type; arithmetic reports overflow and never wraps (int128.go, decimal.go). Sums are kept wider
// than any value, so that the order of addition cannot matter: Int256 for integers and decimals,
// ExactFloat, a superaccumulator, for DOUBLE PRECISION. Both have one encoding per sum, whatever
// way it came about, because equal state must be equal bytes.
//
// Bytes come in two forms. A key (key.go) orders as SQL orders the values it was made from, with
// NULL last, and ends by itself, so keys of several columns are written one behind the other; it
// is short for small integers, because keys are stored with every row. A plain value
// (encoding.go) is compact and not ordered.
//
// Time is TIMESTAMP, microseconds since the epoch in UTC, years 0001 to 9999; DATE, days since the
// epoch; INTERVAL, microseconds. Parsing is strict: a date that does not exist is refused
// (timestamp.go, timeformat.go, interval.go).
//
// The package knows no clock, no disk and no network, and everything in it but an accumulator may
// be shared by goroutines.
package row
