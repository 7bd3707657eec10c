package syntax

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is what a token is, for a reader that colours text.
type Kind uint8

// The kinds of tokens.
const (
	Keyword Kind = iota // also where it is used as a name
	Name                // also a function's or a type's
	QuotedName
	Text // a string in single quotes
	Num
	Operator // also brackets, commas and semicolons
	Comment
	Invalid // no token begins like this, or a quote or comment that never ends
)

// Token is one word of the text; white space lies between tokens.
type Token struct {
	Span
	Kind  Kind
	class tokenClass
	value string    // as the grammar sees it: keywords in upper case, all else as written
	raw   string    // as written
	fault *lexFault // Invalid only
}

// tokenClass is the kind of a token as the grammar needs it.
type tokenClass int

const (
	classIdent tokenClass = iota + 1
	classQuoted
	classWord
	classLabel
	classReserved
	classNumber
	classString
	classOp
	classComment
	classInvalid
)

var kindOfClass = map[tokenClass]Kind{
	classIdent: Name, classQuoted: QuotedName, classWord: Keyword, classLabel: Keyword, classReserved: Keyword,
	classNumber: Num, classString: Text, classOp: Operator, classComment: Comment, classInvalid: Invalid,
}

// lexFault says what is wrong with an Invalid token.
type lexFault struct {
	code    string
	message string
	label   string
	notes   []string
	open    string // what never ends: "quote", "name", "comment"; empty for other faults
}

// Lex splits a text into tokens, comments included. It never fails: what is no token becomes an
// Invalid one.
func Lex(text string) []Token {
	l := scanner{text: text}
	for l.next() {
	}
	return l.tokens
}

type scanner struct {
	text   string
	pos    int
	tokens []Token
}

func (l *scanner) emit(class tokenClass, end int) {
	l.emitFault(class, end, nil)
}

func (l *scanner) emitFault(class tokenClass, end int, fault *lexFault) {
	raw := l.text[l.pos:end]
	if (class == classString || class == classQuoted) && !utf8.ValidString(raw) {
		class, fault = classInvalid, &lexFault{code: CodeCharacter, message: "the text holds bytes that are not UTF-8"}
	}
	t := Token{Span: Span{l.pos, end}, class: class, Kind: kindOfClass[class], value: raw, raw: raw, fault: fault}
	if class == classIdent {
		upper := upperASCII(t.value)
		if c, ok := keywords[upper]; ok {
			t.class, t.Kind, t.value = c, Keyword, upper
		}
	}
	l.tokens = append(l.tokens, t)
	l.pos = end
}

// next adds one token; false at the end of the text.
func (l *scanner) next() bool {
	for l.pos < len(l.text) && strings.IndexByte(" \t\r\n\f\v", l.text[l.pos]) >= 0 {
		l.pos++
	}
	if l.pos == len(l.text) {
		return false
	}
	rest := l.text[l.pos:]
	c := rest[0]
	switch {
	case strings.HasPrefix(rest, "--"):
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		l.emit(classComment, l.pos+end)
	case strings.HasPrefix(rest, "/*"):
		l.comment()
	case c == '\'':
		l.quote(1, false)
	case (c == 'e' || c == 'E') && len(rest) > 1 && rest[1] == '\'':
		l.quote(2, true)
	case c == '"':
		l.quotedName()
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		l.number()
	case isNameStart(rest):
		l.emit(classIdent, l.pos+nameLength(rest))
	default:
		l.operator()
	}
	return true
}

