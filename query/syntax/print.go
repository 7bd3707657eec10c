package syntax

import (
	"strconv"
	"strings"
)

// The printer is the inverse of the parser: what it writes parses to an equal tree. It writes
// keywords in upper case, names and function names as the user wrote them, one spelling for
// each type, and parentheses only where precedence asks for them.
//
// Laid out over lines (Format) or on one line (String), the tokens are the same.

// lineWidth is the column that Format tries to stay within.
const lineWidth = 80

// printer collects text. brk is where a clause begins: a space on one line, a new line when
// laying out.
type printer struct {
	strings.Builder
	lines  bool
	indent int
}

func (p *printer) brk() {
	if !p.lines {
		p.WriteByte(' ')
		return
	}
	p.newline()
}

func (p *printer) newline() {
	p.WriteByte('\n')
	for range p.indent {
		p.WriteString("  ")
	}
}

func printed(n interface{ print(*printer) }) string {
	var p printer
	n.print(&p)
	return p.String()
}

// String prints the name, in quotes if it was written in quotes.
func (x *Ident) String() string {
	if x.Quoted {
		return `"` + strings.ReplaceAll(x.Raw, `"`, `""`) + `"`
	}
	return x.Raw
}

func (x *Ident) print(p *printer) { p.WriteString(x.String()) }

// String prints the node on one line.
func (x *CreateStream) String() string { return printed(x) }

// String prints the node on one line.
func (x *Column) String() string { return printed(x) }

// String prints the node on one line.
func (x *Check) String() string { return printed(x) }

// String prints the type.
func (x *Type) String() string { return printed(x) }

// String prints the node on one line.
func (x *Option) String() string { return printed(x) }

// String prints the node on one line.
func (x *CreateTable) String() string { return printed(x) }

// String prints the node on one line.
func (x *CreateMetric) String() string { return printed(x) }

// String prints the node on one line.
func (x *Select) String() string { return printed(x) }

// String prints the node on one line.
func (x *With) String() string { return printed(x) }

// String prints the node on one line.
func (x *Item) String() string { return printed(x) }

// String prints the node on one line.
func (x *TableName) String() string { return printed(x) }

// String prints the node on one line.
func (x *WindowCall) String() string { return printed(x) }

// String prints the node on one line.
func (x *SubSelect) String() string { return printed(x) }

// String prints the clause.
func (x *Window) String() string { return printed(x) }

// String prints the node on one line.
func (x *Order) String() string { return printed(x) }

// String prints the clause.
func (x *Emit) String() string { return printed(x) }

// String prints the statement.
func (x *Show) String() string { return printed(x) }

// String prints the statement.
func (x *Describe) String() string { return printed(x) }

// String prints the node on one line.
func (x *Explain) String() string { return printed(x) }

func (x *CreateStream) print(p *printer) {
	p.WriteString("CREATE STREAM ")
	x.Name.print(p)
	p.WriteString(" (")
	p.indent++
	n := 0
	next := func() {
		if n > 0 {
			p.WriteByte(',')
		}
		if p.lines {
			p.newline()
		} else if n > 0 {
			p.WriteByte(' ')
		}
		n++
	}
	for _, c := range x.Columns {
		next()
		c.print(p)
	}
	for _, c := range x.Checks {
		next()
		c.print(p)
	}
	p.indent--
	if p.lines {
		p.newline()
	}
	p.WriteByte(')')
	printOptions(p, x.Options)
}

func (x *Column) print(p *printer) {
	x.Name.print(p)
	p.WriteByte(' ')
	x.Type.print(p)
	if x.NotNull {
		p.WriteString(" NOT NULL")
	}
	for _, c := range x.Checks {
		p.WriteByte(' ')
		c.print(p)
	}
}

func (x *Check) print(p *printer) {
	p.WriteString("CHECK (")
	printExpr(p, x.Cond, 0)
	p.WriteByte(')')
}

func (x *Type) print(p *printer) {
	p.WriteString(x.Name)
	for i, a := range x.Args {
		p.WriteByte("(,"[min(i, 1)])
		p.WriteString(strconv.Itoa(a))
	}
	if len(x.Args) > 0 {
		p.WriteByte(')')
	}
}

func printOptions(p *printer, list []*Option) {
	if len(list) == 0 {
		return
	}
	p.WriteString(" WITH (")
	for i, o := range list {
		if i > 0 {
			p.WriteString(", ")
		}
		o.print(p)
	}
	p.WriteByte(')')
}

func (x *Option) print(p *printer) {
	x.Key.print(p)
	p.WriteString(" = ")
	printExpr(p, x.Value, 0)
}

func (x *CreateTable) print(p *printer) {
	p.WriteString("CREATE ")
	if x.View {
		p.WriteString("MATERIALIZED VIEW ")
	} else {
		p.WriteString("TABLE ")
	}
	printAsSelect(p, x.Name, x.Options, x.Query)
}

func (x *CreateMetric) print(p *printer) {
	p.WriteString("CREATE METRIC ")
	printAsSelect(p, x.Name, x.Options, x.Query)
}

func printAsSelect(p *printer, name *Ident, options []*Option, query *Select) {
	name.print(p)
	printOptions(p, options)
	p.WriteString(" AS")
	p.indent++
	p.brk()
	query.print(p)
	p.indent--
}

