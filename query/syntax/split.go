package syntax

import "strings"

// A text is cut into statements before anything is parsed: each `;` of the lexer ends one. So a
// fault stays in its statement, and the prompt knows without parsing when one is complete.

// chunk is the tokens of one statement without comments, and where it ends: at the `;` or at the
// end of the text.
type chunk struct {
	tokens []Token
	end    Span // the `;`, empty at the end of the text
}

// fault returns the first token that is none.
func (c *chunk) fault() *Token {
	for i := range c.tokens {
		if c.tokens[i].fault != nil {
			return &c.tokens[i]
		}
	}
	return nil
}

// split cuts tokens into chunks; empty statements leave none.
func split(text string, tokens []Token) []chunk {
	var out []chunk
	begin := 0
	cut := func(i int, end Span) {
		c := chunk{tokens: withoutComments(tokens[begin:i]), end: end}
		if len(c.tokens) > 0 {
			out = append(out, c)
		}
		begin = i + 1
	}
	for i, t := range tokens {
		if t.class == classOp && t.value == ";" {
			cut(i, t.Span)
		}
	}
	if begin < len(tokens) {
		cut(len(tokens), Span{len(text), len(text)})
	}
	return out
}

func withoutComments(tokens []Token) []Token {
	out := make([]Token, 0, len(tokens))
	for _, t := range tokens {
		if t.class != classComment {
			out = append(out, t)
		}
	}
	return out
}

// lexFile is Lex with a guess where a quote that is open at the end of the text was forgotten.
// The lexer pairs quotes from the front, so one forgotten quote turns every later text inside
// out and blames the last one of the file. The first text that runs over a line end is the
// likelier culprit: it is taken to end at its line's end, and the rest of the file reads normally.
func lexFile(text string) []Token {
	tokens := Lex(text)
	for len(tokens) > 0 {
		last := tokens[len(tokens)-1]
		if last.fault == nil || last.fault.open != "quote" {
			return tokens
		}
		i := 0
		for tokens[i].class != classString && i < len(tokens)-1 || !strings.Contains(text[tokens[i].Start:tokens[i].End], "\n") {
			if i++; i == len(tokens) {
				return tokens
			}
		}
		end := tokens[i].Start + strings.IndexByte(text[tokens[i].Start:], '\n')
		if semi := strings.IndexByte(text[tokens[i].Start:end], ';'); semi > 0 {
			end = tokens[i].Start + semi
		}
		l := scanner{text: text, pos: tokens[i].Start, tokens: tokens[:i:i]}
		l.emitFault(classInvalid, end, openQuote())
		for l.next() {
		}
		if len(l.tokens) > 0 && l.tokens[len(l.tokens)-1].Start <= tokens[i].Start {
			return l.tokens
		}
		tokens = l.tokens
		if countFaults(tokens) > 20 {
			return tokens
		}
	}
	return tokens
}

func countFaults(tokens []Token) int {
	n := 0
	for _, t := range tokens {
		if t.fault != nil {
			n++
		}
	}
	return n
}

// Open is what a text still waits for.
type Open uint8

// Nothing is open in a complete text. Statement means that only the `;` is missing.
const (
	OpenNothing Open = iota
	OpenStatement
	OpenParen
	OpenQuote
	OpenName
	OpenComment
)

// String names what is open, for a prompt: "(" for a parenthesis.
func (o Open) String() string {
	return []string{"", ";", "(", "'", `"`, "/*"}[o]
}

// Complete tells whether the text ends behind a `;` (or holds no statement at all), and what is
// open when not. A `;` completes a statement whatever parentheses are open, because the parser
// will say so.
func Complete(text string) (bool, Open) {
	tokens := Lex(text)
	if n := len(tokens); n > 0 && tokens[n-1].fault != nil {
		switch tokens[n-1].fault.open {
		case "quote":
			return false, OpenQuote
		case "name":
			return false, OpenName
		case "comment":
			return false, OpenComment
		}
	}
	depth, open := 0, false
	for _, t := range tokens {
		switch {
		case t.class == classComment:
		case t.class == classOp && t.value == ";":
			depth, open = 0, false
			continue
		case t.class == classOp && t.value == "(":
			depth++
		case t.class == classOp && t.value == ")":
			depth = max(0, depth-1)
		}
		open = open || t.class != classComment
	}
	switch {
	case depth > 0:
		return false, OpenParen
	case open:
		return false, OpenStatement
	}
	return true, OpenNothing
}
