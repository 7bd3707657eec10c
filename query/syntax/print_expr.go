package syntax

import "strings"

// Precedence of operators, PostgreSQL's: a higher one binds tighter.
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs
	precCompare // does not chain
	precMatch   // LIKE, IN, BETWEEN; does not chain
	precConcat
	precSum
	precProduct
	precSign
	precCast
	precPrimary
)

var binaryPrec = map[string]int{
	"OR": precOr, "AND": precAnd,
	"IS DISTINCT FROM": precIs, "IS NOT DISTINCT FROM": precIs,
	"=": precCompare, "<>": precCompare, "<": precCompare, "<=": precCompare, ">": precCompare, ">=": precCompare,
	"LIKE": precMatch, "NOT LIKE": precMatch, "ILIKE": precMatch, "NOT ILIKE": precMatch,
	"||": precConcat, "+": precSum, "-": precSum, "*": precProduct, "/": precProduct, "%": precProduct,
}

func precOf(x Expr) int {
	switch x := x.(type) {
	case *Binary:
		return binaryPrec[x.Op]
	case *Unary:
		if x.Op == "NOT" {
			return precNot
		}
		return precSign
	case *Is:
		return precIs
	case *In, *Between:
		return precMatch
	case *Cast:
		if x.Short {
			return precCast
		}
	}
	return precPrimary
}

// exprPrinter prints an expression where any precedence is welcome.
type exprPrinter struct{ x Expr }

func (e exprPrinter) print(p *printer) { printExpr(p, e.x, 0) }

// printExpr puts x in parentheses when it binds looser than its place asks for.
func printExpr(p *printer, x Expr, prec int) {
	if precOf(x) < prec {
		p.WriteByte('(')
		defer p.WriteByte(')')
	}
	x.(interface{ print(*printer) }).print(p)
}

