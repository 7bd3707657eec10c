package plan

import (
	"math"
	"strconv"
	"strings"

	"penstock/query/expr"
	"penstock/query/row"
	"penstock/query/syntax"
)

// selection is a bound SELECT before it becomes a table, a read or both. Grouped, everything but
// where is over keys ++ aggregates ++ window bounds; otherwise over the columns that come in.
type selection struct {
	where         expr.Node
	grouped       bool
	keys          []Named
	aggs          []*expr.Aggregate
	having        expr.Node
	output        []Named
	given         []bool // by output column: the user chose its name, or * brought it
	distinct      bool
	order         []orderTerm
	limit, offset int
}

// orderTerm is a term of ORDER BY; output is the index of the output column it equals, -1 when
// it is none.
type orderTerm struct {
	Order
	output int
	at     syntax.Span
}

// selection binds all clauses but FROM, WINDOW and EMIT, and reports every mistake in them.
func (b *binder) selection(sel *syntax.Select, sc *scope) (*selection, bool) {
	before := b.errors
	s := &selection{limit: -1, distinct: sel.Distinct}
	x := &exprBinder{b: b, scope: sc, outputs: sel.Items}
	if sel.Where != nil {
		x.clause = "WHERE"
		s.where = x.condition(sel.Where)
		b.lintNever("WHERE", sel.Where, s.where)
	}
	g := &grouping{x: x}
	if s.grouped = isGrouped(sel); s.grouped {
		x.clause = "GROUP BY"
		g.bindKeys(sel)
		x.aggsHere = true
	}
	for _, item := range sel.Items {
		s.output = append(s.output, b.item(g, s, item)...)
		for len(s.given) < len(s.output) {
			s.given = append(s.given, item.Star || item.Alias != nil)
		}
	}
	if sel.Having != nil {
		x.clause = "HAVING"
		s.having = g.over(sel.Having, x.condition(sel.Having))
	}
	for _, o := range sel.OrderBy {
		if term, ok := b.orderTerm(g, s, sel, o); ok {
			s.order = append(s.order, term)
		}
	}
	b.limits(s, sel)
	if b.errors > before {
		return s, false
	}
	s.nameOutputs()
	s.keys, s.aggs = g.keys, x.aggs
	if s.grouped {
		s.resolve()
	}
	return s, true
}

// isGrouped tells whether rows are put together: GROUP BY, HAVING or an aggregate anywhere.
func isGrouped(sel *syntax.Select) bool {
	if len(sel.GroupBy) > 0 || sel.Having != nil {
		return true
	}
	for _, i := range sel.Items {
		if i.Expr != nil && hasAggregate(i.Expr) {
			return true
		}
	}
	for _, o := range sel.OrderBy {
		if hasAggregate(o.Expr) {
			return true
		}
	}
	return false
}

func hasAggregate(e syntax.Expr) bool {
	found := false
	syntax.Walk(e, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.Call); ok && isAggregate(c.Func) {
			found = true
		}
		return !found
	})
	return found
}

// item binds one term of the SELECT list; a star gives several columns.
func (b *binder) item(g *grouping, s *selection, item *syntax.Item) []Named {
	x := g.x
	x.clause = "SELECT"
	if item.Star {
		return b.star(x.scope, s, item)
	}
	n := g.over(item.Expr, x.bind(item.Expr))
	if n == nil {
		return nil
	}
	if n = b.storable(item.Expr, "SELECT", folded(n)); n == nil {
		return nil
	}
	return []Named{{Name: outputName(item), Expr: n}}
}

func (b *binder) star(sc *scope, s *selection, item *syntax.Item) []Named {
	switch {
	case item.Table != nil && !sc.qualifies(item.Table):
		b.fail(item.Table.Span, faultf(codeRelation, "no %q in FROM, which has %s", item.Table.Raw, andList(sc.names)).expect("", "write *"))
		return nil
	case sc.what == noFrom:
		b.fail(item.Span, faultf(codeShape, "* in a SELECT without FROM, which has no columns").expect("", "add FROM and what to read"))
		return nil
	case s.grouped:
		b.fail(item.Span, faultf(codeGrouping, "* in a grouped SELECT").expect("the GROUP BY expressions and aggregates", "name the columns").
			note("columns: %s", strings.Join(sc.visible(), ", ")))
		return nil
	}
	var list []Named
	for i, c := range sc.columns {
		list = append(list, Named{c.Name, expr.Col(i, c.Name, c.Type)})
	}
	return list
}

// storable refuses what cannot be kept in a table or written to a topic, and gives a bare NULL
// a type.
func (b *binder) storable(e syntax.Expr, clause string, n expr.Node) expr.Node {
	switch n.Type().Kind {
	case row.Interval:
		b.fail(e.At(), faultf(codeType, "%s makes an INTERVAL of %s, which cannot be kept", clause, e.String()).
			expect("", "take seconds: EXTRACT(EPOCH FROM %s)", e.String()))
		return nil
	case row.Unknown:
		out, err := expr.Cast(n, row.Of(row.Varchar))
		if err != nil {
			b.fail(e.At(), typeFault(err, ""))
			return nil
		}
		return out
	}
	return n
}

