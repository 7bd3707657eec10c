package syntax

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// What a text may ask of the parser.
const (
	maxText    = 1 << 20 // bytes
	maxTokens  = 100_000 // of one statement
	maxDepth   = 200     // parentheses and CASEs inside one another; signs and NOTs in a row
	maxFaulty  = 100     // statements, after which the rest is not looked at
	maxRepairs = 5       // faults of one statement
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
		if faulty == maxFaulty {
			at := c.tokens[0].Span
			diags = append(diags, Diagnostic{Code: CodeLimit, Message: fmt.Sprintf("%d faulty statements, the rest was not checked", faulty), Span: at})
			break
		}
		s, d := parseChunk(c)
		if len(d) > 0 {
			faulty++
			diags = append(diags, d...)
		} else {
			list = append(list, s)
		}
	}
	return list, diags
}

// ParseExpr turns a text into one expression.
func ParseExpr(text string) (Expr, []Diagnostic) {
	c := chunk{tokens: withoutComments(Lex(text)), end: Span{len(text), len(text)}}
	x, diags, _ := parseWith(exprParser(), c, (*builder).expr)
	return x, diags
}

// parseChunk parses one statement, and what follows it where a `;` seems to be missing.
func parseChunk(c chunk) (s Statement, all []Diagnostic) {
	for range maxFaulty {
		one, diags, rest := parseWith(statementParser(), c, (*builder).statement)
		if all = append(all, diags...); len(all) == 0 {
			return one, nil
		}
		if c.tokens = rest; rest == nil {
			break
		}
	}
	return nil, all
}

// parseWith parses the tokens of a chunk. A fault that has an obvious repair is reported and
// repaired, so that those behind it are found too. When a `;` seems to be missing, rest is what
// follows it.
func parseWith[R, N any](parser *participle.Parser[R], c chunk, build func(*builder, *R) N) (tree N, diags []Diagnostic, rest []Token) {
	if d := c.refuse(); d != nil {
		return tree, []Diagnostic{*d}, nil
	}
	for {
		r, fail := parseRules(parser, c.tokens)
		if fail == nil {
			b := &builder{tokens: c.tokens}
			built := build(b, r)
			if diags = append(diags, b.diags...); len(diags) == 0 {
				tree = built
			}
			return tree, diags, nil
		}
		d := explain(c, *fail, probe(parser))
		diags = append(diags, d.Diagnostic)
		if d.repaired == nil || len(diags) == maxRepairs {
			return tree, diags, d.rest
		}
		c.tokens = d.repaired
	}
}

// refuse names what makes parsing the statement pointless.
func (c *chunk) refuse() *Diagnostic {
	if t := c.fault(); t != nil {
		f := t.fault
		return &Diagnostic{Code: f.code, Message: f.message, Span: t.Span, Label: f.label, Notes: f.notes}
	}
	if n := len(c.tokens); n > maxTokens {
		return &Diagnostic{Code: CodeLimit, Message: fmt.Sprintf("a statement of %d words is too long, at most %d are allowed", n, maxTokens), Span: c.tokens[0].Span}
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

// Lookahead 0 commits a rule to the first token it takes; see grammar.go. Each parser is built when
// the first text comes: that takes some milliseconds, which commands that parse nothing, or no single
// expressions, need not wait for.
var (
	statementParser = sync.OnceValue(func() *participle.Parser[statementRule] {
		return participle.MustBuild[statementRule](participle.Lexer(symbols{}), participle.UseLookahead(0))
	})
	exprParser = sync.OnceValue(func() *participle.Parser[exprRule] {
		return participle.MustBuild[exprRule](participle.Lexer(symbols{}), participle.UseLookahead(0))
	})
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

// feed hands tokens to participle. What it calls line and column are here the token's index in the
// statement and where it ends: they come back with every rule and every error, where line and
// column would be of no use.
type feed struct {
	tokens []Token
	next   int
}

// Next gives the next token.
func (f *feed) Next() (lexer.Token, error) {
	if f.next == len(f.tokens) {
		return lexer.EOFToken(lexer.Position{Line: f.next}), nil
	}
	t := f.tokens[f.next]
	f.next++
	return lexer.Token{Type: lexer.TokenType(t.class), Value: t.value, Pos: lexer.Position{Offset: t.Start, Column: t.End, Line: f.next - 1}}, nil
}
