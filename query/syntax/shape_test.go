package syntax

import "strings"

// shape prints an expression with all its parentheses.
func shape(x Expr) string {
	list := func(xs ...Expr) string {
		var out []string
		for _, x := range xs {
			out = append(out, shape(x))
		}
		return strings.Join(out, ", ")
	}
	not := func(not bool) string {
		if not {
			return "NOT "
		}
		return ""
	}
	switch x := x.(type) {
	case *Unary:
		return "(" + x.Op + " " + shape(x.X) + ")"
	case *Binary:
		return "(" + shape(x.L) + " " + x.Op + " " + shape(x.R) + ")"
	case *Is:
		return "(" + shape(x.X) + " IS " + not(x.Not) + x.What + ")"
	case *In:
		return "(" + shape(x.X) + " " + not(x.Not) + "IN [" + list(x.List...) + "])"
	case *Between:
		return "(" + shape(x.X) + " " + not(x.Not) + "BETWEEN " + shape(x.Lo) + " AND " + shape(x.Hi) + ")"
	case *Cast:
		return "cast[" + shape(x.X) + " to " + x.Type.String() + "]"
	case *Call:
		return x.Func + "[" + list(x.Args...) + "]"
	}
	return x.String()
}
