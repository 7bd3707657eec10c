package syntax

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2/lexer"
)

// maxChain is how many operators may follow one another without parentheses. Such chains lean
// to the left, as deep as they are long, and whoever walks the tree recurses that deep.
const maxChain = 10_000

func (b *builder) exprOrNil(r *exprRule) Expr {
	if r == nil {
		return nil
	}
	return b.expr(r)
}

func (b *builder) expr(r *exprRule) Expr {
	return chain(b, "OR", r.span(), r.Terms, b.and, func(t *andRule) *at { return &t.at })
}

func (b *builder) and(r *andRule) Expr {
	return chain(b, "AND", r.span(), r.Terms, b.not, func(t *notRule) *at { return &t.at })
}

// chain groups a OP b OP c to the left.
func chain[T any](b *builder, op string, all Span, terms []T, build func(T) Expr, place func(T) *at) Expr {
	b.tooLong(len(terms), all)
	x := build(terms[0])
	for _, t := range terms[1:] {
		a := place(t)
		x = &Binary{Span{all.Start, a.span().End}, op, b.before(a), x, build(t)}
	}
	return x
}

// before returns the place of the token before a rule: its operator.
func (b *builder) before(a *at) Span { return b.tokens[a.Tokens[0].Pos.Line-1].Span }

func (b *builder) tooLong(n int, at Span) {
	if n > maxChain {
		b.fail(at, CodeLimit, "an expression of "+strconv.Itoa(n)+" operands is too long", "", "at most "+strconv.Itoa(maxChain))
	}
}

func (b *builder) not(r *notRule) Expr {
	x := b.predicate(r.X)
	for i := len(r.Nots) - 1; i >= 0; i-- {
		x = &Unary{Span{r.Tokens[i].Pos.Offset, r.span().End}, "NOT", x}
	}
	return x
}

// tails is the rest of a predicate while it is grouped by precedence: IS binds loosest, then
// comparison, then LIKE, IN and BETWEEN.
type tails struct {
	b    *builder
	rest []*tailRule
}

func (b *builder) predicate(r *predicateRule) Expr {
	b.tooLong(len(r.Tails), r.span())
	t := tails{b, r.Tails}
	x, _ := t.climb(b.arith(r.X), r.X.span(), precIs)
	return x
}

func (t *tailRule) prec() int {
	switch {
	case t.Is != nil:
		return precIs
	case t.Compare != "":
		return precCompare
	}
	return precMatch
}

// climb takes what binds at least as tight as prec to what is on the left, whose place with
// parentheses is at.
func (t *tails) climb(left Expr, at Span, prec int) (Expr, Span) {
	for len(t.rest) > 0 && t.rest[0].prec() >= prec {
		r := t.rest[0]
		t.rest = t.rest[1:]
		at.End = r.span().End
		switch {
		case r.Compare != "":
			left, at = t.compare(left, at, r)
		case r.Is != nil:
			left, at = t.is(left, at, r)
		case r.NotMatch != nil:
			left = t.b.match(left, at, r.NotMatch, true, r.Tokens[0])
		default:
			left = t.b.match(left, at, r.Match, false, r.Tokens[0])
		}
	}
	return left, at
}

func (t *tails) compare(left Expr, at Span, r *tailRule) (Expr, Span) {
	op := r.Compare
	if op == "!=" {
		op = "<>"
	}
	right, rightAt := t.climb(t.b.arith(r.Right), r.Right.span(), precCompare+1)
	at.End = rightAt.End
	if len(t.rest) > 0 && t.rest[0].Compare != "" {
		next := t.rest[0]
		t.b.fail(tokenSpan(next.Tokens[0]), CodeChain, "comparisons do not chain", "", "write two of them, joined with AND")
	}
	return &Binary{at, op, tokenSpan(r.Tokens[0]), left, right}, at
}

func (t *tails) is(left Expr, at Span, r *tailRule) (Expr, Span) {
	if r.Is.Distinct == nil {
		return &Is{at, left, r.Is.Not != "", r.Is.What}, at
	}
	op := "IS DISTINCT FROM"
	if r.Is.Not != "" {
		op = "IS NOT DISTINCT FROM"
	}
	right, rightAt := t.climb(t.b.arith(r.Is.Distinct), r.Is.Distinct.span(), precIs+1)
	at.End = rightAt.End
	return &Binary{at, op, tokenSpan(r.Tokens[0]).To(t.b.before(&r.Is.Distinct.at)), left, right}, at
}