// outputName names a column as PostgreSQL does: alias, column, function or type; "" when there is
// nothing to go by.
func outputName(item *syntax.Item) string {
	if item.Alias != nil {
		return item.Alias.Name
	}
	return nameOf(item.Expr)
}

func nameOf(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.ColumnRef:
		return e.Name.Name
	case *syntax.Call:
		return strings.ToLower(e.Name.Raw)
	case *syntax.Cast:
		if name := nameOf(e.X); name != "" {
			return name
		}
		return strings.ToLower(e.Type.Name)
	case *syntax.Case:
		if e.Else != nil {
			if name := nameOf(e.Else); name != "" {
				return name
			}
		}
		return "case"
	}
	return ""
}

// nameOutputs gives nameless columns their position, and a number to names that are there already:
// COUNT(*), COUNT(x) are count and count_2. Results are read by name, so names differ; those
// that the user chose are kept.
func (s *selection) nameOutputs() {
	taken := map[string]bool{}
	for _, chosen := range []bool{true, false} {
		for i := range s.output {
			if s.given[i] != chosen {
				continue
			}
			base := s.output[i].Name
			if base == "" {
				base = "column" + strconv.Itoa(i+1)
			}
			name := base
			for n := 2; taken[name]; n++ {
				name = base + "_" + strconv.Itoa(n)
			}
			taken[name] = true
			s.output[i].Name = name
		}
	}
}

// orderTerm binds a term of ORDER BY: a position, the name of an output column, or an expression.
func (b *binder) orderTerm(g *grouping, s *selection, sel *syntax.Select, o *syntax.Order) (orderTerm, bool) {
	g.x.clause = "ORDER BY"
	term := orderTerm{output: -1, at: o.Span}
	term.Desc = o.Desc
	term.NullsFirst = o.Nulls == syntax.NullsFirst || o.Nulls == syntax.NullsDefault && o.Desc
	switch e := o.Expr.(type) {
	case *syntax.Number:
		i, ok := b.ordinal("ORDER BY", e, len(s.output))
		if !ok {
			return term, false
		}
		term.output, term.Expr = i, s.output[i].Expr
		return term, true
	case *syntax.String:
		b.fail(e.Span, faultf(codeOrdinal, "ORDER BY a text, which is the same for every row").expect("a column", "write %s without quotes", e.Value))
		return term, false
	case *syntax.ColumnRef:
		if i := outputNamed(s.output, e); i >= 0 {
			term.output, term.Expr = i, s.output[i].Expr
			return term, true
		}
	}
	n := g.over(o.Expr, g.x.bind(o.Expr))
	if n == nil {
		return term, false
	}
	if n = b.storable(o.Expr, "ORDER BY", folded(n)); n == nil {
		return term, false
	}
	term.Expr = n
	for i, out := range s.output {
		if expr.Equal(out.Expr, n) {
			term.output = i
		}
	}
	if sel.Distinct && term.output < 0 {
		b.fail(o.Expr.At(), faultf(codeShape, "SELECT DISTINCT with ORDER BY %s, which is not in the SELECT list", o.Expr.String()).
			expect("", "add it to the SELECT list"))
		return term, false
	}
	return term, true
}

func outputNamed(list []Named, e *syntax.ColumnRef) int {
	if e.Table == nil {
		for i, out := range list {
			if out.Name == e.Name.Name {
				return i
			}
		}
	}
	return -1
}

// ordinal reads a position in the SELECT list.
func (b *binder) ordinal(clause string, e *syntax.Number, n int) (int, bool) {
	i, err := strconv.Atoi(e.Text)
	if err != nil || i < 1 || i > n {
		b.fail(e.Span, faultf(codeOrdinal, "%s position %s is not in the SELECT list", clause, e.Text).
			expect("a position from 1 to "+strconv.Itoa(n), "name the column instead"))
		return 0, false
	}
	return i - 1, true
}

// limits reads LIMIT and OFFSET.
func (b *binder) limits(s *selection, sel *syntax.Select) {
	if sel.Limit != nil {
		s.limit = b.count("LIMIT", sel.Limit)
	}
	if sel.Offset != nil {
		s.offset = b.count("OFFSET", sel.Offset)
	}
}

func (b *binder) count(clause string, n *syntax.Number) int {
	i, err := strconv.ParseInt(n.Text, 10, 32)
	if err != nil {
		b.fail(n.Span, faultf(codeOrdinal, "%s %s", clause, n.Text).
			expect("a whole number from 0 to "+strconv.Itoa(math.MaxInt32), "write for example %s 10", clause))
	}
	return int(i)
}
