package expr

import (
	"errors"
	"strings"
	"unicode/utf8"

	"penstock/query/row"
)

var errEscapeEnd = errors.New("LIKE pattern must not end with escape character")

var likeOps = map[string]*op{}

func init() {
	for _, name := range []string{"LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"} {
		likeOps[name] = &op{name: name, style: infix, level: precLike,
			bind: bindLike(strings.HasSuffix(name, "ILIKE"), strings.HasPrefix(name, "NOT")), show: showLike(name)}
	}
}

func newLike(op string, l, r Node) (Node, error) { return Like(op, l, r, nil) }

// Like returns x LIKE pattern ESCAPE escape, for op one of LIKE, ILIKE, NOT LIKE and NOT ILIKE.
// escape may be nil: the backslash.
func Like(op string, x, pattern, escape Node) (Node, error) {
	args := []Node{x, pattern}
	if escape != nil {
		args = append(args, escape)
	}
	for i, a := range args {
		if a.Type().Kind != row.Varchar && !untyped(a) {
			return nil, typeError("write CAST("+a.String()+" AS VARCHAR)",
				"%s needs text, found %s of type %s", op, a, a.Type())
		}
		var err error
		if args[i], err = coerceText(a); err != nil {
			return nil, err
		}
	}
	if escape != nil {
		if v, ok := constOf(args[2]); !ok || utf8.RuneCountInString(v.S) > 1 {
			return nil, typeError("as in x LIKE '50!%' ESCAPE '!'", "ESCAPE needs one character, found %s", args[2])
		}
	}
	if p, ok := constOf(args[1]); ok {
		if _, err := compileLike(p.S, escapeOf(args), false); err != nil {
			return nil, typeError("write the escape character twice", "%v, found %s", err, args[1])
		}
	}
	return newApply(likeOps[op], boolType, args...), nil
}

func showLike(name string) func([]Node) string {
	return func(args []Node) string {
		s := operand(args[0], precLike+1) + " " + name + " " + operand(args[1], precLike+1)
		if len(args) > 2 {
			s += " ESCAPE " + args[2].String()
		}
		return s
	}
}

// escapeOf is the escape character of a LIKE, -1 for none (ESCAPE ”).
func escapeOf(args []Node) rune {
	if len(args) < 3 {
		return '\\'
	}
	v, _ := constOf(args[2])
	if v.S == "" {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(v.S)
	return r
}

func bindLike(fold, not bool) func([]Node, row.Type) impl {
	return func(args []Node, _ row.Type) impl {
		escape := escapeOf(args)
		var hoisted *pattern
		if p, ok := constOf(args[1]); ok {
			hoisted, _ = compileLike(p.S, escape, fold)
		}
		one := func(s, text string) (int64, error) {
			p := hoisted
			if p == nil {
				var err error
				if p, err = compileLike(text, escape, fold); err != nil {
					return 0, err
				}
			}
			return b2i(p.match(s) != not), nil
		}
		im := fn2e(one)
		if hoisted != nil {
			im.safe = true
			im.vec = func(_ *frame, sel []int32, args []*row.Vector, out *row.Vector) {
				for _, i := range sel {
					out.I64[i] = b2i(hoisted.match(args[0].Str[i]) != not)
				}
			}
		}
		return im
	}
}

// pattern is a LIKE pattern cut at its %s. The first part is tied to the start of the text and
// the last to its end; each part between is looked for from left to right, and its first place
// is as good as any, so matching never goes back: it takes at most the length of the text times
// that of the longest part.
type pattern struct {
	fold  bool
	exact bool // no %: the one part is all of the text
	parts []part
}

// part is text without %. Without _ it is plain; otherwise runes, with anyRune for _.
type part struct {
	plain string
	wild  []rune
}

const anyRune rune = -1

func compileLike(text string, escape rune, fold bool) (*pattern, error) {
	p := &pattern{fold: fold, exact: true}
	var cur []rune
	wild := false
	flush := func() {
		if wild {
			p.parts = append(p.parts, part{wild: cur})
		} else {
			p.parts = append(p.parts, part{plain: string(cur)})
		}
		cur, wild = nil, false
	}
	if fold {
		text = strings.ToLower(text)
	}
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			cur = append(cur, r)
			escaped = false
		case r == escape:
			escaped = true
		case r == '%':
			p.exact = false
			flush()
		case r == '_':
			wild = true
			cur = append(cur, anyRune)
		default:
			cur = append(cur, r)
		}
	}
	if escaped {
		return nil, errEscapeEnd
	}
	flush()
	return p, nil
}

func (p *pattern) match(s string) bool {
	if p.fold {
		s = strings.ToLower(s)
	}
	n := p.parts[0].at(s)
	if p.exact {
		return n == len(s)
	}
	if n < 0 {
		return false
	}
	s = s[n:]
	last := &p.parts[len(p.parts)-1]
	start := last.startAtEnd(s)
	if start < 0 {
		return false
	}
	s = s[:start]
	for k := 1; k < len(p.parts)-1; k++ {
		end := p.parts[k].find(s)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	return true
}

// at returns how many bytes of the start of s the part matches, -1 when it does not.
func (p *part) at(s string) int {
	if p.wild == nil {
		if strings.HasPrefix(s, p.plain) {
			return len(p.plain)
		}
		return -1
	}
	i := 0
	for _, want := range p.wild {
		if i == len(s) {
			return -1
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if want != anyRune && want != r {
			return -1
		}
		i += n
	}
	return i
}

// startAtEnd returns where in s the part begins when it is at the end, -1 when it is not.
func (p *part) startAtEnd(s string) int {
	if p.wild == nil {
		if strings.HasSuffix(s, p.plain) {
			return len(s) - len(p.plain)
		}
		return -1
	}
	i := len(s)
	for range p.wild {
		if i == 0 {
			return -1
		}
		_, n := utf8.DecodeLastRuneInString(s[:i])
		i -= n
	}
	if p.at(s[i:]) < 0 {
		return -1
	}
	return i
}

// find returns where the first match of the part in s ends, -1 when there is none.
func (p *part) find(s string) int {
	if p.wild == nil {
		i := 0
		if len(p.plain) == 1 {
			i = strings.IndexByte(s, p.plain[0])
		} else {
			i = strings.Index(s, p.plain)
		}
		if i >= 0 {
			return i + len(p.plain)
		}
		return -1
	}
	for i := range s {
		if n := p.at(s[i:]); n >= 0 {
			return i + n
		}
	}
	return -1
}
