package syntax

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// generator draws trees of every kind of node. Whatever it draws can be written in the language.
type generator struct {
	t     *rapid.T
	depth int
}

func (g *generator) n(label string, most int) int { return rapid.IntRange(0, most).Draw(g.t, label) }
func (g *generator) flip(label string) bool       { return rapid.Bool().Draw(g.t, label) }

func pick[T any](g *generator, list ...T) T { return rapid.SampledFrom(list).Draw(g.t, "pick") }

func many[T any](g *generator, least, most int, f func() T) []T {
	var out []T
	for range least + g.n("many", most-least) {
		out = append(out, f())
	}
	return out
}

func maybe[T any](g *generator, f func() T) T {
	var none T
	if g.flip("maybe") {
		return f()
	}
	return none
}

func (g *generator) ident() *Ident {
	if g.n("quoted", 4) == 0 {
		s := pick(g, "Odd Name", `a"b`, "select", "lower", "Ü", "'", "--x", ";")
		return &Ident{Name: s, Raw: s, Quoted: true}
	}
	raw := pick(g, "a", "B", "Client_ID", "x1", "_y", "ünï", "a$b", "time", "DATE", "timestamp", "interval", "size", "emit", "Filter",
		"between", "over", "first", "nulls", "by", "every", "final", "tumble", "stream", "why", "show", "e", "left", "trim", "extract")
	return &Ident{Name: Fold(raw), Raw: raw}
}

func (g *generator) text() string {
	return pick(g, "", "x", "it's", "a\nb", `back\slash`, "\"", "-- no comment", "/*", "é€", ";")
}

func (g *generator) interval() *Interval {
	if g.flip("short") {
		return &Interval{Text: pick(g, "5", "60", "1.5") + " " + pick(g, units...), Short: true}
	}
	return g.longInterval()
}

func (g *generator) longInterval() *Interval {
	return &Interval{Text: pick(g, "5 seconds", "1 hour 30 minutes", "")}
}

func (g *generator) number() *Number {
	kind := pick(g, Integer, Decimal, Double)
	return &Number{Text: [][]string{{"0", "1", "42"}, {"1.5", ".5", "7."}, {"1e5", "2.5E-3", ".5e+1"}}[kind][g.n("digits", 2)], Kind: kind}
}

func (g *generator) typ() *Type {
	name := pick(g, "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE PRECISION", "DECIMAL", "VARCHAR", "TEXT", "TIMESTAMP", "DATE", "INTERVAL")
	t := &Type{Name: name}
	for range g.n("args", map[string]int{"DECIMAL": 2, "VARCHAR": 1}[name]) {
		t.Args = append(t.Args, g.n("arg", 38))
	}
	return t
}

func (g *generator) leaf() Expr {
	switch g.n("leaf", 8) {
	case 0:
		return &String{Value: g.text()}
	case 1:
		return g.number()
	case 2:
		return &Bool{Value: g.flip("bool")}
	case 3:
		return &Null{}
	case 4:
		return g.longInterval()
	case 5:
		return &TimeLiteral{Type: pick(g, "TIMESTAMP", "DATE"), Text: g.text()}
	case 6:
		return &ColumnRef{Table: g.ident(), Name: g.ident()}
	}
	return &ColumnRef{Name: g.ident()}
}

