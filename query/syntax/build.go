package syntax

import (
	"strconv"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"
)

// builder turns the rules that participle filled in into the tree, and reports what a grammar
// cannot say.
type builder struct {
	tokens []Token // of the statement
	diags  []Diagnostic
}

func (b *builder) fail(at Span, code, message, label string, notes ...string) {
	b.diags = append(b.diags, Diagnostic{Code: code, Message: message, Span: at, Label: label, Notes: notes})
}

// span returns the place of a rule.
func (a *at) span() Span {
	if len(a.Tokens) == 0 {
		return Span{}
	}
	return tokenSpan(a.Tokens[0]).To(tokenSpan(a.Tokens[len(a.Tokens)-1]))
}

func tokenSpan(t lexer.Token) Span { return Span{t.Pos.Offset, t.Pos.Column} } // see feed

func each[R, N any](list []R, f func(R) N) []N {
	var out []N
	for _, r := range list {
		out = append(out, f(r))
	}
	return out
}

func (b *builder) statement(r *statementRule) Statement {
	switch {
	case r.Create != nil:
		return b.create(r.Create)
	case r.Select != nil:
		return b.sel(r.Select)
	case r.Show != nil:
		return &Show{r.span(), r.Show.What}
	case r.Describe != nil:
		return &Describe{r.span(), b.name(r.Describe.Name)}
	}
	e := &Explain{Span: r.span(), Why: r.Explain.Why}
	switch {
	case r.Explain.Create != nil:
		e.Statement = b.create(r.Explain.Create)
	case r.Explain.Select != nil:
		e.Statement = b.sel(r.Explain.Select)
	default:
		e.Name = b.name(r.Explain.Name)
	}
	return e
}

func (b *builder) create(r *createRule) Statement {
	switch {
	case r.Stream != nil:
		return b.createStream(r.Stream, r.span())
	case r.Metric != nil:
		c := r.Metric
		return &CreateMetric{r.span(), b.name(c.Name), each(c.Options, b.option), b.sel(c.Query)}
	}
	c := r.Table
	if c == nil {
		c = r.View
	}
	return &CreateTable{r.span(), b.name(c.Name), each(c.Options, b.option), b.sel(c.Query), r.View != nil}
}

func (b *builder) createStream(r *createStreamRule, at Span) *CreateStream {
	s := &CreateStream{Span: at, Name: b.name(r.Name), Options: each(r.Options, b.option)}
	for _, e := range r.Elements {
		if e.Check != nil {
			s.Checks = append(s.Checks, b.check(e.Check))
		} else {
			s.Columns = append(s.Columns, b.column(e.Column))
		}
	}
	if len(s.Columns) == 0 {
		b.fail(s.Name.Span, CodeClause, "stream "+s.Name.Raw+" has no columns", "")
	}
	return s
}

func (b *builder) column(r *columnRule) *Column {
	c := &Column{Span: r.span(), Name: b.name(r.Name), Type: b.typ(r.Type)}
	for _, k := range r.Constraints {
		if k.NotNull {
			if c.NotNull {
				b.fail(k.span(), CodeClause, "NOT NULL twice on one column", "")
			}
			c.NotNull = true
		} else {
			c.Checks = append(c.Checks, b.check(k.Check))
		}
	}
	return c
}

func (b *builder) check(r *checkRule) *Check { return &Check{r.span(), b.expr(r.Cond)} }

func (b *builder) option(r *optionRule) *Option {
	o := &Option{Span: r.span(), Key: b.name(r.Key)}
	v := r.Value
	at := v.span()
	switch {
	case v.Interval != "":
		o.Value = &Interval{at, b.text(v.Tokens[1]), false}
	case v.Number != "" && v.Unit != "":
		o.Value = &Interval{at, b.length(v.Tokens[0], v.Tokens[1]), true}
	case v.Number != "":
		o.Value = b.number(v.Tokens[0])
	case v.String != "":
		o.Value = &String{at, b.text(v.Tokens[0])}
	case v.Bool != "":
		o.Value = &Bool{at, v.Bool == "TRUE"}
	default:
		word := b.name(v.Word)
		b.fail(at, CodeExpected, "expected a text, a number, TRUE, FALSE or an INTERVAL, found "+v.Tokens[0].Value, "write "+quoted(word.Raw))
		o.Value = &String{at, word.Raw}
	}
	return o
}

func (b *builder) sel(r *selectRule) *Select {
	s := &Select{
		Span: r.span(), Distinct: r.Distinct == "DISTINCT",
		Items: each(r.Items, b.item), From: b.from(r.From),
		GroupBy: each(r.GroupBy, b.expr), OrderBy: each(r.OrderBy, b.order),
	}
	for _, w := range r.With {
		s.With = append(s.With, &With{w.span(), b.name(w.Name), b.sel(w.Query)})
	}
	for i, w := range append(r.Window, r.Window2...) {
		s.Window = b.window(w)
		b.twice(i, &w.at, "WINDOW")
	}
	s.Where, s.Having = b.exprOrNil(r.Where), b.exprOrNil(r.Having)
	for i, e := range append(append(r.Emit, r.Emit2...), r.Emit3...) {
		s.Emit = b.emit(e)
		b.twice(i, &e.at, "EMIT")
	}
	for _, l := range r.Limits {
		b.limit(s, l)
	}
	return s
}

