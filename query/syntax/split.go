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
// out and blames the last one of the file. The first suspect is blamed instead, and the rest of
// the file reads normally.
func lexFile(text string) []Token {
	tokens := Lex(text)
	for range maxFaulty {
		n := len(tokens)
		if n == 0 || tokens[n-1].fault == nil || tokens[n-1].fault.open != "quote" {
			break
		}
		i, end, fault := suspect(text, tokens)
		if fault == nil {
			break
		}
		l := scanner{text: text, pos: tokens[i].Start, tokens: tokens[:i:i]}
		l.emitFault(classInvalid, end, fault)
		for l.next() {
		}
		tokens = l.tokens
	}
	return tokens
}

// suspect finds the text that a quote was forgotten in: one that runs into a word, as in 'it's',
// or one that runs over the end of its line. It returns the text's token, where it may have
// been meant to end, and what to say; no fault when there is none.
func suspect(text string, tokens []Token) (int, int, *lexFault) {
	for i, t := range tokens {
		if t.class != classString && (t.fault == nil || t.fault.open != "quote") {
			continue
		}
		line := text[t.Start:]
		if n := strings.IndexByte(line, '\n'); n >= 0 {
			line = line[:n]
		}
		if t.fault == nil && i+1 < len(tokens) && tokens[i+1].Start == t.End && nameLength(text[t.End:]) > 0 {
			if n := strings.IndexByte(line[min(len(line), t.End-t.Start):], '\''); n >= 0 {
				return i, t.End + n + 1, &lexFault{code: CodeOpen, message: "a quote inside a text is written twice", label: "write " + text[t.Start:t.End] + "'" + text[t.End:t.End+n+1]}
			}
		}
		if len(line) < t.End-t.Start {
			if n := strings.IndexByte(line, ';'); n > 0 {
				line = line[:n]
			}
			return i, t.Start + len(line), openQuote()
		}
	}
	return 0, 0, nil
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