func (g *generator) expr() Expr {
	if g.depth >= 5 {
		return g.leaf()
	}
	g.depth++
	defer func() { g.depth-- }()
	switch g.n("expr", 10) {
	case 0, 1, 2:
		ops := strings.Split("OR,AND,IS DISTINCT FROM,IS NOT DISTINCT FROM,=,<>,<,<=,>,>=,LIKE,NOT LIKE,ILIKE,NOT ILIKE,||,+,-,*,/,%", ",")
		return &Binary{Op: pick(g, ops...), L: g.expr(), R: g.expr()}
	case 3:
		return &Unary{Op: pick(g, "-", "+", "NOT"), X: g.expr()}
	case 4:
		return &Is{X: g.expr(), Not: g.flip("not"), What: pick(g, "NULL", "TRUE", "FALSE", "UNKNOWN")}
	case 5:
		return &In{X: g.expr(), Not: g.flip("not"), List: many(g, 1, 3, g.expr)}
	case 6:
		return &Between{X: g.expr(), Not: g.flip("not"), Lo: g.expr(), Hi: g.expr()}
	case 7:
		when := func() *When { return &When{Cond: g.expr(), Then: g.expr()} }
		return &Case{Operand: maybe(g, g.expr), Whens: many(g, 1, 2, when), Else: maybe(g, g.expr)}
	case 8:
		return &Cast{X: g.expr(), Type: g.typ(), Short: g.flip("short")}
	case 9:
		return g.call()
	}
	return g.leaf()
}

func (g *generator) call() Expr {
	name := func(s string) *Ident { return &Ident{Name: Fold(s), Raw: s} }
	switch g.n("call", 6) {
	case 0:
		return &Call{Name: name("Extract"), Func: "EXTRACT", Form: CallExtract, Args: []Expr{&String{Value: pick(g, "hour", "select", "odd one", "")}, g.expr()}}
	case 1:
		return &Call{Name: name("substring"), Func: "SUBSTRING", Form: CallSubstring, Args: many(g, 2, 3, g.expr)}
	case 2:
		return &Call{Name: name("TRIM"), Func: pick(g, "TRIM", "LTRIM", "RTRIM"), Form: CallTrim, Args: many(g, 1, 2, g.expr)}
	case 3:
		return &Call{Name: name("POSITION"), Func: "POSITION", Form: CallPosition, Args: many(g, 2, 2, g.expr)}
	case 4:
		return &Call{Name: name("COUNT"), Func: "COUNT", Star: true, Filter: maybe(g, g.expr)}
	}
	f := pick(g, "sum", "Lower", "TRIM", "left")
	c := &Call{Name: name(f), Func: strings.ToUpper(f), Args: many(g, 1, 3, g.expr), Distinct: g.flip("distinct"), Filter: maybe(g, g.expr)}
	if f == "TRIM" {
		c.Distinct, c.Filter = false, nil
	}
	return c
}

func (g *generator) sel() *Select {
	g.depth++
	defer func() { g.depth-- }()
	whole := func() *Number { return &Number{Text: pick(g, "0", "5")} }
	with := func() *With { return &With{Name: g.ident(), Query: g.sel()} }
	s := &Select{
		Distinct: g.flip("distinct"), Items: many(g, 1, 4, g.item), From: g.from(), Window: maybe(g, g.window),
		Where: maybe(g, g.expr), GroupBy: many(g, 0, 2, g.expr), Having: maybe(g, g.expr), OrderBy: many(g, 0, 2, g.order),
		Limit: maybe(g, whole), Offset: maybe(g, whole), Emit: maybe(g, g.emit),
	}
	if g.depth < 4 {
		s.With = many(g, 0, 2, with)
	}
	return s
}

func (g *generator) item() *Item {
	switch g.n("item", 6) {
	case 0:
		return &Item{Star: true}
	case 1:
		return &Item{Star: true, Table: g.ident()}
	}
	return &Item{Expr: g.expr(), Alias: maybe(g, g.ident)}
}

func (g *generator) from() From {
	switch k := g.n("from", 4); {
	case k == 0 && g.depth < 4:
		return &SubSelect{Query: g.sel(), Alias: maybe(g, g.ident)}
	case k == 1:
		return &WindowCall{Stream: g.ident(), Column: g.ident(), Size: g.interval(), Slide: maybe(g, g.interval), Alias: maybe(g, g.ident)}
	}
	return &TableName{Name: g.ident(), Alias: maybe(g, g.ident)}
}

