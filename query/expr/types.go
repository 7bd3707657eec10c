package expr

import (
	"strings"

	"penstock/query/row"
)

// Frequently used types.
var (
	boolType     = row.Of(row.Boolean)
	intType      = row.Of(row.Integer)
	bigType      = row.Of(row.Bigint)
	doubleType   = row.Of(row.Double)
	textType     = row.Of(row.Varchar)
	tsType       = row.Of(row.Timestamp)
	dateType     = row.Of(row.Date)
	intervalType = row.Of(row.Interval)
)

// asDecimal returns the DECIMAL that holds every value of an exact numeric type.
func asDecimal(t row.Type) row.Type {
	switch t.Kind {
	case row.Integer:
		return row.DecimalType(10, 0)
	case row.Bigint:
		return row.DecimalType(19, 0)
	}
	return t
}

// commonDecimal is the DECIMAL with the larger scale and the larger whole part of the two. Where
// that is more than 38 digits it is capped, and a value that does not fit fails its row.
func commonDecimal(a, b row.Type) row.Type {
	scale := max(a.Scale, b.Scale)
	whole := max(a.Precision-a.Scale, b.Precision-b.Scale)
	return row.DecimalType(min(row.MaxPrecision, int(whole)+int(scale)), int(scale))
}

// common returns the type to which values of both types are cast where they meet (in CASE, IN,
// COALESCE, a comparison), and whether there is one.
func common(a, b row.Type) (row.Type, bool) {
	switch {
	case a == b, b.Kind == row.Unknown:
		return a, true
	case a.Kind == row.Unknown:
		return b, true
	case a.Kind == row.Varchar && b.Kind == row.Varchar:
		return textType, true
	case a.Numeric() && b.Numeric():
		return commonNumber(a, b), true
	case isDay(a) && isDay(b):
		return tsType, true
	}
	return row.Type{}, false
}

// isDay tells whether t is a DATE or a TIMESTAMP.
func isDay(t row.Type) bool { return t.Kind == row.Date || t.Kind == row.Timestamp }

func commonNumber(a, b row.Type) row.Type {
	switch {
	case a.Kind == row.Double || b.Kind == row.Double:
		return doubleType
	case a.Kind == row.Decimal || b.Kind == row.Decimal:
		return commonDecimal(asDecimal(a), asDecimal(b))
	case a.Kind == row.Bigint || b.Kind == row.Bigint:
		return bigType
	}
	return intType
}

// unify casts the nodes to one type. what names the place for the error: "CASE", "IN".
func unify(what string, nodes []Node) ([]Node, row.Type, error) {
	t := row.Type{}
	var first Node
	for _, n := range nodes {
		if untyped(n) {
			continue
		}
		if first == nil {
			first, t = n, n.Type()
			continue
		}
		c, ok := common(t, n.Type())
		if !ok {
			return nil, t, typeError("cast one of them, as in CAST("+n.String()+" AS "+t.String()+")",
				"%s cannot match %s with %s", what, t, n.Type())
		}
		t = c
	}
	if first == nil { // only NULLs and string literals
		t = textType
	}
	out := make([]Node, len(nodes))
	copy(out, nodes)
	for i, n := range nodes {
		if w, ok := wideLiteral(n, t); ok {
			out[i], t = w, commonDecimal(t, w.Type())
		}
	}
	for i, n := range out {
		c, err := coerce(n, t)
		if err != nil {
			return nil, t, err
		}
		out[i] = c
	}
	return out, t, nil
}

// wideLiteral reads a string literal that meets a DECIMAL with all the digits it has: rounded to
// the column's scale, price = '1.234' would find 1.23.
func wideLiteral(n Node, other row.Type) (Node, bool) {
	if !isLiteral(n) || other.Kind != row.Decimal {
		return nil, false
	}
	v, _ := constOf(n)
	text := strings.TrimSpace(v.S)
	_, fraction, _ := strings.Cut(text, ".")
	scale := len(fraction)
	if scale <= int(other.Scale) || scale > row.MaxPrecision {
		return nil, false
	}
	d, err := row.ParseDecimal(text, row.MaxPrecision, scale, false)
	if err != nil {
		return nil, false
	}
	t := row.DecimalType(max(d.Digits(), scale, 1), scale)
	return &constant{v: row.Dec128(d), typ: t, shown: n.String()}, true
}

// coerce inserts the implicit cast of n to t. The caller has made sure that there is one, or
// that n is untyped.
func coerce(n Node, t row.Type) (Node, error) {
	from := n.Type()
	if from == t {
		return n, nil
	}
	c, isConst := n.(*constant)
	switch {
	case t.Kind == row.Unknown:
		return n, nil
	case isConst && c.v.State == row.Null:
		return typedNull(t), nil
	case isConst && c.literal && t.Kind == row.Decimal && t.Precision == 0:
		return n, nil
	case from.Kind == row.Varchar && t.Kind == row.Varchar && t.Length == 0:
		return n, nil // every VARCHAR(n) is a VARCHAR
	}
	return newCast(n, t, true)
}

// wantBool coerces a condition.
func wantBool(what string, n Node) (Node, error) {
	if n.Type().Kind == row.Boolean || untyped(n) {
		return coerce(n, boolType)
	}
	return nil, typeError("compare it with something, as in "+n.String()+" <> "+zeroOf(n.Type()),
		"%s needs a BOOLEAN, found %s of type %s", what, n, n.Type())
}

func zeroOf(t row.Type) string {
	if t.Numeric() {
		return "0"
	}
	return "''"
}
