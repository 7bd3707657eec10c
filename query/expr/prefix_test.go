package expr

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"penstock/query/row"
)

// The expressions of the golden files are in prefix form, which needs no grammar:
//
//	5  1.50  1e3  'it''s'  null  true  amount           literals and columns
//	(+ amount 1)  (and a b)  (not a)  (like s 'a%')     operators
//	(cast x decimal:12:2)  (timestamp '2016-03-22')     casts and typed literals
//	(case (c t) (c t) (else e))  (case-of x (v t))      CASE
//	(in x 1 2)  (not-in x 1 2)  (between x 1 2)  (not-between x 1 2)
//	(is-null x)  (is-not-null x)  (is-true x)  (is-not-false x)
//	(lower 'ABC')                                       everything else is a function
type sexpr struct {
	atom string
	list []sexpr
}

func readPrefix(text string, cols []goldenColumn) (Node, error) {
	rest := text
	s, err := parseSexpr(&rest)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(rest) != "" {
		return nil, fmt.Errorf("left over: %s", rest)
	}
	return build(s, cols)
}

func parseSexpr(rest *string) (sexpr, error) {
	s := strings.TrimLeft(*rest, " ")
	switch {
	case s == "":
		return sexpr{}, fmt.Errorf("unexpected end")
	case s[0] == '(':
		s = s[1:]
		out := sexpr{list: []sexpr{}}
		for {
			s = strings.TrimLeft(s, " ")
			if strings.HasPrefix(s, ")") {
				*rest = s[1:]
				return out, nil
			}
			x, err := parseSexpr(&s)
			if err != nil {
				return x, err
			}
			out.list = append(out.list, x)
		}
	case s[0] == '\'':
		for i := 1; i < len(s); i++ {
			if s[i] == '\'' {
				if strings.HasPrefix(s[i+1:], "'") {
					i++
					continue
				}
				*rest = s[i+1:]
				return sexpr{atom: s[:i+1]}, nil
			}
		}
		return sexpr{}, fmt.Errorf("open quote")
	}
	n := strings.IndexAny(s, " ()")
	if n < 0 {
		n = len(s)
	}
	*rest = s[n:]
	return sexpr{atom: s[:n]}, nil
}

func build(s sexpr, cols []goldenColumn) (Node, error) {
	if s.list == nil {
		return buildAtom(s.atom, cols)
	}
	head, rest := s.list[0].atom, s.list[1:]
	if strings.HasPrefix(head, "case") {
		return buildCase(head == "case-of", rest, cols)
	}
	if head == "cast" {
		x, err := build(rest[0], cols)
		if err != nil {
			return nil, err
		}
		t, ok := readType(rest[1].atom)
		if !ok {
			return nil, fmt.Errorf("no type %s", rest[1].atom)
		}
		return Cast(x, t)
	}
	args := make([]Node, len(rest))
	for i, r := range rest {
		var err error
		if args[i], err = build(r, cols); err != nil {
			return nil, err
		}
	}
	return buildCall(head, args)
}

func buildCall(head string, args []Node) (Node, error) {
	upper := strings.ToUpper(strings.ReplaceAll(head, "-", " "))
	switch head {
	case "in", "not-in":
		return In(args[0], args[1:], head == "not-in")
	case "between", "not-between":
		return Between(args[0], args[1], args[2], head == "not-between")
	case "is-null", "is-not-null":
		return IsNull(args[0], head == "is-not-null")
	case "is-true", "is-not-true", "is-false", "is-not-false":
		return IsBool(args[0], strings.HasSuffix(head, "true"), strings.Contains(head, "not"))
	case "like", "ilike", "not-like", "not-ilike":
		if len(args) == 3 {
			return Like(upper, args[0], args[1], args[2])
		}
		return Binary(upper, args[0], args[1])
	case "and", "or", "is-distinct-from", "is-not-distinct-from":
		return Binary(upper, args[0], args[1])
	case "not":
		return Unary("NOT", args[0])
	case "timestamp", "date", "interval":
		if v, ok := ConstValue(args[0]); ok && v.State == row.Valid && isLiteral(args[0]) {
			t, _ := readType(head)
			return Cast(args[0], t)
		}
	case "+", "-":
		if len(args) == 1 {
			return Unary(head, args[0])
		}
	}
	if head == "-" || !('a' <= head[0] && head[0] <= 'z') {
		return Binary(head, args[0], args[1])
	}
	return Call(strings.ToUpper(head), args)
}

func buildCase(hasOperand bool, rest []sexpr, cols []goldenColumn) (Node, error) {
	var op, els Node
	var whens, thens []Node
	var err error
	if hasOperand {
		if op, err = build(rest[0], cols); err != nil {
			return nil, err
		}
		rest = rest[1:]
	}
	for _, r := range rest {
		then, err := build(r.list[1], cols)
		if err != nil {
			return nil, err
		}
		if r.list[0].atom == "else" {
			els = then
			continue
		}
		when, err := build(r.list[0], cols)
		if err != nil {
			return nil, err
		}
		whens, thens = append(whens, when), append(thens, then)
	}
	return Case(op, whens, thens, els)
}

func buildAtom(a string, cols []goldenColumn) (Node, error) {
	switch {
	case a == "null":
		return Null(), nil
	case a == "true" || a == "false":
		return Const(row.Bool(a == "true"), boolType), nil
	case a[0] == '\'':
		return Const(row.Text(strings.ReplaceAll(a[1:len(a)-1], "''", "'")), textType), nil
	case a[0] >= '0' && a[0] <= '9' || a[0] == '.' || a[0] == '-' && len(a) > 1:
		return number(a)
	}
	for i, c := range cols {
		if c.Name == a {
			return Col(i, c.Name, c.Type), nil
		}
	}
	return nil, fmt.Errorf("no column %s", a)
}

// number types a literal as the language does.
func number(a string) (Node, error) {
	if strings.ContainsAny(a, "eE") {
		f, err := strconv.ParseFloat(a, 64)
		return Const(row.Float(f), doubleType), err
	}
	if dot := strings.IndexByte(a, '.'); dot >= 0 {
		scale := len(a) - dot - 1
		d, err := row.ParseDecimal(a, row.MaxPrecision, scale, false)
		return Const(row.Dec128(d), row.DecimalType(max(d.Digits(), scale, 1), scale)), err
	}
	i, err := strconv.ParseInt(a, 10, 64)
	t := bigType
	if i >= math.MinInt32 && i <= math.MaxInt32 {
		t = intType
	}
	return Const(row.Int(i), t), err
}

// readType reads decimal:12:2, varchar:5, bigint.
func readType(s string) (row.Type, bool) {
	parts := strings.Split(s, ":")
	num := func(i int) int {
		n, _ := strconv.Atoi(parts[i])
		return n
	}
	switch parts[0] {
	case "decimal":
		return row.DecimalType(num(1), num(2)), true
	case "varchar":
		t := textType
		if len(parts) > 1 {
			t.Length = int32(num(1))
		}
		return t, true
	}
	kind, ok := map[string]row.Kind{"boolean": row.Boolean, "integer": row.Integer, "bigint": row.Bigint,
		"double": row.Double, "timestamp": row.Timestamp, "date": row.Date, "interval": row.Interval}[parts[0]]
	return row.Of(kind), ok
}