func (x *Select) print(p *printer) {
	for i, w := range x.With {
		if i == 0 {
			p.WriteString("WITH ")
		} else {
			p.WriteByte(',')
			p.brk()
		}
		w.print(p)
	}
	if len(x.With) > 0 {
		p.brk()
	}
	p.WriteString("SELECT")
	if x.Distinct {
		p.WriteString(" DISTINCT")
	}
	printItems(p, x.Items)
	if x.From != nil {
		p.brk()
		p.WriteString("FROM ")
		printFrom(p, x.From)
	}
	x.printClauses(p)
}

// printItems begins with the space before the first item. It gives each item its own line when all of them are too much for one.
func printItems(p *printer, items []*Item) {
	var one printer
	for i, it := range items {
		if i > 0 {
			one.WriteString(", ")
		}
		it.print(&one)
	}
	if !p.lines || one.Len() <= lineWidth-10 {
		p.WriteString(" " + one.String())
		return
	}
	p.indent++
	for i, it := range items {
		if i > 0 {
			p.WriteByte(',')
		}
		p.newline()
		it.print(p)
	}
	p.indent--
}

func (x *Select) printClauses(p *printer) {
	clause := func(word string, n interface{ print(*printer) }) {
		p.brk()
		p.WriteString(word)
		n.print(p)
	}
	if x.Window != nil {
		clause("", x.Window)
	}
	if x.Where != nil {
		clause("WHERE ", exprPrinter{x.Where})
	}
	if len(x.GroupBy) > 0 {
		p.brk()
		p.WriteString("GROUP BY ")
		printList(p, x.GroupBy)
	}
	if x.Having != nil {
		clause("HAVING ", exprPrinter{x.Having})
	}
	for i, o := range x.OrderBy {
		if i == 0 {
			clause("ORDER BY ", o)
		} else {
			p.WriteString(", ")
			o.print(p)
		}
	}
	if x.Limit != nil {
		clause("LIMIT ", exprPrinter{x.Limit})
	}
	if x.Offset != nil {
		clause("OFFSET ", exprPrinter{x.Offset})
	}
	if x.Emit != nil {
		clause("", x.Emit)
	}
}

func (x *With) print(p *printer) {
	x.Name.print(p)
	p.WriteString(" AS ")
	printSubSelect(p, x.Query)
}

func printSubSelect(p *printer, query *Select) {
	p.WriteByte('(')
	p.indent++
	if p.lines {
		p.newline()
	}
	query.print(p)
	p.indent--
	if p.lines {
		p.newline()
	}
	p.WriteByte(')')
}

func (x *Item) print(p *printer) {
	if x.Star {
		if x.Table != nil {
			x.Table.print(p)
			p.WriteByte('.')
		}
		p.WriteByte('*')
		return
	}
	printExpr(p, x.Expr, 0)
	printAlias(p, x.Alias)
}

func printAlias(p *printer, alias *Ident) {
	if alias != nil {
		p.WriteString(" AS ")
		alias.print(p)
	}
}

func printFrom(p *printer, from From) { from.(interface{ print(*printer) }).print(p) }

func (x *TableName) print(p *printer) {
	x.Name.print(p)
	printAlias(p, x.Alias)
}

func (x *WindowCall) print(p *printer) {
	if x.Slide != nil {
		p.WriteString("HOP(")
	} else {
		p.WriteString("TUMBLE(")
	}
	x.Stream.print(p)
	p.WriteString(", ")
	x.Column.print(p)
	if x.Slide != nil {
		p.WriteString(", ")
		p.WriteString(x.Slide.String())
	}
	p.WriteString(", ")
	p.WriteString(x.Size.String())
	p.WriteByte(')')
	printAlias(p, x.Alias)
}

func (x *SubSelect) print(p *printer) {
	printSubSelect(p, x.Query)
	printAlias(p, x.Alias)
}

func (x *Window) print(p *printer) {
	p.WriteString("WINDOW ")
	p.WriteString([]string{"TUMBLING", "HOPPING", "SLIDING"}[x.Kind])
	p.WriteString(" (SIZE ")
	p.WriteString(x.Size.String())
	if x.Advance != nil {
		p.WriteString(", ADVANCE BY ")
		p.WriteString(x.Advance.String())
	}
	p.WriteByte(')')
}

func (x *Order) print(p *printer) {
	printExpr(p, x.Expr, 0)
	if x.Desc {
		p.WriteString(" DESC")
	}
	p.WriteString([]string{"", " NULLS FIRST", " NULLS LAST"}[x.Nulls])
}

func (x *Emit) print(p *printer) {
	p.WriteString([]string{"EMIT FINAL", "EMIT EVERY ", "EMIT CHANGES"}[x.Kind])
	if x.Every != nil {
		p.WriteString(x.Every.String())
	}
}

func (x *Show) print(p *printer) { p.WriteString("SHOW " + x.What) }

func (x *Describe) print(p *printer) {
	p.WriteString("DESCRIBE ")
	x.Name.print(p)
}

func (x *Explain) print(p *printer) {
	p.WriteString("EXPLAIN ")
	if x.Why {
		p.WriteString("WHY ")
	}
	if x.Name != nil {
		x.Name.print(p)
		return
	}
	x.Statement.(interface{ print(*printer) }).print(p)
}
