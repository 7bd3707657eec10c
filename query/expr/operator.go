package expr

import (
	"penstock/query/row"
)

// Unary returns op x, for op "-", "+" and "NOT".
func Unary(op string, x Node) (Node, error) {
	if op == "NOT" {
		x, err := wantBool("NOT", x)
		if err != nil {
			return nil, err
		}
		return newApply(opNot, boolType, x), nil
	}
	if x.Type().Kind == row.Unknown {
		return x, nil
	}
	if isLiteral(x) {
		var err error
		if x, err = coerce(x, doubleType); err != nil {
			return nil, err
		}
	}
	t := x.Type()
	if !t.Numeric() && t.Kind != row.Interval {
		return nil, typeError("write "+op+asNumber(x),
			"operator %s needs a number, found %s of type %s", op, x, t)
	}
	if op == "+" {
		return x, nil
	}
	if c, ok := x.(*constant); ok && c.v.State == row.Valid {
		if v, err := negate(t)(c.v); err == nil {
			return &constant{v: v, typ: t}, nil
		}
	}
	return newApply(opNeg, t, x), nil
}

// And is what holds when two conditions do, which are BOOLEAN; a nil one always holds.
func And(a, b Node) Node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both, err := newLogic("AND", a, b)
	if err != nil { // of conditions that no binder has seen
		panic(err)
	}
	return both
}

// Binary returns l op r, for op one of + - * / % || = <> < <= > >= AND OR LIKE ILIKE NOT LIKE,
// NOT ILIKE, IS DISTINCT FROM and IS NOT DISTINCT FROM.
func Binary(op string, l, r Node) (Node, error) {
	switch op {
	case "AND", "OR":
		return newLogic(op, l, r)
	case "!=":
		return newCompare("<>", l, r)
	case "=", "<>", "<", "<=", ">", ">=":
		return newCompare(op, l, r)
	case "IS DISTINCT FROM", "IS NOT DISTINCT FROM":
		return newDistinct(op, l, r)
	case "||":
		return newConcat(l, r)
	case "LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE":
		return newLike(op, l, r)
	case "+", "-", "*", "/", "%":
		return newArith(op, l, r)
	}
	return nil, typeError("operators are + - * / % || = <> < <= > >= AND OR LIKE", "unknown operator %s", op)
}

// newArith types an arithmetic operator as PostgreSQL does.
func newArith(op string, l, r Node) (Node, error) {
	l, r, err := adaptArith(op, l, r)
	if err != nil {
		return nil, err
	}
	lt, rt := l.Type(), r.Type()
	if lt.Kind == row.Unknown && rt.Kind == row.Unknown {
		return typedNull(intType), nil
	}
	if lt.Numeric() && rt.Numeric() {
		return newNumberOp(op, l, r)
	}
	if n, err := newTimeOp(op, l, r); n != nil || err != nil {
		return n, err
	}
	return nil, typeError(arithHint(op, l, r), "no operator %s for %s and %s", op, lt, rt)
}

func arithHint(op string, l, r Node) string {
	lt, rt := l.Type(), r.Type()
	switch {
	case op == "+" && lt.Kind == row.Varchar && rt.Kind == row.Varchar:
		return "to join text write " + l.String() + " || " + r.String()
	case lt.Kind == row.Varchar && rt.Numeric():
		return "write CAST(" + l.String() + " AS " + rt.String() + ")"
	case rt.Kind == row.Varchar && lt.Numeric():
		return "write CAST(" + r.String() + " AS " + lt.String() + ")"
	case isDay(lt) && rt.Numeric() || isDay(rt) && lt.Numeric():
		return "add an INTERVAL to a TIMESTAMP, as in ts + INTERVAL '5 seconds'"
	}
	return "it works on two numbers, or on a time and an INTERVAL"
}

// adaptArith gives untyped operands the type that the other side asks for.
func adaptArith(op string, l, r Node) (Node, Node, error) {
	if w, ok := wideLiteral(l, r.Type()); ok {
		l = w
	} else if w, ok := wideLiteral(r, l.Type()); ok {
		r = w
	}
	lu, ru := untyped(l), untyped(r)
	var err error
	switch {
	case lu && ru:
		if isLiteral(l) && isLiteral(r) {
			return nil, nil, typeError("say which, as in CAST("+l.String()+" AS BIGINT)",
				"operator %s between two strings has no type", op)
		}
		if isLiteral(l) {
			l, err = coerce(l, doubleType)
		} else if isLiteral(r) {
			r, err = coerce(r, doubleType)
		}
	case lu:
		l, err = coerce(l, otherSide(op, r.Type()))
	case ru:
		r, err = coerce(r, otherSide(op, l.Type()))
	}
	return l, r, err
}

// otherSide is the type an untyped operand takes beside one of type t: its own, but time + '…'
// means an interval, and interval * '…' a number.
func otherSide(op string, t row.Type) row.Type {
	switch {
	case op == "+" && isDay(t):
		return intervalType
	case (op == "*" || op == "/") && t.Kind == row.Interval:
		return doubleType
	case t.Kind == row.Varchar:
		return textType
	}
	return t
}
