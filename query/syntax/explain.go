package syntax

import (
	"slices"
	"strings"

	"github.com/alecthomas/participle/v2"
)

// A failure says only at which token the grammar could not go on. explain finds out what was
// meant by trying: it changes the statement in one place (a keyword of similar spelling, a comma
// more, a comma less) and parses it again, and when the grammar gets past the failure it says so.
// That needs no knowledge of the rules, so it holds for rules added later. A fault can also lie
// one word before the failure, because a misspelt keyword is a fine alias: FORM in
// SELECT a FORM orders.

// maxProbed is how long a statement may be, in tokens, to be parsed again and again.
const maxProbed = 5000

// explainer looks at one failure.
type explainer struct {
	chunk
	failure
	reach func([]Token) int // how many tokens of a changed statement the grammar takes
}

// probe returns how far a parser gets.
func probe[R any](parser *participle.Parser[R]) func([]Token) int {
	return func(tokens []Token) int {
		if _, f := parseRules(parser, tokens); f != nil {
			return f.index
		}
		return len(tokens) + 1
	}
}

// finding is what explain found out.
type finding struct {
	Diagnostic
	repaired []Token // the statement as it was probably meant; nil: unknown
	rest     []Token // what follows where a `;` seems to be missing
}

// explain words a failure. The order of the attempts matters: what is certain comes first.
func explain(c chunk, f failure, reach func([]Token) int) finding {
	e := &explainer{c, f, reach}
	attempts := []func() *finding{e.semicolon, e.foreign, e.clauseOrder, e.spelling, e.trailingComma, e.parens, e.missingComma, e.reserved}
	for _, attempt := range attempts {
		if d := attempt(); d != nil {
			return *d
		}
	}
	label, note := e.hint()
	d := e.finding(CodeExpected, "expected "+e.expected()+", found "+e.found(e.index), label)
	if note != "" {
		d.Notes = []string{note}
	}
	return *d
}

// place returns where the token at i stands, or the end of the statement.
func (c *chunk) place(i int) Span {
	switch {
	case i < len(c.tokens):
		return c.tokens[i].Span
	case c.end.Start == c.end.End && len(c.tokens) > 0:
		end := c.tokens[len(c.tokens)-1].End
		return Span{end, end}
	}
	return c.end
}

// found words the token at i.
func (c *chunk) found(i int) string {
	switch {
	case i < len(c.tokens):
		raw := c.tokens[i].raw
		if len(raw) > 40 {
			raw = strings.ToValidUTF8(raw[:37], "") + "..."
		}
		return strings.ReplaceAll(raw, "\n", " ")
	case c.end.Start < c.end.End:
		return ";"
	}
	return "the end of the text"
}

// is tells whether the token at i is one of these keywords or operators.
func (c *chunk) is(i int, values ...string) bool {
	return i >= 0 && i < len(c.tokens) && slices.Contains(values, c.tokens[i].value)
}

// word returns the token at i in upper case when it is a word that nobody quoted, else "".
func (c *chunk) word(i int) string {
	if i < 0 || i >= len(c.tokens) {
		return ""
	}
	switch c.tokens[i].class {
	case classIdent, classWord, classLabel, classReserved:
		return upperASCII(c.tokens[i].raw)
	}
	return ""
}

// semicolon finds another statement right behind a whole one.
func (e *explainer) semicolon() *finding {
	if !e.whole || !e.is(e.index, "CREATE", "SELECT") {
		return nil
	}
	d := e.finding(CodeExpected, "expected ;, found "+e.found(e.index), "is a ; missing before it?")
	d.rest = e.tokens[e.index:]
	return d
}

func (e *explainer) finding(code, message, label string, notes ...string) *finding {
	return e.findingAt(e.index, code, message, label, notes...)
}

func (e *explainer) findingAt(i int, code, message, label string, notes ...string) *finding {
	return &finding{Diagnostic: Diagnostic{Code: code, Message: message, Span: e.place(i), Label: label, Notes: notes}}
}

// change returns the statement with n tokens at i replaced.
func (e *explainer) change(i, n int, with ...Token) []Token {
	return slices.Concat(e.tokens[:i], with, e.tokens[i+n:])
}

func keywordToken(word string, at Span) Token {
	return Token{Span: at, class: keywords[word], value: word, raw: word}
}

// spelling tries the keywords that look like the word where the grammar stopped, and like the
// one before it, and takes the one with which it gets furthest, the earlier of two: SELECT a FORM
// orders would go on with ORDER in place of orders too, but not further than with FROM.
func (e *explainer) spelling() *finding {
	if len(e.tokens) > maxProbed {
		return nil
	}
	at, most := -1, e.index
	var best []string
	for _, i := range []int{e.index, e.index - 1} {
		word := e.word(i)
		if word == "" {
			continue
		}
		for _, k := range nearKeywords(word) {
			switch n := e.reach(e.change(i, 1, keywordToken(k, e.place(i)))); {
			case n > most, n == most && i < at:
				at, most, best = i, n, []string{k}
			case n == most && i == at && len(best) == 1:
				best = append(best, k)
			}
		}
	}
	if at < 0 {
		return nil
	}
	expected := best[0]
	if at == e.index && len(best) > 1 {
		expected = strings.Join(best, " or ")
	}
	d := e.findingAt(at, CodeExpected, "expected "+expected+", found "+e.found(at), keywordLabel(best))
	d.repaired = e.change(at, 1, keywordToken(best[0], e.place(at)))
	return d
}