// twice reports a clause that may stand in several places but only in one of them at a time.
func (b *builder) twice(i int, a *at, word string) {
	if i > 0 {
		b.fail(tokenSpan(a.Tokens[0]), CodeClause, "a second "+word+" in one SELECT", "leave one of them out")
	}
}

func (b *builder) limit(s *Select, r *limitRule) {
	n := b.number(r.Tokens[1])
	word, to := "LIMIT", &s.Limit
	if r.Offset != "" {
		word, to = "OFFSET", &s.Offset
	}
	if n.Kind != Integer {
		b.fail(n.Span, CodeNumber, word+" takes a whole number, found "+n.Text, "")
	}
	if *to != nil {
		b.twice(1, &r.at, word)
	}
	*to = n
}

func (b *builder) item(r *itemRule) *Item {
	it := &Item{Span: r.span(), Star: r.Star || r.TableStar != nil, Alias: b.alias(r.Alias)}
	if r.TableStar != nil {
		it.Table = b.name(r.TableStar)
	}
	if !it.Star {
		it.Expr = b.expr(r.Expr)
	}
	return it
}

func (b *builder) alias(r *aliasRule) *Ident {
	switch {
	case r == nil:
		return nil
	case r.Name != nil:
		return b.name(r.Name)
	}
	return b.ident(r.Bare.Tokens[0])
}

func (b *builder) from(r *fromRule) From {
	if r == nil {
		return nil
	}
	alias := b.alias(r.Alias)
	switch {
	case r.Query != nil:
		return &SubSelect{r.span(), b.sel(r.Query), alias}
	case r.Args == nil:
		return &TableName{r.span(), b.name(r.Table), alias}
	}
	w := &WindowCall{Span: r.span(), Stream: b.name(r.Args.Stream), Column: b.name(r.Args.Column), Alias: alias}
	name, lengths := b.name(r.Table), each(r.Args.Lengths, b.duration)
	switch {
	case name.Name == "tumble" && len(lengths) == 1:
		w.Size = lengths[0]
	case name.Name == "hop" && len(lengths) == 2:
		w.Slide, w.Size = lengths[0], lengths[1]
	case name.Name == "tumble":
		b.fail(r.Args.span(), CodeClause, "TUMBLE takes one length of time", "", "TUMBLE(stream, column, size); for windows that overlap: HOP(stream, column, slide, size)")
	case name.Name == "hop":
		b.fail(r.Args.span(), CodeClause, "HOP takes two lengths of time", "", "HOP(stream, column, slide, size)")
	default:
		b.fail(name.Span, CodeClause, "unknown table function "+name.Raw, keywordLabel(Suggest(name.Raw, []string{"TUMBLE", "HOP"})), "there are TUMBLE(stream, column, size) and HOP(stream, column, slide, size)")
	}
	if w.Size == nil {
		w.Size = lengths[0]
	}
	return w
}

func (b *builder) window(r *windowRule) *Window {
	w := &Window{Span: r.span(), Size: b.duration(r.Size)}
	if r.Advance != nil {
		w.Advance = b.duration(r.Advance)
	}
	w.Kind = map[string]WindowKind{"TUMBLING": Tumbling, "HOPPING": Hopping, "SLIDING": Sliding}[r.Kind]
	kind := tokenSpan(r.Tokens[1])
	switch {
	case w.Kind == Hopping && w.Advance == nil:
		b.fail(kind, CodeClause, "a HOPPING window needs ADVANCE BY", "", "WINDOW HOPPING (SIZE "+w.Size.Text+", ADVANCE BY ...)")
	case w.Kind == Tumbling && w.Advance != nil:
		b.fail(kind, CodeClause, "a TUMBLING window has no ADVANCE BY", "did you mean HOPPING?")
	case w.Kind == Sliding && w.Advance != nil:
		b.fail(kind, CodeClause, "a SLIDING window has no ADVANCE BY", "did you mean HOPPING?", "a SLIDING window is read as of each emission: EMIT EVERY "+w.Advance.Text)
	}
	return w
}

func (b *builder) duration(r *durationRule) *Interval {
	if r.Interval != "" {
		return &Interval{r.span(), b.text(r.Tokens[1]), false}
	}
	return &Interval{r.span(), b.length(r.Tokens[0], r.Tokens[1]), true}
}

// length makes the text of an interval from a number and a unit.
func (b *builder) length(count, unit lexer.Token) string {
	word := upperASCII(unit.Value)
	for _, u := range units {
		if u == word {
			return count.Value + " " + word
		}
	}
	message := "unknown unit of time " + unit.Value
	switch strings.TrimSuffix(word, "S") {
	case "MONTH", "YEAR", "QUARTER":
		b.fail(tokenSpan(unit), CodeUnit, message, "has no fixed length", "write it in DAYS or WEEKS")
	default:
		b.fail(tokenSpan(unit), CodeUnit, message, keywordLabel(Suggest(word, units[:plurals])), "units: MILLISECONDS, SECONDS, MINUTES, HOURS, DAYS, WEEKS")
	}
	return count.Value + " SECONDS"
}

