package script

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"penstock/query/row"
	"penstock/query/syntax"
)

// words takes the words of a command's line one by one. After the first fault it takes what comes
// without another.
type words struct {
	p      *parser
	line   line
	pos    int    // behind what was taken
	word   string // the last one taken
	at     syntax.Span
	failed bool
}

// take returns the next word; quotes and parentheses hold one together.
func (w *words) take() string {
	text := w.line.text
	for w.pos < len(text) && (text[w.pos] == ' ' || text[w.pos] == '\t') {
		w.pos++
	}
	start, quoted, depth := w.pos, false, 0
	for ; w.pos < len(text); w.pos++ {
		switch c := text[w.pos]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case (c == ' ' || c == '\t') && depth <= 0:
			goto done
		}
	}
done:
	w.word = text[start:w.pos]
	w.at = syntax.Span{Start: w.line.start + start, End: w.line.start + w.pos}
	return w.word
}

// more tells whether there is another word.
func (w *words) more() bool { return !w.failed && strings.TrimSpace(w.line.text[w.pos:]) != "" }

// rest takes everything that is left.
func (w *words) rest() string {
	text := strings.TrimSpace(w.line.text[w.pos:])
	w.pos = len(w.line.text)
	return text
}

// wrong says that the last word is not what belongs there.
func (w *words) wrong(code, expected string) {
	if w.failed {
		return
	}
	w.failed = true
	at, found := w.at, "found "+w.word
	if w.word == "" {
		end := w.line.span().End
		at, found = syntax.Span{Start: end, End: end}, "the line ends here"
	}
	w.p.fault(code, at, found+", expected "+expected, suggest(w.word, capitals.FindAllString(expected, -1)))
}

// capitals finds the words of the language in a text.
var capitals = regexp.MustCompile(`[A-Z]{2,}`)

// expect takes a word that has to be there.
func (w *words) expect(word string) {
	if strings.ToUpper(w.take()) != word {
		w.wrong(CodeWord, word)
	}
}

func (w *words) end() {
	if w.more() {
		w.take()
		w.wrong(CodeWord, "nothing more")
	}
}

func (w *words) name(what string) string {
	if w.take() == "" {
		w.wrong(CodeWord, "the name of "+what)
	}
	return strings.Trim(w.word, `"`)
}

func (w *words) number(what string) int64 {
	n, err := strconv.ParseInt(w.take(), 10, 32)
	if err != nil || n < 0 {
		w.wrong(CodeWord, what)
	}
	return n
}

// time takes the rest of the line as a time.
func (w *words) time(day string) int64 {
	w.word = strings.Trim(w.rest(), "'")
	end := w.line.span().End
	w.at = syntax.Span{Start: end - len(w.word), End: end}
	us, err := parseTime(w.word, day)
	if err != nil {
		w.wrong(CodeTime, "a time, as in 2026-01-01 10:00:05, or 10:00:05 where there is a DAY")
	}
	return us
}

// interval takes the rest of the line as a length of time.
func (w *words) interval() time.Duration {
	w.word = strings.Trim(w.rest(), "'")
	end := w.line.span().End
	w.at = syntax.Span{Start: end - len(w.word), End: end}
	us, err := row.ParseInterval(w.word)
	if err != nil || us < 0 {
		w.wrong(CodeTime, "a length of time, as in 5 seconds")
	}
	return time.Duration(us) * time.Microsecond
}

// literal takes a key: a word, or text in quotes.
func (w *words) literal() []byte {
	b, err := literal(w.take())
	if err != nil || w.word == "" {
		w.wrong(CodeWord, "a text, as in 'abc' or E'\\x00'")
	}
	return b
}

// list reads the parenthesised names in the last word.
func (w *words) list() []string {
	var list []string
	for _, f := range strings.Split(strings.Trim(w.word, "()"), ",") {
		f = strings.ToLower(strings.TrimSpace(f))
		switch f {
		case "time", "key", "partition":
			list = append(list, f)
		case "value":
		default:
			w.word = f
			w.wrong(CodeWord, "time, key, partition or value")
		}
	}
	return list
}

// literal reads text that may be written as 'quoted', with two for a quote, or as E'..' with the
// escapes of SQL: \n \t \r \\ \' \xHH. Anything else is itself.
func literal(s string) ([]byte, error) {
	escaped := strings.HasPrefix(s, "E'")
	if !(escaped || strings.HasPrefix(s, "'")) || !strings.HasSuffix(s, "'") || len(s) < 2 {
		return []byte(s), nil
	}
	in := strings.TrimPrefix(s, "E")
	if len(in) < 2 {
		return []byte(s), nil
	}
	in = in[1 : len(in)-1]
	out := []byte{}
	for i := 0; i < len(in); i++ {
		switch c := in[i]; {
		case c == '\'' && i+1 < len(in) && in[i+1] == '\'':
			out = append(out, c)
			i++
		case c == '\'':
			return []byte(s), nil // as in 'a','b': the line itself
		case c == '\\' && escaped && i+1 < len(in):
			i++
			switch e := in[i]; e {
			case 'n':
				out = append(out, '\n')
			case 'r':
				out = append(out, '\r')
			case 't':
				out = append(out, '\t')
			case '\\', '\'':
				out = append(out, e)
			case 'x':
				n, err := strconv.ParseUint(in[min(i+1, len(in)):min(i+3, len(in))], 16, 8)
				if err != nil {
					return nil, fmt.Errorf("\\x in %s needs two hexadecimal digits", s)
				}
				out = append(out, byte(n))
				i += 2
			default:
				return nil, fmt.Errorf("unknown escape \\%c in %s", e, s)
			}
		default:
			out = append(out, c)
		}
	}
	return out, nil
}