// nearKeywords returns the keywords that word may have been meant to be, the nearest first.
func nearKeywords(word string) []string {
	limit := max(1, len(word)/3)
	var out []string
	for dist := 1; dist <= limit; dist++ {
		for _, k := range Keywords() {
			if editDistance(word, k, limit) == dist {
				out = append(out, k)
			}
		}
	}
	return out[:min(len(out), 6)]
}

// keywordLabel words suggestions that are keywords.
func keywordLabel(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(list, " or ") + "?"
}

// trailingComma finds a comma with nothing behind it.
func (e *explainer) trailingComma() *finding {
	i := e.index - 1
	if !e.is(i, ",") || len(e.tokens) > maxProbed || e.reach(e.change(i, 1)) <= i {
		return nil
	}
	d := e.findingAt(i, CodeExpected, "expected "+e.expected()+" after the comma, found "+e.found(e.index), "one comma too many?")
	d.repaired = e.change(i, 1)
	return d
}

// missingComma finds two items with nothing between them.
func (e *explainer) missingComma() *finding {
	if e.index == 0 || e.index >= len(e.tokens) || len(e.tokens) > maxProbed || e.tokens[e.index].class == classOp {
		return nil
	}
	at := e.place(e.index)
	with := e.change(e.index, 0, Token{Span: Span{at.Start, at.Start}, class: classOp, value: ",", raw: ","})
	if e.reach(with) <= e.index+1 {
		return nil
	}
	d := e.finding(CodeExpected, "expected a comma, found "+e.found(e.index), "is a comma missing before it?")
	d.repaired = with
	return d
}

// openParens returns the indexes of the parentheses that are open before i.
func (e *explainer) openParens(i int) []int {
	var open []int
	for j := range e.tokens[:min(i, len(e.tokens))] {
		if e.is(j, "(") {
			open = append(open, j)
		} else if e.is(j, ")") && len(open) > 0 {
			open = open[:len(open)-1]
		}
	}
	return open
}

// parens finds parentheses that do not pair.
func (e *explainer) parens() *finding {
	open := e.openParens(e.index)
	if len(open) == 0 {
		if e.is(e.index, ")") {
			return e.finding(CodeParen, "this ) closes nothing", "no ( is open here")
		}
		return nil
	}
	if !strings.HasPrefix(e.expect, `")"`) || e.is(e.index-1, "DISTINCT") {
		return nil
	}
	last := open[len(open)-1]
	behind := ""
	if last > 0 {
		behind = " after " + e.found(last-1)
	}
	if e.index >= len(e.tokens) {
		return e.findingAt(last, CodeParen, "this ( is not closed", "expected a ) before "+e.found(e.index))
	}
	if e.missingComma() != nil {
		return nil
	}
	return e.finding(CodeParen, "expected ), found "+e.found(e.index), "", "the ("+behind+" is not closed")
}

// nameRules are the rules that begin with a name.
var nameRules = []string{"NameRule", "FromRule", "ElementRule", "CreateStreamRule", "CreateAsRule", "WithRule", "OptionRule"}

// reserved finds a keyword where a name belongs.
func (e *explainer) reserved() *finding {
	rule := firstTerminal(e.expect)
	word := e.word(e.index)
	if !slices.Contains(nameRules, rule) || keywords[word] != classReserved || len(e.tokens) > maxProbed {
		return nil
	}
	name := Token{class: classIdent, value: "x", raw: "x"}
	if e.reach(e.change(e.index, 0, name))-1 > e.reach(e.change(e.index, 1, name)) {
		return nil // the name was left out
	}
	return e.finding(CodeName, "expected "+e.expected()+", found "+e.found(e.index), "a reserved word",
		"to use it as a name, write it in double quotes: \""+Fold(word)+"\"")
}

// hint adds what a reader may not know about the place.
func (e *explainer) hint() (label, note string) {
	i := e.index
	isText := i < len(e.tokens) && e.tokens[i].class == classString
	switch {
	case i == 0:
		return "", "a statement begins with CREATE, SELECT, WITH, SHOW, DESCRIBE or EXPLAIN"
	case e.is(i-1, "SELECT") && e.is(i, "FROM"):
		return "", "name columns, or write * for all of them"
	case isText && firstTerminal(e.expect) == "DurationRule":
		return "write INTERVAL " + e.found(i), ""
	case i == 1 && e.is(i, "VIEW"):
		return "did you mean MATERIALIZED VIEW?", ""
	case e.is(1, "TABLE", "METRIC") && e.is(i, "(") && firstTerminal(e.expect) == `"AS"`:
		return "", "a topic with columns is a STREAM; a " + e.tokens[1].value + " is made by AS SELECT"
	case e.is(i, "*") && e.is(i-1, "DISTINCT"):
		return "", "COUNT(*) counts rows, COUNT(DISTINCT x) different values"
	}
	return "", ""
}