func (b *builder) match(left Expr, at Span, r *matchRule, not bool, first lexer.Token) Expr {
	switch {
	case r.Like != "":
		op := r.Like
		if not {
			op = "NOT " + op
		}
		return &Binary{at, op, tokenSpan(first).To(tokenSpan(r.Tokens[0])), left, b.arith(r.Pattern)}
	case r.In != nil:
		return &In{at, left, not, each(r.In, b.expr)}
	}
	return &Between{at, left, not, b.arith(r.Lo), b.arith(r.Hi)}
}

// arith groups || + - * / % by precedence, all to the left.
func (b *builder) arith(r *arithRule) Expr {
	b.tooLong(len(r.Rest), r.span())
	rest := r.Rest
	x, _ := b.climbArith(b.operand(r.First), r.First.span(), &rest, precConcat)
	return x
}

func (b *builder) climbArith(left Expr, at Span, rest *[]*arithTailRule, prec int) (Expr, Span) {
	for len(*rest) > 0 && binaryPrec[(*rest)[0].Op] >= prec {
		r := (*rest)[0]
		*rest = (*rest)[1:]
		right, rightAt := b.climbArith(b.operand(r.X), r.X.span(), rest, binaryPrec[r.Op]+1)
		at.End = rightAt.End
		left = &Binary{at, r.Op, tokenSpan(r.Tokens[0]), left, right}
	}
	return left, at
}

func (b *builder) operand(r *operandRule) Expr {
	x := b.primary(r.X)
	start := r.X.span().Start
	if len(r.Casts) > maxDepth {
		b.fail(r.span(), CodeLimit, "more than "+strconv.Itoa(maxDepth)+" casts of one value", "")
	}
	for _, c := range r.Casts {
		x = &Cast{Span{start, c.span().End}, x, b.typ(c), true}
	}
	for i := len(r.Signs) - 1; i >= 0; i-- {
		x = &Unary{Span{r.Tokens[i].Pos.Offset, r.span().End}, r.Signs[i], x}
	}
	return x
}

func (b *builder) primary(r *primaryRule) Expr {
	at := r.span()
	switch {
	case r.Number != "":
		return b.number(r.Tokens[0])
	case r.String != "":
		return &String{at, b.text(r.Tokens[0])}
	case r.Bool != "":
		return &Bool{at, r.Bool == "TRUE"}
	case r.Null:
		return &Null{at}
	case r.Case != nil:
		return b.caseOf(r.Case)
	case r.Cast != nil:
		return &Cast{at, b.expr(r.Cast.X), b.typ(r.Cast.Type), false}
	case r.Interval != "":
		return &Interval{at, b.text(r.Tokens[1]), false}
	case r.Time != "":
		return &TimeLiteral{at, r.Time, b.text(r.Tokens[1])}
	case r.Extract != nil, r.Substring != nil, r.Trim != nil, r.Position != nil:
		return b.special(r)
	case r.Paren != nil:
		return b.expr(r.Paren)
	}
	return b.ref(r.Ref)
}

func (b *builder) caseOf(r *caseRule) Expr {
	c := &Case{Span: r.span(), Operand: b.exprOrNil(r.Operand), Else: b.exprOrNil(r.Else)}
	for _, w := range r.Whens {
		c.Whens = append(c.Whens, &When{w.span(), b.expr(w.Cond), b.expr(w.Then)})
	}
	return c
}

func (b *builder) ref(r *refRule) Expr {
	name := b.name(r.Name)
	switch {
	case r.Member != nil:
		return &ColumnRef{r.span(), name, b.name(r.Member)}
	case r.Args == nil:
		return &ColumnRef{r.span(), nil, name}
	}
	a := r.Args
	c := &Call{Span: r.span(), Name: name, Func: upperASCII(name.Name), Args: each(a.Args, b.expr), Star: a.Star, Distinct: a.Distinct, Filter: b.exprOrNil(a.Filter)}
	if c.Star && (c.Distinct || len(c.Args) > 0) {
		b.fail(tokenSpan(a.Tokens[1]), CodeClause, "* stands alone in "+name.Raw+"(*)", "")
	} else if c.Distinct && len(c.Args) == 0 {
		b.fail(tokenSpan(a.Tokens[1]), CodeExpected, "expected an expression after DISTINCT", "")
	}
	return c
}

