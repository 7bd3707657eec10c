package plan

import (
	"errors"
	"strings"
	"time"

	"penstock/query/expr"
	"penstock/query/row"
	"penstock/query/syntax"
)

// exprBinder binds the expressions of one SELECT or one stream. A nil node means that the reason
// has been reported.
type exprBinder struct {
	b      *binder
	scope  *scope
	clause string // where we are, for messages: WHERE, the SELECT list, ...
	// aggs collects the aggregates of a grouped SELECT; inAggregate while binding the
	// arguments of one. aggsHere tells whether the clause can have any.
	aggs        []*expr.Aggregate
	aggsHere    bool
	inAggregate bool
	refs        []columnUse    // columns read outside aggregates, to blame one that is not grouped
	outputs     []*syntax.Item // names of the SELECT list, for hints about aliases
	guarded     int            // > 0 where CASE, AND, OR or COALESCE may never evaluate the part
}

// columnUse is a column with the place that reads it.
type columnUse struct {
	index int
	at    *syntax.ColumnRef
}

func (x *exprBinder) bind(e syntax.Expr) expr.Node {
	switch e := e.(type) {
	case *syntax.ColumnRef:
		return x.column(e)
	case *syntax.String:
		return expr.Const(row.Text(e.Value), row.Of(row.Varchar))
	case *syntax.Number:
		return x.number(e, "")
	case *syntax.Bool:
		return expr.Const(row.Bool(e.Value), row.Of(row.Boolean))
	case *syntax.Null:
		return expr.Null()
	case *syntax.Interval:
		return x.interval(e)
	case *syntax.TimeLiteral:
		return x.timeLiteral(e)
	case *syntax.Unary:
		return x.unary(e)
	case *syntax.Binary:
		return x.binary(e)
	case *syntax.Is:
		return x.is(e)
	case *syntax.In:
		return x.in(e)
	case *syntax.Between:
		return x.between(e)
	case *syntax.Case:
		return x.caseOf(e)
	case *syntax.Cast:
		return x.cast(e)
	case *syntax.Call:
		return x.call(e)
	}
	return nil
}

// column resolves a name.
func (x *exprBinder) column(e *syntax.ColumnRef) expr.Node {
	if e.Table != nil && !x.scope.qualifies(e.Table) {
		x.b.fail(e.Table.Span, faultf(codeRelation, "no %q in FROM, which has %s", e.Table.Raw, andList(x.scope.names)).
			expect("", "write %s.%s, or only %s", x.scope.names[0], e.Name.Raw, e.Name.Raw))
		return nil
	}
	n := x.scope.lookup(e.Name.Name)
	if n == nil {
		x.b.fail(e.Name.Span, x.aliasHint(e, x.scope.unknownColumn(e.Name, x.aliases())))
		return nil
	}
	i, _ := expr.AsColumn(n)
	switch {
	case i >= windowMark && x.clause == "WHERE":
		x.b.fail(e.Name.Span, faultf(codeGrouping, "%s in WHERE; it belongs to the window, not to the row", e.Name.Raw).
			expect("", "use rowtime, or filter windows with HAVING"))
		return nil
	case i >= windowMark && x.inAggregate:
		x.b.fail(e.Name.Span, faultf(codeAggregate, "%s inside an aggregate; it belongs to the window, not to the row", e.Name.Raw).
			expect("", "use rowtime, or %s outside the aggregate", e.Name.Raw))
		return nil
	case !x.inAggregate:
		x.refs = append(x.refs, columnUse{i, e})
	}
	return n
}

// aliases are the names of output columns, where the clause can use them.
func (x *exprBinder) aliases() []string {
	var names []string
	for _, item := range x.outputs {
		if item.Alias != nil && (x.clause == "GROUP BY" || x.clause == "ORDER BY") {
			names = append(names, item.Alias.Name)
		}
	}
	return names
}

// aliasHint says so when an unknown column is the name of an output column, which is known
// only after this clause.
func (x *exprBinder) aliasHint(e *syntax.ColumnRef, f *fault) *fault {
	if e.Table != nil {
		return f
	}
	for _, item := range x.outputs {
		if item.Alias == nil || item.Alias.Name != e.Name.Name {
			continue
		}
		text := item.Expr.String()
		switch {
		case x.clause == "WHERE" && hasAggregate(item.Expr):
			return f.expect("", "%s is made after WHERE: filter it with HAVING, written out: %s", e.Name.Raw, text)
		default:
			return f.expect("", "%s is made after %s: write it out here: %s", e.Name.Raw, x.clause, text)
		}
	}
	return f
}

