package plan

import (
	"fmt"
	"slices"
	"strings"

	"penstock/query/expr"
	"penstock/query/syntax"
)

// grouping binds the clauses of a SELECT behind GROUP BY. Without GROUP BY and aggregates it
// changes nothing.
type grouping struct {
	x      *exprBinder
	active bool
	failed bool    // GROUP BY has a mistake, so nothing can be said about what is not grouped
	keys   []Named // over the columns that come in
	// biggest lists the indexes of keys, those of more nodes first: with keys a and a+b,
	// a+b has to be recognised before its a is replaced.
	biggest []int
}

// bindKeys binds GROUP BY. A key can be a position, an output column's name or an expression.
func (g *grouping) bindKeys(sel *syntax.Select) {
	g.active = true
	before := g.x.b.errors
	defer func() { g.failed = g.x.b.errors > before }()
	for _, e := range sel.GroupBy {
		name := ""
		switch t := e.(type) {
		case *syntax.Number:
			i, ok := g.x.b.ordinal("GROUP BY", t, len(sel.Items))
			if !ok {
				continue
			}
			if sel.Items[i].Star {
				g.x.b.fail(t.Span, faultf(codeOrdinal, "GROUP BY position %s is *", t.Text).expect("", "name the columns"))
				continue
			}
			name, e = outputName(sel.Items[i]), sel.Items[i].Expr
		case *syntax.String:
			g.x.b.fail(t.Span, faultf(codeGrouping, "GROUP BY a text, which is the same for every row").expect("a column", "write %s without quotes", t.Value))
			continue
		case *syntax.ColumnRef:
			if item := g.aliased(sel, t); item != nil {
				name, e = outputName(item), item.Expr
			}
		}
		g.bindKey(sel, name, e)
	}
	g.x.refs = nil
}

// aliased finds the output column that a name in GROUP BY means; a column that comes in wins.
func (g *grouping) aliased(sel *syntax.Select, ref *syntax.ColumnRef) *syntax.Item {
	if ref.Table != nil || g.x.scope.lookup(ref.Name.Name) != nil {
		return nil
	}
	for _, item := range sel.Items {
		if item.Alias != nil && item.Alias.Name == ref.Name.Name {
			return item
		}
	}
	return nil
}

func (g *grouping) bindKey(sel *syntax.Select, name string, e syntax.Expr) {
	if hasAggregate(e) {
		g.x.b.fail(e.At(), faultf(codeAggregate, "an aggregate in GROUP BY").expect("columns of "+g.x.scope.what, "leave it out, and filter groups with HAVING"))
		return
	}
	n := g.x.bind(e)
	if n == nil {
		return
	}
	if i, ok := expr.AsColumn(n); ok && i >= windowMark {
		return // the window is implied
	}
	for _, i := range expr.Columns(n) {
		if i >= windowMark {
			g.x.b.fail(e.At(), faultf(codeGrouping, "GROUP BY an expression of the window's bounds").expect("", "every window has its own groups already: leave it out here"))
			return
		}
	}
	if n = g.x.b.storable(e, "GROUP BY", folded(n)); n == nil {
		return
	}
	if slices.ContainsFunc(g.keys, func(k Named) bool { return expr.Equal(k.Expr, n) }) {
		return
	}
	g.keys = append(g.keys, Named{Name: g.keyName(sel, name, e), Expr: n})
	g.biggest = append(g.biggest, len(g.keys)-1)
	slices.SortStableFunc(g.biggest, func(a, b int) int { return nodes(g.keys[b].Expr) - nodes(g.keys[a].Expr) })
}

// keyName prefers the name under which the key is selected.
func (g *grouping) keyName(sel *syntax.Select, name string, e syntax.Expr) string {
	for _, item := range sel.Items {
		if name == "" && item.Alias != nil && item.Expr != nil && syntax.Equal(item.Expr, e) {
			name = item.Alias.Name
		}
	}
	if name == "" {
		name = nameOf(e)
	}
	if name == "" {
		name = e.String()
	}
	base := name
	for i := 2; slices.ContainsFunc(g.keys, func(k Named) bool { return k.Name == name }); i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	return name
}

func nodes(n expr.Node) int {
	count := 0
	expr.Walk(n, func(expr.Node) bool { count++; return true })
	return count
}

// over turns n, bound over the columns that come in, into an expression over the groups. A column
// that is left is reported at the place where e reads it.
func (g *grouping) over(e syntax.Expr, n expr.Node) expr.Node {
	refs := g.x.refs
	g.x.refs = nil
	if n == nil || !g.active || g.failed {
		return n
	}
	n = folded(n)
	for _, k := range g.biggest {
		key := g.keys[k]
		mark := expr.Col(keyMark+k, key.Name, key.Expr.Type())
		n = expr.Rewrite(n, func(n expr.Node) expr.Node {
			if expr.Equal(n, key.Expr) {
				return mark
			}
			return n
		})
	}
	for _, i := range expr.Columns(n) {
		if i >= keyMark {
			continue
		}
		g.x.b.fail(useOf(refs, i, e), g.ungrouped(refs, i))
		return nil
	}
	return n
}

func useOf(refs []columnUse, index int, e syntax.Expr) syntax.Span {
	for _, r := range refs {
		if r.index == index {
			return r.at.Span
		}
	}
	return e.At()
}