// special makes calls of the forms with words between their arguments.
func (b *builder) special(r *primaryRule) Expr {
	at := r.span()
	call := func(name *nameRule, fn string, form CallForm, args ...Expr) *Call {
		c := &Call{Span: at, Name: b.name(name), Func: fn, Form: form}
		for _, a := range args {
			if a != nil {
				c.Args = append(c.Args, a)
			}
		}
		return c
	}
	switch {
	case r.Extract != nil:
		return call(r.Extract.Name, "EXTRACT", CallExtract, b.extractField(r.Extract), b.expr(r.Extract.X))
	case r.Position != nil:
		return call(r.Position.Name, "POSITION", CallPosition, b.arith(r.Position.What), b.arith(r.Position.In))
	case r.Trim != nil:
		return b.trim(r.Trim, call)
	}
	s := r.Substring
	switch {
	case s.From != nil:
		return call(s.Name, "SUBSTRING", CallSubstring, b.expr(s.X), b.expr(s.From), b.exprOrNil(s.For))
	case s.For2 != nil:
		one := &Number{Span: s.For2.span(), Text: "1"}
		return call(s.Name, "SUBSTRING", CallSubstring, b.expr(s.X), one, b.expr(s.For2))
	}
	return call(s.Name, "SUBSTRING", CallPlain, append([]Expr{b.expr(s.X)}, each(s.More, b.expr)...)...)
}

func (b *builder) extractField(r *extractRule) *String {
	t := r.Tokens[2]
	if b.tokens[t.Pos.Line].class == classString {
		return &String{tokenSpan(t), Fold(b.text(t))}
	}
	return &String{tokenSpan(t), Fold(b.ident(t).Name)}
}

func (b *builder) trim(r *trimRule, call func(*nameRule, string, CallForm, ...Expr) *Call) Expr {
	switch {
	case r.Side != "":
		fn := map[string]string{"LEADING": "LTRIM", "TRAILING": "RTRIM", "BOTH": "TRIM"}[r.Side]
		return call(r.Name, fn, CallTrim, b.expr(r.Of), b.exprOrNil(r.Chars))
	case r.From != nil:
		return call(r.Name, "TRIM", CallTrim, b.expr(r.From), b.expr(r.X))
	}
	return call(r.Name, "TRIM", CallPlain, append([]Expr{b.expr(r.X)}, each(r.More, b.expr)...)...)
}

// text decodes a string literal.
func (b *builder) text(t lexer.Token) string {
	if t.Value[0] == '\'' {
		return strings.ReplaceAll(t.Value[1:len(t.Value)-1], "''", "'")
	}
	s, bad := unescape(t.Value[2 : len(t.Value)-1])
	if bad != "" {
		b.fail(tokenSpan(t), CodeEscape, "bad escape "+bad+" in a text", "", `escapes: \n \t \r \b \f \\ \' \x41 \101 \u20AC; without E in front of the quote a \ is just a \`)
	}
	return s
}

var simpleEscapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f'}

// unescape decodes the inside of E'..' as PostgreSQL does; bad is the first escape that is none.
func unescape(s string) (out string, bad string) {
	var buf []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			i++ // written twice
			buf = append(buf, '\'')
			continue
		}
		if s[i] != '\\' || i+1 == len(s) {
			buf = append(buf, s[i])
			continue
		}
		i++
		if c, ok := simpleEscapes[s[i]]; ok {
			buf = append(buf, c)
			continue
		}
		base, skip, least, most := 0, 1, 0, 0
		switch {
		case s[i] == 'x':
			base, least, most = 16, 1, 2
		case s[i] == 'u':
			base, least, most = 16, 4, 4
		case s[i] == 'U':
			base, least, most = 16, 8, 8
		case s[i] >= '0' && s[i] <= '7':
			base, skip, least, most = 8, 0, 1, 3
		default:
			buf = append(buf, s[i])
			continue
		}
		end := i + skip
		for end < len(s) && end < i+skip+most && isDigitOf(s[end], base) {
			end++
		}
		n, err := strconv.ParseUint(s[i+skip:end], base, 32)
		wide := s[i] == 'u' || s[i] == 'U'
		if err != nil || end < i+skip+least || n == 0 || !wide && n > 255 || wide && !utf8.ValidRune(rune(n)) {
			return "", `\` + s[i:end]
		}
		if wide {
			buf = utf8.AppendRune(buf, rune(n))
		} else {
			buf = append(buf, byte(n))
		}
		i = end - 1
	}
	if !utf8.Valid(buf) {
		return "", `\x (the bytes are not UTF-8)`
	}
	return string(buf), ""
}

func isDigitOf(c byte, base int) bool {
	if base == 8 {
		return c >= '0' && c <= '7'
	}
	return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0
}