// number gives a literal the type its spelling has in PostgreSQL: INTEGER, then BIGINT, then
// DECIMAL; DOUBLE PRECISION with an exponent.
func (x *exprBinder) number(e *syntax.Number, sign string) expr.Node {
	n, err := numberNode(sign+e.Text, e.Kind)
	if err != nil {
		x.b.fail(e.Span, faultf(codeLiteral, "%v", err))
		return nil
	}
	return n
}

func (x *exprBinder) interval(e *syntax.Interval) expr.Node {
	us, err := row.ParseInterval(e.Text)
	if err != nil {
		x.b.fail(e.Span, faultf(codeLiteral, "%v", err).expect("", "write for example INTERVAL '5 seconds'"))
		return nil
	}
	return expr.Const(row.Int(us), row.Of(row.Interval))
}

func (x *exprBinder) timeLiteral(e *syntax.TimeLiteral) expr.Node {
	t := row.Of(row.Timestamp)
	if e.Type == "DATE" {
		t = row.Of(row.Date)
	}
	n, err := expr.Cast(expr.Const(row.Text(e.Text), row.Of(row.Varchar)), t)
	return x.done(e, e.Span, n, err)
}

func (x *exprBinder) unary(e *syntax.Unary) expr.Node {
	if lit, ok := e.X.(*syntax.Number); ok && e.Op == "-" {
		return x.number(lit, "-") // the smallest BIGINT has no positive counterpart
	}
	n := x.bind(e.X)
	if n == nil {
		return nil
	}
	out, err := expr.Unary(e.Op, n)
	return x.done(e, e.Span, out, err)
}

func (x *exprBinder) binary(e *syntax.Binary) expr.Node {
	l := x.bind(e.L)
	logical := e.Op == "AND" || e.Op == "OR"
	if logical {
		x.guarded++
	}
	r := x.bind(e.R)
	if logical {
		x.guarded--
	}
	if l == nil || r == nil {
		return nil
	}
	x.b.lintDivision(e)
	x.b.lintNull(e)
	if v, ok := expr.ConstValue(r); ok && (e.Op == "/" || e.Op == "%") && x.guarded == 0 && zero(v, r.Type()) {
		x.b.fail(e.OpAt, faultf(codeLiteral, "%s divides by zero in every row", e.String()))
		return nil
	}
	out, err := binaryNode(e.Op, l, r)
	if err != nil {
		x.b.fail(operandAt(e, l, logical), typeFault(err, operandHint(e, l, r)))
		return nil
	}
	return x.done(e, e.OpAt, out, nil)
}

// zero tells whether dividing by a constant can only fail; a DOUBLE PRECISION zero fails too.
func zero(v row.Value, t row.Type) bool {
	return t.Numeric() && v.State == row.Valid && v.I == 0 && v.F == 0 && v.D == row.Int128{}
}

// operandAt blames the operand that cannot be used where that is known, else the operator.
func operandAt(e *syntax.Binary, l expr.Node, logical bool) syntax.Span {
	_, ltext := e.L.(*syntax.String)
	_, rtext := e.R.(*syntax.String)
	like := strings.HasSuffix(e.Op, "LIKE")
	switch {
	case logical && l.Type().Kind != row.Boolean && l.Type().Kind != row.Unknown,
		like && l.Type().Kind != row.Varchar, !like && ltext && !rtext:
		return e.L.At()
	case logical, !like && rtext && !ltext:
		return e.R.At()
	}
	return e.OpAt
}

// operandHint says how to write a comparison that has no meaning as it stands; "" leaves that to
// what refused it.
func operandHint(e *syntax.Binary, l, r expr.Node) string {
	other := r.Type()
	if _, ok := e.L.(*syntax.String); !ok {
		if _, ok := e.R.(*syntax.String); !ok {
			return comparisonHint(e, l, r)
		}
		other = l.Type()
	}
	switch other.Kind {
	case row.Timestamp:
		return "write for example '2016-03-22 20:25:28'"
	case row.Date:
		return "write for example '2016-03-22'"
	}
	return ""
}

// binaryNode also knows the one operator that is another's negation.
func binaryNode(op string, l, r expr.Node) (expr.Node, error) {
	if op != "IS NOT DISTINCT FROM" {
		return expr.Binary(op, l, r)
	}
	n, err := expr.Binary("IS DISTINCT FROM", l, r)
	if err != nil {
		return nil, err
	}
	return expr.Unary("NOT", n)
}