func (b *builder) order(r *orderRule) *Order {
	return &Order{r.span(), b.expr(r.Expr), r.Dir == "DESC", map[string]Nulls{"FIRST": NullsFirst, "LAST": NullsLast}[r.Nulls]}
}

func (b *builder) emit(r *emitRule) *Emit {
	if r.Every != nil {
		return &Emit{r.span(), EmitEvery, b.duration(r.Every)}
	}
	return &Emit{Span: r.span(), Kind: map[string]EmitKind{"FINAL": EmitFinal, "CHANGES": EmitChanges}[r.Kind]}
}

func (b *builder) name(r *nameRule) *Ident { return b.ident(r.Tokens[0]) }

func (b *builder) ident(t lexer.Token) *Ident { return b.tokens[t.Pos.Line].ident() }

// ident reads the token's raw text, because a keyword's value is in upper case.
func (t *Token) ident() *Ident {
	if t.class == classQuoted {
		s := strings.ReplaceAll(t.raw[1:len(t.raw)-1], `""`, `"`)
		return &Ident{t.Span, s, s, true}
	}
	return &Ident{t.Span, Fold(t.raw), t.raw, false}
}

func (b *builder) number(t lexer.Token) *Number {
	n := &Number{Span: tokenSpan(t), Text: t.Value}
	switch {
	case strings.ContainsAny(t.Value, "eE"):
		n.Kind = Double
	case strings.Contains(t.Value, "."):
		n.Kind = Decimal
	}
	return n
}

// canonicalTypes maps every spelling to the type's one name, foreignTypes those we do not have
// to the nearest that we have.
var (
	canonicalTypes = map[string]string{
		"BOOLEAN": "BOOLEAN", "BOOL": "BOOLEAN", "INTEGER": "INTEGER", "INT": "INTEGER", "INT4": "INTEGER",
		"BIGINT": "BIGINT", "INT8": "BIGINT", "DOUBLE PRECISION": "DOUBLE PRECISION", "DOUBLE": "DOUBLE PRECISION",
		"FLOAT8": "DOUBLE PRECISION", "FLOAT": "DOUBLE PRECISION", "DECIMAL": "DECIMAL", "NUMERIC": "DECIMAL", "DEC": "DECIMAL",
		"VARCHAR": "VARCHAR", "CHARACTER VARYING": "VARCHAR", "CHAR VARYING": "VARCHAR", "TEXT": "TEXT",
		"TIMESTAMP": "TIMESTAMP", "DATE": "DATE", "INTERVAL": "INTERVAL",
	}
	typeNames    = strings.Split("BOOLEAN,INTEGER,BIGINT,DOUBLE PRECISION,DECIMAL,NUMERIC,VARCHAR,TEXT,TIMESTAMP,DATE,INTERVAL,INT,BOOL,FLOAT", ",")
	foreignTypes = map[string]string{
		"STRING": "TEXT", "CHAR": "VARCHAR", "CHARACTER": "VARCHAR", "LONG": "BIGINT", "SMALLINT": "INTEGER", "INT2": "INTEGER",
		"REAL": "DOUBLE PRECISION", "FLOAT4": "DOUBLE PRECISION", "DATETIME": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMP", "MONEY": "DECIMAL(12,2)",
	}
)

func (b *builder) typ(r *typeRule) *Type {
	name := b.name(r.Name)
	word := upperASCII(name.Name)
	if r.Second != "" {
		word += " " + r.Second
	}
	t := &Type{Span: r.span(), Name: canonicalTypes[word]}
	if t.Name == "" || name.Quoted {
		label := keywordLabel(Suggest(word, typeNames))
		if f := foreignTypes[word]; f != "" {
			label = "write " + f
		}
		b.fail(t.Span, CodeType, "unknown type "+word, label, "types: BOOLEAN, INTEGER, BIGINT, DOUBLE PRECISION, DECIMAL(p,s), VARCHAR, TEXT, TIMESTAMP, DATE")
	}
	for _, a := range r.Args {
		n, err := strconv.Atoi(a)
		if err != nil || n > 1_000_000 {
			b.fail(t.Span, CodeNumber, "a type takes small whole numbers, found "+a, "")
		}
		t.Args = append(t.Args, n)
	}
	most := map[string]int{"DECIMAL": 2, "VARCHAR": 1}[t.Name]
	if t.Name != "" && len(t.Args) > most {
		b.fail(t.Span, CodeType, "too many numbers after "+t.Name, "", "DECIMAL(precision, scale) takes two, VARCHAR(length) one, other types none")
	}
	if r.Zone != "" && t.Name != "TIMESTAMP" || r.Zone == "WITH" {
		b.fail(t.Span, CodeType, "a time zone belongs to no type here", "write TIMESTAMP", "TIMESTAMP is UTC; WITH (timezone = '...') on a stream says what zone its text is in")
	}
	return t
}
