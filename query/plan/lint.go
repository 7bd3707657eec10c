package plan

import (
	"strconv"
	"strings"

	"penstock/query/expr"
	"penstock/query/row"
	"penstock/query/syntax"
)

// Warnings: what runs, but hardly as it was meant.

// lintUnused warns of streams that nothing reads.
func (b *binder) lintUnused() {
	if b.prompt {
		return
	}
	for _, s := range b.plan.Streams {
		if d := b.names[strings.ToLower(s.Name)]; !d.used {
			b.warn(d.at, faultf(codeUnused, "nothing reads stream %s", s.Name).expect("", "add a table or a metric over it, or leave it out"))
		}
	}
}

// lintGrows warns of results that become longer with every new key, for ever.
func (b *binder) lintGrows(m *Metric, c *syntax.CreateMetric) {
	r := &m.Read
	t := r.Table
	if m.Emit != EmitEvery || r.Limit >= 0 || t.Window.Kind != NoWindow || len(t.Keys) == 0 || r.Grouped && len(r.Keys) == 0 {
		return
	}
	keys := t.Keys
	if r.Grouped {
		keys = r.Keys
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
		if k.Expr.Type().Kind == row.Boolean {
			return // two values
		}
	}
	b.warn(c.Query.Emit.Span, faultf(codeGrows, "every result of %s has a row for each %s ever seen, and no window forgets any", m.Name, strings.Join(names, ", ")).
		expect("", "add ORDER BY ... LIMIT n, a WINDOW, or EMIT CHANGES"))
}

// lintDivision warns of 1/2, which is 0.
func (b *binder) lintDivision(e *syntax.Binary) {
	l, lok := e.L.(*syntax.Number)
	r, rok := e.R.(*syntax.Number)
	if e.Op != "/" || !lok || !rok || l.Kind != syntax.Integer || r.Kind != syntax.Integer {
		return
	}
	x, err := strconv.ParseInt(l.Text, 10, 64)
	y, err2 := strconv.ParseInt(r.Text, 10, 64)
	if err == nil && err2 == nil && y != 0 && x%y != 0 {
		b.warn(e.OpAt, faultf(codeDivision, "%s / %s is %d: whole numbers divide to whole numbers", l.Text, r.Text, x/y).
			expect("", "write %s.0 / %s to keep the fraction", l.Text, r.Text))
	}
}

// lintNull warns of x = NULL, which is NULL whatever x is.
func (b *binder) lintNull(e *syntax.Binary) {
	_, l := e.L.(*syntax.Null)
	_, r := e.R.(*syntax.Null)
	other := e.L
	if l {
		other = e.R
	}
	if !l && !r {
		return
	}
	switch e.Op {
	case "=":
		b.warn(e.Span, faultf(codeNever, "%s is never true: NULL equals nothing", e.String()).expect("", "write %s IS NULL", other.String()))
	case "<>":
		b.warn(e.Span, faultf(codeNever, "%s is never true: NULL differs from nothing", e.String()).expect("", "write %s IS NOT NULL", other.String()))
	}
}

// moneyWords are parts of column names that mostly mean money.
var moneyWords = []string{"price", "amount", "cost", "fee", "balance", "money", "revenue", "salary", "payment", "tax", "usd", "eur"}

// lintMoney warns of money in binary fractions.
func (b *binder) lintMoney(col *syntax.Column, t row.Type) {
	if t.Kind != row.Double {
		return
	}
	for _, part := range strings.Split(strings.ToLower(col.Name.Name), "_") {
		for _, w := range moneyWords {
			if part == w || part == w+"s" {
				b.warn(col.Type.Span, faultf(codeMoney, "column %s is DOUBLE PRECISION, which cannot hold most cents exactly", col.Name.Raw).
					expect("", "declare it DECIMAL(12,2) if it is money"))
				return
			}
		}
	}
}

// lintNever warns of a condition that no row can satisfy.
func (b *binder) lintNever(clause string, e syntax.Expr, n expr.Node) {
	if n == nil {
		return
	}
	if v, ok := expr.ConstValue(n); ok && (v.IsNull() || v.I == 0) {
		b.warn(e.At(), faultf(codeNever, "%s is never true: %s", clause, e.String()).expect("", "no row gets through"))
	}
}