// comparisonHint says how to write a comparison of text with a number.
func comparisonHint(e *syntax.Binary, l, r expr.Node) string {
	switch e.Op {
	case "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM":
	default:
		return ""
	}
	text, other, otherNode := e.L, e.R, r
	if l.Type().Kind != row.Varchar {
		text, other, otherNode = e.R, e.L, l
		if r.Type().Kind != row.Varchar {
			return ""
		}
	}
	if lit, ok := other.(*syntax.Number); ok {
		quoted := "'" + lit.Text + "'"
		if text == e.L {
			return "write " + text.String() + " " + e.Op + " " + quoted + ", or CAST(" + text.String() + " AS " + otherNode.Type().String() + ")"
		}
		return "write " + quoted + " " + e.Op + " " + text.String() + ", or CAST(" + text.String() + " AS " + otherNode.Type().String() + ")"
	}
	return "write CAST(" + text.String() + " AS " + otherNode.Type().String() + ")"
}

func (x *exprBinder) is(e *syntax.Is) expr.Node {
	n := x.bind(e.X)
	if n == nil {
		return nil
	}
	var out expr.Node
	var err error
	switch e.What {
	case "NULL":
		out, err = expr.IsNull(n, e.Not)
	case "UNKNOWN":
		if k := n.Type().Kind; k != row.Boolean && k != row.Unknown {
			x.b.fail(e.Span, faultf(codeType, "IS UNKNOWN on a %s; expected a BOOLEAN", n.Type()).expect("", "write IS NULL"))
			return nil
		}
		out, err = expr.IsNull(n, e.Not)
	default:
		out, err = expr.IsBool(n, e.What == "TRUE", e.Not)
	}
	return x.done(e, e.Span, out, err)
}

func (x *exprBinder) in(e *syntax.In) expr.Node {
	n := x.bind(e.X)
	list, ok := x.bindAll(e.List)
	if n == nil || !ok {
		return nil
	}
	out, err := expr.In(n, list, e.Not)
	if err != nil && n.Type().Kind == row.Varchar {
		x.b.fail(e.Span, typeFault(err, quotedList(e)))
		return nil
	}
	return x.done(e, e.Span, out, err)
}

// quotedList writes an IN over text with its numbers in quotes; "" when they are not all numbers.
func quotedList(e *syntax.In) string {
	parts := make([]string, len(e.List))
	for i, v := range e.List {
		lit, ok := v.(*syntax.Number)
		if !ok {
			return ""
		}
		parts[i] = "'" + lit.Text + "'"
	}
	return "write " + e.X.String() + " IN (" + strings.Join(parts, ", ") + ")"
}

func (x *exprBinder) between(e *syntax.Between) expr.Node {
	n, lo, hi := x.bind(e.X), x.bind(e.Lo), x.bind(e.Hi)
	if n == nil || lo == nil || hi == nil {
		return nil
	}
	out, err := expr.Between(n, lo, hi, e.Not)
	return x.done(e, e.Span, out, err)
}

func (x *exprBinder) caseOf(e *syntax.Case) expr.Node {
	var operand, els expr.Node
	ok := true
	if e.Operand != nil {
		operand = x.bind(e.Operand)
		ok = operand != nil
	}
	x.guarded++
	var whens, thens []expr.Node
	for _, w := range e.Whens {
		whens, thens = append(whens, x.bind(w.Cond)), append(thens, x.bind(w.Then))
		ok = ok && whens[len(whens)-1] != nil && thens[len(thens)-1] != nil
	}
	if e.Else != nil {
		els = x.bind(e.Else)
		ok = ok && els != nil
	}
	x.guarded--
	if !ok {
		return nil
	}
	out, err := expr.Case(operand, whens, thens, els)
	return x.done(e, e.Span, out, err)
}

func (x *exprBinder) cast(e *syntax.Cast) expr.Node {
	n := x.bind(e.X)
	t, f := typeOf(e.Type)
	if f != nil {
		x.b.fail(e.Type.Span, f)
		return nil
	}
	if n == nil {
		return nil
	}
	out, err := expr.Cast(n, t)
	return x.done(e, e.Span, out, err)
}

