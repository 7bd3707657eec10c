package syntax

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// What a text may ask of the parser.
const (
	maxText  = 1 << 20 // bytes
	maxDepth = 200     // parentheses and CASEs inside one another; signs and NOTs in a row
	maxDiags = 100     // faulty statements that are reported one by one
)

// Parse turns a text into its statements, and reports every statement that is none; those are
// left out. Diagnostics are in the order of the text.
func Parse(text string) ([]Statement, []Diagnostic) {
	if len(text) > maxText {
		return nil, []Diagnostic{{Code: CodeLimit, Message: fmt.Sprintf("the text has %d bytes, at most %d are allowed", len(text), maxText)}}
	}
	var (
		list   []Statement
		diags  []Diagnostic
		faulty int
	)
	for _, c := range split(text, lexFile(text)) {
		s, d := parseChunk(c)
		if len(d) == 0 {
			list = append(list, s)
		} else if faulty++; faulty <= maxDiags {
			diags = append(diags, d...)
		}
	}
	if faulty > maxDiags {
		diags = append(diags, Diagnostic{Code: CodeLimit, Message: fmt.Sprintf("%d more faulty statements", faulty-maxDiags), Span: Span{len(text), len(text)}})
	}
	return list, diags
}

// ParseExpr turns a text into one expression.
func ParseExpr(text string) (Expr, []Diagnostic) {
	c := chunk{tokens: withoutComments(Lex(text)), end: Span{len(text), len(text)}}
	if d := c.refuse(); d != nil {
		return nil, []Diagnostic{*d}
	}
	r, fail := parseRules(exprParser, c.tokens)
	if fail != nil {
		return nil, []Diagnostic{explain(c, *fail, probe(exprParser))}
	}
	b := &builder{tokens: c.tokens}
	x := b.expr(r)
	if len(b.diags) > 0 {
		return nil, b.diags
	}
	return x, nil
}

// parseChunk parses one statement, and what follows it where a `;` seems to be missing.
func parseChunk(c chunk) (Statement, []Diagnostic) {
	if d := c.refuse(); d != nil {
		return nil, []Diagnostic{*d}
	}
	r, fail := parseRules(statementParser, c.tokens)
	if fail == nil {
		b := &builder{tokens: c.tokens}
		return b.statement(r), b.diags
	}
	var diags []Diagnostic
	for fail != nil && c.missingSemicolon(*fail) && len(diags) < maxDiags {
		diags = append(diags, Diagnostic{Code: CodeExpected, Message: "expected ;, found " + c.found(fail.index), Span: c.tokens[fail.index].Span, Label: "is a ; missing before it?"})
		c.tokens = c.tokens[fail.index:]
		if r, fail = parseRules(statementParser, c.tokens); fail == nil {
			b := &builder{tokens: c.tokens}
			b.statement(r)
			diags = append(diags, b.diags...)
		}
	}
	if fail != nil {
		diags = append(diags, explain(c, *fail, probe(statementParser)))
	}
	return nil, diags
}

// refuse names what makes parsing the statement pointless.
func (c *chunk) refuse() *Diagnostic {
	if t := c.fault(); t != nil {
		f := t.fault
		return &Diagnostic{Code: f.code, Message: f.message, Span: t.Span, Label: f.label, Notes: f.notes}
	}
	return checkDepth(c.tokens)
}

// checkDepth refuses what would make the parser, and whoever walks the tree, recurse too deep.
func checkDepth(tokens []Token) *Diagnostic {
	depth, prefix := 0, 0
	for _, t := range tokens {
		switch t.value {
		case "(", "CASE":
			depth++
		case ")", "END":
			depth--
		}
		if t.value == "-" || t.value == "+" || t.value == "NOT" {
			prefix++
		} else {
			prefix = 0
		}
		if depth > maxDepth || prefix > maxDepth {
			return &Diagnostic{Code: CodeLimit, Message: fmt.Sprintf("nested more than %d deep", maxDepth), Span: t.Span, Label: "too deep here"}
		}
	}
	return nil
}

// failure is where the grammar could not go on.
type failure struct {
	index  int    // of the token; len(tokens) at the end of the statement
	expect string // the grammar from there on, as EBNF; empty: an operand, or nothing more
	whole  bool   // a whole statement had been read
}

// Lookahead 0 commits a rule to the first token it takes; see grammar.go.
var (
	statementParser = participle.MustBuild[statementRule](participle.Lexer(symbols{}), participle.UseLookahead(0))
	exprParser      = participle.MustBuild[exprRule](participle.Lexer(symbols{}), participle.UseLookahead(0))
)

// parseRules runs the grammar over one statement.
func parseRules[R any](parser *participle.Parser[R], tokens []Token) (*R, *failure) {
	peeking, err := lexer.Upgrade(&feed{tokens: tokens})
	if err != nil {
		panic(err) // a feed has no errors
	}
	r, err := parser.ParseFromLexer(peeking, participle.AllowTrailing(true))
	if err == nil {
		if next := peeking.Peek(); !next.EOF() {
			return nil, &failure{index: next.Pos.Line, whole: true}
		}
		return r, nil
	}
	var unexpected *participle.UnexpectedTokenError
	if !errors.As(err, &unexpected) {
		panic(err) // tags of ours that participle cannot fill
	}
	_, expect, _ := strings.Cut(unexpected.Message(), " (expected ")
	return nil, &failure{index: unexpected.Unexpected.Pos.Line, expect: strings.TrimSuffix(expect, ")")}
}

// symbols names the classes of tokens for the grammar's tags. The parser reads only from feeds.
type symbols struct{}

func (symbols) Symbols() map[string]lexer.TokenType {
	return map[string]lexer.TokenType{
		"EOF": lexer.EOF, "Ident": lexer.TokenType(classIdent), "Quoted": lexer.TokenType(classQuoted),
		"Word": lexer.TokenType(classWord), "Label": lexer.TokenType(classLabel), "Reserved": lexer.TokenType(classReserved),
		"Number": lexer.TokenType(classNumber), "String": lexer.TokenType(classString), "Op": lexer.TokenType(classOp),
	}
}

// Lex is what participle asks of a lexer's definition.
func (symbols) Lex(_ string, r io.Reader) (lexer.Lexer, error) {
	text, err := io.ReadAll(r)
	return &feed{tokens: withoutComments(Lex(string(text)))}, err
}

// feed hands tokens to participle. A token's line is its index in the statement: it comes back
// with every rule and every error, where a line would be of no use.
type feed struct {
	tokens []Token
	next   int
}

// Next gives the next token; a Value is always as long as the token's text.
func (f *feed) Next() (lexer.Token, error) {
	if f.next == len(f.tokens) {
		return lexer.EOFToken(lexer.Position{Line: f.next}), nil
	}
	t := f.tokens[f.next]
	f.next++
	return lexer.Token{Type: lexer.TokenType(t.class), Value: t.value, Pos: lexer.Position{Offset: t.Start, Line: f.next - 1}}, nil
}