// comment takes /* */, which nests.
func (l *scanner) comment() {
	depth := 0
	for i := l.pos; i < len(l.text); {
		switch {
		case strings.HasPrefix(l.text[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(l.text[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				l.emit(classComment, i)
				return
			}
		default:
			i++
		}
	}
	l.emitFault(classInvalid, len(l.text), &lexFault{code: CodeOpen, open: "comment", message: "this comment is not closed", label: "opened here", notes: []string{"close it with */; comments nest, so each /* needs its own"}})
}

// quote takes a string whose text begins skip bytes after the token.
func (l *scanner) quote(skip int, escapes bool) {
	for i := l.pos + skip; i < len(l.text); i++ {
		switch {
		case escapes && l.text[i] == '\\':
			i++
		case l.text[i] != '\'':
		case i+1 < len(l.text) && l.text[i+1] == '\'':
			i++
		default:
			l.emit(classString, i+1)
			return
		}
	}
	l.emitFault(classInvalid, len(l.text), openQuote())
}

func openQuote() *lexFault {
	return &lexFault{code: CodeOpen, open: "quote", message: "this quote is not closed", label: "opened here",
		notes: []string{"close it with '; a quote inside the text is written twice: 'it''s'"}}
}

func (l *scanner) quotedName() {
	for i := l.pos + 1; i < len(l.text); i++ {
		switch {
		case l.text[i] != '"':
		case i+1 < len(l.text) && l.text[i+1] == '"':
			i++
		case i == l.pos+1:
			l.emitFault(classInvalid, i+1, &lexFault{code: CodeName, message: "a name in double quotes is empty", notes: []string{"text is written in single quotes: ''"}})
			return
		default:
			l.emit(classQuoted, i+1)
			return
		}
	}
	l.emitFault(classInvalid, len(l.text), &lexFault{code: CodeOpen, open: "name", message: "this name in double quotes is not closed", label: "opened here",
		notes: []string{`close it with "; text is written in single quotes`}})
}

// number takes 12, 1.5, .5, 1e5 and 1.5e-3.
func (l *scanner) number() {
	i := l.pos
	digits := func() {
		for i < len(l.text) && isDigit(l.text[i]) {
			i++
		}
	}
	digits()
	if i < len(l.text) && l.text[i] == '.' {
		i++
		digits()
	}
	if i < len(l.text) && (l.text[i] == 'e' || l.text[i] == 'E') {
		mark := i
		i++
		if i < len(l.text) && (l.text[i] == '+' || l.text[i] == '-') {
			i++
		}
		if i < len(l.text) && isDigit(l.text[i]) {
			digits()
		} else {
			i = mark
		}
	}
	if n := nameLength(l.text[i:]); n > 0 {
		num, word := l.text[l.pos:i], l.text[i:i+n]
		fault := &lexFault{code: CodeNumber, message: "the number " + num + " runs into " + word, notes: []string{"a name cannot begin with a digit"}}
		if slices.Contains(units, upperASCII(word)) {
			fault.label, fault.notes = "write "+num+" "+word, nil
		}
		l.emitFault(classInvalid, i+n, fault)
		return
	}
	l.emit(classNumber, i)
}

var operators = strings.Fields("|| :: <> != <= >= ( ) , ; . = < > + - * / %")

func (l *scanner) operator() {
	rest := l.text[l.pos:]
	for _, f := range foreignOperators {
		if strings.HasPrefix(rest, f.text) {
			l.emitFault(classInvalid, l.pos+len(f.text), &lexFault{code: CodeCharacter, message: "unknown operator " + f.text, label: f.hint})
			return
		}
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			l.emit(classOp, l.pos+len(op))
			return
		}
	}
	r, n := utf8.DecodeRuneInString(rest)
	fault := &lexFault{code: CodeCharacter, message: "unexpected character " + string(r)}
	switch {
	case r == utf8.RuneError && n == 1:
		fault.message = "this byte is not UTF-8 text"
	case r == '`', strings.ContainsRune("“”„", r):
		fault.label = `names are quoted with "`
	case strings.ContainsRune("‘’", r):
		fault.label = "text is quoted with '"
	case unicode.IsSpace(r), !unicode.IsPrint(r):
		fault.message = "unexpected invisible character " + strings.Trim(strings.ToUpper(quoteRune(r)), "'")
	}
	l.emitFault(classInvalid, l.pos+n, fault)
}

// foreignOperators are those of other languages that people type out of habit.
var foreignOperators = []struct{ text, hint string }{
	{"==", "write ="}, {"&&", "write AND"}, {"!~", "write NOT LIKE"}, {"~", "write LIKE"}, {"**", "write POWER(a, b)"}, {"^", "write POWER(a, b)"},
}

func quoteRune(r rune) string {
	const hex = "0123456789abcdef"
	out := []byte("U+")
	for shift := 12; shift >= 0; shift -= 4 {
		out = append(out, hex[r>>shift&15])
	}
	return string(out)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNameStart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || r != utf8.RuneError && unicode.IsLetter(r)
}

// nameLength returns how many bytes of s are one name, 0 when none begins here.
func nameLength(s string) int {
	if !isNameStart(s) {
		return 0
	}
	for i, r := range s {
		if r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			return i
		}
		if r == utf8.RuneError {
			return i
		}
	}
	return len(s)
}

// Fold returns how PostgreSQL sees a name without quotes: ASCII letters in lower case.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func upperASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - ('a' - 'A')
		}
		return r
	}, s)
}