func (x *exprBinder) bindAll(list []syntax.Expr) (nodes []expr.Node, ok bool) {
	ok = true
	for _, e := range list {
		n := x.bind(e)
		nodes, ok = append(nodes, n), ok && n != nil
	}
	return nodes, ok
}

// call binds a function; aggregates go to aggregate.
func (x *exprBinder) call(e *syntax.Call) expr.Node {
	if isAggregate(e.Func) {
		return x.aggregate(e)
	}
	switch {
	case e.Star:
		x.b.fail(e.Span, faultf(codeFunction, "%s(*)", e.Func).expect("values in the parentheses", "only COUNT can be used with *"))
		return nil
	case e.Filter != nil:
		x.b.fail(e.Filter.At(), faultf(codeFunction, "FILTER after %s, which is no aggregate", e.Func).expect("", "aggregates: %s", strings.Join(aggregateNames(), ", ")))
		return nil
	case e.Distinct:
		x.b.fail(e.Span, faultf(codeFunction, "DISTINCT in %s, which is no aggregate", e.Func).expect("", "leave DISTINCT out"))
		return nil
	}
	conditional := e.Func == "COALESCE" || e.Func == "NULLIF"
	if conditional {
		x.guarded++
	}
	args, ok := x.bindAll(e.Args)
	if conditional {
		x.guarded--
	}
	if !ok {
		return nil
	}
	out, err := expr.Call(e.Func, args)
	var unknown *expr.UnknownFunction
	if errors.As(err, &unknown) {
		x.b.fail(e.Name.Span, unknownFunction(e.Name.Raw, unknown))
		return nil
	}
	return x.done(e, e.Span, out, err)
}

// done finishes a node: reports what its constructor refused, and evaluates it when it is
// constant, so that 1/0 or CAST('x' AS BIGINT) is blamed here, not in every row.
func (x *exprBinder) done(e syntax.Expr, at syntax.Span, n expr.Node, err error) expr.Node {
	if err != nil {
		x.b.fail(at, typeFault(err, ""))
		return nil
	}
	if x.guarded > 0 || !expr.IsConst(n) {
		return n
	}
	if _, err := expr.FoldConst(n); err != nil {
		x.b.fail(at, faultf(codeLiteral, "%s has no value: %v", e.String(), err))
		return nil
	}
	return n
}

// condition binds an expression that has to be BOOLEAN, with its constant parts folded.
func (x *exprBinder) condition(e syntax.Expr) expr.Node {
	n := x.bind(e)
	if n == nil {
		return nil
	}
	if k := n.Type().Kind; k != row.Boolean {
		if c, ok := expr.ConstValue(n); ok && (c.IsNull() || k == row.Varchar) {
			out, err := expr.Cast(n, row.Of(row.Boolean))
			return x.done(e, e.At(), out, err)
		}
		f := faultf(codeType, "%s is %s; expected a BOOLEAN", x.clause, n.Type())
		if n.Type().Numeric() {
			f.expect("", "write %s <> 0", e.String())
		} else {
			f.expect("", "compare it with something: %s = ...", e.String())
		}
		x.b.fail(e.At(), f)
		return nil
	}
	return folded(n)
}

// folded replaces constant parts by their values; parts that fail are only found when rows
// need them.
func folded(n expr.Node) expr.Node {
	if f, err := expr.FoldConst(n); err == nil {
		return f
	}
	return n
}

// typeFault takes over what a constructor of query/expr refused.
func typeFault(err error, hint string) *fault {
	var t *expr.TypeError
	if !errors.As(err, &t) {
		f := faultf(codeType, "%v", err)
		f.hint = hint
		return f
	}
	f := faultf(codeType, "%s", t.Message)
	f.hint = t.Hint
	if hint != "" {
		f.hint = hint
	}
	return f
}

// length reads the length of a window or an interval.
func (b *binder) length(what string, iv *syntax.Interval) (time.Duration, bool) {
	us, err := row.ParseInterval(iv.Text)
	if err != nil {
		b.fail(iv.Span, faultf(codeWindow, "%s: %v", what, err).expect("", "write for example %s 5 SECONDS", what))
		return 0, false
	}
	const most = int64(1<<63-1) / 1000
	if us > most {
		b.fail(iv.Span, faultf(codeWindow, "%s is longer than 292 years", what).expect("", "leave the window out to keep everything"))
		return 0, false
	}
	d := time.Duration(us) * time.Microsecond
	if f := checkLength(what, d); f != nil {
		b.fail(iv.Span, f)
		return 0, false
	}
	return d, true
}
