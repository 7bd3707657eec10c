package expr

import (
	"strconv"
	"strings"

	"penstock/query/row"
)

// Precedence of PostgreSQL's operators, loosest first; what has a lower one than its place asks
// for is put in parentheses.
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs
	precCompare
	precLike // also IN, BETWEEN
	precOther
	precAdd
	precMul
	precUnary
	precAtom
)

// operand prints n where at least the given precedence is needed.
func operand(n Node, least int) string {
	if n.prec() < least {
		return "(" + n.String() + ")"
	}
	return n.String()
}

func (n *column) String() string {
	if plainName(n.name) || strings.Contains(n.name, "(") {
		return n.name // an aggregate's column is named as the aggregate prints
	}
	return `"` + strings.ReplaceAll(n.name, `"`, `""`) + `"`
}

// plainName tells whether a name reads back as itself without quotes. Qualified names count.
func plainName(s string) bool {
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r == '_':
		case i > 0 && (r >= '0' && r <= '9' || r == '$' || r == '.'):
		default:
			return false
		}
	}
	return s != ""
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (n *constant) String() string {
	switch {
	case n.shown != "":
		return n.shown
	case n.v.State == row.Null:
		return "NULL"
	case n.v.State == row.Error:
		return "ERROR " + quote(n.v.S)
	}
	switch n.typ.Kind {
	case row.Varchar:
		return quote(n.v.S)
	case row.Boolean:
		if n.v.I != 0 {
			return "TRUE"
		}
		return "FALSE"
	case row.Double:
		s := strconv.FormatFloat(n.v.F, 'g', -1, 64)
		if strings.ContainsAny(s, "IN") {
			return "CAST('" + string(row.FormatValue(nil, n.v, n.typ)) + "' AS DOUBLE PRECISION)"
		}
		if !strings.Contains(s, "e") {
			s += "e0" // without it the text is a DECIMAL
		}
		return s
	case row.Timestamp, row.Date, row.Interval:
		return n.typ.String() + " '" + string(row.FormatValue(nil, n.v, n.typ)) + "'"
	}
	return string(row.FormatValue(nil, n.v, n.typ))
}