func printList(p *printer, list []Expr) {
	for i, x := range list {
		if i > 0 {
			p.WriteString(", ")
		}
		printExpr(p, x, 0)
	}
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// String prints the expression.
func (x *ColumnRef) String() string { return printed(x) }

// String prints the literal in quotes.
func (x *String) String() string { return quoted(x.Value) }

// String prints the literal as written.
func (x *Number) String() string { return x.Text }

// String prints the literal.
func (x *Bool) String() string { return printed(x) }

// String prints the literal.
func (x *Null) String() string { return "NULL" }

// String prints the literal in the form it was written in.
func (x *Interval) String() string { return printed(x) }

// String prints the literal.
func (x *TimeLiteral) String() string { return printed(x) }

// String prints the expression.
func (x *Unary) String() string { return printed(x) }

// String prints the expression.
func (x *Binary) String() string { return printed(x) }

// String prints the expression.
func (x *Is) String() string { return printed(x) }

// String prints the expression.
func (x *In) String() string { return printed(x) }

// String prints the expression.
func (x *Between) String() string { return printed(x) }

// String prints the expression.
func (x *Case) String() string { return printed(x) }

// String prints the branch.
func (x *When) String() string { return printed(x) }

// String prints the expression in the form it was written in.
func (x *Cast) String() string { return printed(x) }

// String prints the expression in the form it was written in.
func (x *Call) String() string { return printed(x) }

func (x *ColumnRef) print(p *printer) {
	if x.Table != nil {
		x.Table.print(p)
		p.WriteByte('.')
	}
	x.Name.print(p)
}

func (x *String) print(p *printer) { p.WriteString(x.String()) }
func (x *Number) print(p *printer) { p.WriteString(x.Text) }
func (x *Null) print(p *printer)   { p.WriteString("NULL") }

func (x *Bool) print(p *printer) {
	if x.Value {
		p.WriteString("TRUE")
	} else {
		p.WriteString("FALSE")
	}
}

func (x *Interval) print(p *printer) {
	if x.Short {
		p.WriteString(x.Text)
	} else {
		p.WriteString("INTERVAL " + quoted(x.Text))
	}
}

func (x *TimeLiteral) print(p *printer) { p.WriteString(x.Type + " " + quoted(x.Text)) }

func (x *Unary) print(p *printer) {
	if x.Op == "NOT" {
		p.WriteString("NOT ")
		printExpr(p, x.X, precNot)
		return
	}
	// A sign right behind a sign would be read as a comment.
	p.WriteString(x.Op)
	printExpr(p, x.X, precCast)
}

func (x *Binary) print(p *printer) {
	prec := binaryPrec[x.Op]
	left, right := prec, prec+1
	if prec == precIs || prec == precCompare || prec == precMatch {
		left = prec + 1
	}
	printExpr(p, x.L, left)
	p.WriteString(" " + x.Op + " ")
	printExpr(p, x.R, right)
}

func (x *Is) print(p *printer) {
	printExpr(p, x.X, precIs+1)
	p.WriteString(" IS ")
	if x.Not {
		p.WriteString("NOT ")
	}
	p.WriteString(x.What)
}

func (x *In) print(p *printer) {
	printExpr(p, x.X, precMatch+1)
	if x.Not {
		p.WriteString(" NOT")
	}
	p.WriteString(" IN (")
	printList(p, x.List)
	p.WriteByte(')')
}

func (x *Between) print(p *printer) {
	printExpr(p, x.X, precMatch+1)
	if x.Not {
		p.WriteString(" NOT")
	}
	p.WriteString(" BETWEEN ")
	printExpr(p, x.Lo, precMatch+1)
	p.WriteString(" AND ")
	printExpr(p, x.Hi, precMatch+1)
}

func (x *Case) print(p *printer) {
	p.WriteString("CASE")
	if x.Operand != nil {
		p.WriteByte(' ')
		printExpr(p, x.Operand, 0)
	}
	for _, w := range x.Whens {
		p.WriteByte(' ')
		w.print(p)
	}
	if x.Else != nil {
		p.WriteString(" ELSE ")
		printExpr(p, x.Else, 0)
	}
	p.WriteString(" END")
}

func (x *When) print(p *printer) {
	p.WriteString("WHEN ")
	printExpr(p, x.Cond, 0)
	p.WriteString(" THEN ")
	printExpr(p, x.Then, 0)
}

func (x *Cast) print(p *printer) {
	if x.Short {
		printExpr(p, x.X, precCast)
		p.WriteString("::")
		x.Type.print(p)
		return
	}
	p.WriteString("CAST(")
	printExpr(p, x.X, 0)
	p.WriteString(" AS ")
	x.Type.print(p)
	p.WriteByte(')')
}

func (x *Call) print(p *printer) {
	x.Name.print(p)
	p.WriteByte('(')
	switch x.Form {
	case CallExtract:
		p.WriteString(plainOrQuoted(x.Args[0].(*String).Value) + " FROM ")
		printExpr(p, x.Args[1], 0)
	case CallSubstring:
		for i, a := range x.Args {
			p.WriteString([]string{"", " FROM ", " FOR "}[i])
			printExpr(p, a, 0)
		}
	case CallTrim:
		x.printTrim(p)
	case CallPosition:
		printExpr(p, x.Args[0], precConcat)
		p.WriteString(" IN ")
		printExpr(p, x.Args[1], precConcat)
	default:
		if x.Distinct {
			p.WriteString("DISTINCT ")
		}
		if x.Star {
			p.WriteByte('*')
		}
		printList(p, x.Args)
	}
	p.WriteByte(')')
	if x.Filter != nil {
		p.WriteString(" FILTER (WHERE ")
		printExpr(p, x.Filter, 0)
		p.WriteByte(')')
	}
}

func (x *Call) printTrim(p *printer) {
	p.WriteString(map[string]string{"LTRIM": "LEADING ", "RTRIM": "TRAILING ", "TRIM": "BOTH "}[x.Func])
	if len(x.Args) > 1 {
		printExpr(p, x.Args[1], 0)
		p.WriteByte(' ')
	}
	p.WriteString("FROM ")
	printExpr(p, x.Args[0], 0)
}

// plainOrQuoted prints the field of EXTRACT: a word, or a text if it is none.
func plainOrQuoted(s string) string {
	if nameLength(s) != len(s) || s == "" || keywords[upperASCII(s)] == classReserved {
		return quoted(s)
	}
	return s
}