func (g *grouping) ungrouped(refs []columnUse, index int) *fault {
	name := ""
	for _, r := range refs {
		if r.index == index {
			name = r.at.Name.Raw
		}
	}
	f := faultf(codeGrouping, "column %q must appear in the GROUP BY clause or be used in an aggregate function", name)
	numeric := index < len(g.x.scope.columns) && g.x.scope.columns[index].Type.Numeric()
	first := "LAST"
	if numeric {
		first = "SUM"
	}
	f.hint = fmt.Sprintf("write %s(%s), or add it to GROUP BY", first, name)
	if len(g.keys) > 0 {
		names := make([]string, len(g.keys))
		for i, k := range g.keys {
			names[i] = k.Expr.String()
		}
		f.note("grouped by: %s", strings.Join(names, ", "))
	}
	return f
}

// resolve replaces the marks by the indexes of keys ++ aggregates ++ window bounds.
func (s *selection) resolve() {
	fix := func(n expr.Node) expr.Node {
		if n == nil {
			return nil
		}
		return expr.Rewrite(n, func(n expr.Node) expr.Node {
			i, ok := expr.AsColumn(n)
			switch {
			case !ok:
				return n
			case i >= windowMark:
				name := []string{windowStartName, windowEndName}[i-windowMark]
				return expr.Col(len(s.keys)+len(s.aggs)+i-windowMark, name, n.Type())
			case i >= aggMark:
				return expr.Col(len(s.keys)+i-aggMark, s.aggs[i-aggMark].String(), n.Type())
			}
			return expr.Col(i-keyMark, s.keys[i-keyMark].Name, n.Type())
		})
	}
	for i := range s.output {
		s.output[i].Expr = fix(s.output[i].Expr)
	}
	for i := range s.order {
		s.order[i].Expr = fix(s.order[i].Expr)
	}
	s.having = fix(s.having)
}

// aggregate binds a call of an aggregate, once per SELECT for equal ones.
func (x *exprBinder) aggregate(e *syntax.Call) expr.Node {
	switch {
	case x.inAggregate:
		x.b.fail(e.Span, faultf(codeAggregate, "%s inside another aggregate", e.Func).
			expect("", "make a table of the inner one, and a metric over that table"))
		return nil
	case !x.aggsHere:
		x.b.fail(e.Span, aggregateElsewhere(x.clause, e))
		return nil
	}
	agg := x.bindAggregate(e)
	if agg == nil {
		return nil
	}
	i := slices.IndexFunc(x.aggs, agg.Equal)
	if i < 0 {
		i = len(x.aggs)
		x.aggs = append(x.aggs, agg)
	}
	return expr.Col(aggMark+i, agg.String(), agg.Type)
}

func aggregateElsewhere(clause string, e *syntax.Call) *fault {
	f := faultf(codeAggregate, "aggregate %s in %s, which sees one row at a time", e.Func, clause)
	if clause == "WHERE" {
		return f.expect("", "filter groups with HAVING")
	}
	return f.expect("", "use it in SELECT, HAVING or ORDER BY")
}

func (x *exprBinder) bindAggregate(e *syntax.Call) *expr.Aggregate {
	x.inAggregate = true
	clause := x.clause
	defer func() { x.inAggregate, x.clause = false, clause }()
	args, ok := x.bindAll(e.Args)
	var filter expr.Node
	if e.Filter != nil {
		x.clause = "FILTER"
		filter = x.condition(e.Filter)
		ok = ok && filter != nil
	}
	if !ok {
		return nil
	}
	var arg expr.Node
	switch {
	case e.Star && e.Func != "COUNT":
		x.b.fail(e.Span, faultf(codeFunction, "%s(*)", e.Func).expect("one value in the parentheses", "only COUNT can be used with *"))
		return nil
	case !e.Star && len(args) != 1:
		x.b.fail(e.Span, faultf(codeFunction, "%s of %d values", e.Func, len(args)).expect("one", "write for example %s(%s)", e.Func, exampleArg(e.Func, x.scope)))
		return nil
	case !e.Star:
		arg = folded(args[0])
	}
	agg, err := expr.NewAggregate(e.Func, arg, e.Distinct, filter)
	if err != nil {
		x.b.fail(e.Span, typeFault(err, ""))
		return nil
	}
	return agg
}

// exampleArg is a column that the aggregate takes.
func exampleArg(name string, sc *scope) string {
	if name == "COUNT" {
		return "*"
	}
	for _, c := range sc.columns {
		if c.Type.Numeric() || name != "SUM" && name != "AVG" {
			return c.Name
		}
	}
	return "x"
}

// isAggregate tells whether a function of this name puts rows together.
func isAggregate(name string) bool { return expr.IsAggregate(name) }

func aggregateNames() []string {
	infos := expr.Aggregates()
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Name
	}
	return names
}

func functionNames() []string {
	var names []string
	for _, info := range expr.Functions() {
		if !slices.Contains(names, info.Name) {
			names = append(names, info.Name)
		}
	}
	return names
}

// unknownFunction suggests among functions and aggregates.
func unknownFunction(written string, err *expr.UnknownFunction) *fault {
	f := faultf(codeFunction, "unknown function %s", written)
	if len(err.Similar) > 0 {
		f.hint = "did you mean " + strings.Join(err.Similar, " or ") + "?"
	}
	f.note("aggregates: %s", strings.Join(aggregateNames(), ", "))
	if len(err.Similar) > 0 {
		return f.note("SHOW FUNCTIONS lists the functions")
	}
	return f.note("functions: %s", strings.Join(functionNames(), ", "))
}