func (g *generator) window() *Window {
	w := &Window{Kind: pick(g, Tumbling, Hopping, Sliding), Size: g.interval()}
	if w.Kind == Hopping {
		w.Advance = g.interval()
	}
	return w
}

func (g *generator) order() *Order {
	return &Order{Expr: g.expr(), Desc: g.flip("desc"), Nulls: pick(g, NullsDefault, NullsFirst, NullsLast)}
}

func (g *generator) emit() *Emit {
	e := &Emit{Kind: pick(g, EmitFinal, EmitEvery, EmitChanges)}
	if e.Kind == EmitEvery {
		e.Every = g.interval()
	}
	return e
}

func (g *generator) option() *Option {
	return &Option{Key: g.ident(), Value: pick(g, func() Expr { return &String{Value: g.text()} }, func() Expr { return g.number() },
		func() Expr { return &Bool{Value: g.flip("bool")} }, func() Expr { return g.interval() })()}
}

func (g *generator) create() Statement {
	check := func() *Check { return &Check{Cond: g.expr()} }
	column := func() *Column {
		return &Column{Name: g.ident(), Type: g.typ(), NotNull: g.flip("null"), Checks: many(g, 0, 2, check)}
	}
	options := many(g, 0, 3, g.option)
	switch g.n("create", 2) {
	case 0:
		return &CreateStream{Name: g.ident(), Columns: many(g, 1, 4, column), Checks: many(g, 0, 2, check), Options: options}
	case 1:
		return &CreateTable{Name: g.ident(), Options: options, Query: g.sel(), View: g.flip("view")}
	}
	return &CreateMetric{Name: g.ident(), Options: options, Query: g.sel()}
}

func (g *generator) statement() Statement {
	switch g.n("statement", 6) {
	case 0:
		return &Show{What: pick(g, "STREAMS", "TABLES", "METRICS", "FUNCTIONS", "MEMORY")}
	case 1:
		return &Describe{Name: g.ident()}
	case 2:
		return &Explain{Why: g.flip("why"), Name: g.ident()}
	case 3:
		return &Explain{Why: g.flip("why"), Statement: pick(g, g.create, func() Statement { return g.sel() })()}
	case 4:
		return g.sel()
	}
	return g.create()
}

// TestPrintIsInverse draws trees, prints them in both ways and expects the same trees back.
func TestPrintIsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := (&generator{t: t}).statement()
		formatted, diags := Format(want.String())
		if len(diags) > 0 {
			t.Fatal(Render("printed", want.String(), diags))
		}
		for _, text := range []string{want.String(), formatted} {
			got, diags := Parse(text)
			if len(diags) > 0 {
				t.Fatal(Render("printed", text, diags))
			}
			if len(got) != 1 || !Equal(want, got[0]) {
				t.Fatalf("printed  %s\nparses to %s", text, got)
			}
			checkSpans(t, text, got[0])
		}
		again, _ := Format(formatted)
		if again != formatted {
			t.Fatalf("formatted\n%s\nand again\n%s", formatted, again)
		}
	})
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkSpans holds that every node lies within its parent and begins and ends at a token.
func checkSpans(t fataler, text string, s Statement) {
	t.Helper()
	starts, ends := map[int]bool{}, map[int]bool{}
	for _, tok := range lexFile(text) {
		starts[tok.Start], ends[tok.End] = true, true
	}
	var visit func(parent Span) func(Node) bool
	visit = func(parent Span) func(Node) bool {
		first := true
		return func(n Node) bool {
			at := n.At()
			if !starts[at.Start] || !ends[at.End] || at.Start >= at.End || at.Start < parent.Start || at.End > parent.End {
				t.Fatalf("%T %s has the place %v within %v of %s", n, n, at, parent, text)
			}
			if first {
				first = false
				return true
			}
			Walk(n, visit(at))
			return false
		}
	}
	Walk(s, visit(Span{0, len(text)}))
}
