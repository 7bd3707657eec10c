package expr

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"penstock/query/row"
)

// maxText bounds what a function can make of a row: a REPEAT of a number from the input must not
// take the memory of the process.
const maxText = 1 << 20

var (
	errText      = fmt.Errorf("text result is longer than %d bytes", maxText)
	errSubstring = errors.New("negative substring length not allowed")
	errFieldZero = errors.New("field position must not be zero")
)

func bounded(s string) (string, error) {
	if len(s) > maxText {
		return "", errText
	}
	return s, nil
}

// initcap capitalises the first letter of each word; words are runs of letters and digits.
func initcap(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		was := inWord
		inWord = unicode.IsLetter(r) || unicode.IsDigit(r)
		if was {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

func substringFrom(s string, from int64) string {
	return skipRunes(s, max(from, 1)-1)
}

// substring counts the characters before the first as SQL does: SUBSTRING('abc', 0, 2) is 'a'.
func substring(s string, from, count int64) (string, error) {
	if count < 0 {
		return "", errSubstring
	}
	end, ok := addInt(from, count)
	if !ok {
		return substringFrom(s, from), nil
	}
	from = max(from, 1)
	if end <= from {
		return "", nil
	}
	return leftRunes(skipRunes(s, from-1), end-from), nil
}

// skipRunes returns s without its first n characters.
func skipRunes(s string, n int64) string {
	if n <= 0 {
		return s
	}
	return s[len(leftRunes(s, n)):]
}

func left(s string, n int64) string {
	if n < 0 {
		n += runes(s)
	}
	return leftRunes(s, max(n, 0))
}

func right(s string, n int64) string {
	if n < 0 {
		return skipRunes(s, -max(n, -math.MaxInt64))
	}
	return skipRunes(s, runes(s)-n)
}

func trimForms(trim func(s, cutset string) string) []form {
	return []form{
		{in: kinds(text), out: text, do: fn1(func(s string) string { return trim(s, " ") })},
		{in: kinds(text, text), out: text, do: fn2(trim)},
	}
}

func padForms(onLeft bool) []form {
	pad := func(s string, n int64, fill string) (string, error) {
		if n > maxText {
			return "", errText
		}
		have := runes(s)
		if n <= have || fill == "" {
			return leftRunes(s, max(n, 0)), nil
		}
		missing := n - have
		width := runes(fill)
		filling := strings.Repeat(fill, int(missing/width)) + leftRunes(fill, missing%width)
		if onLeft {
			return bounded(filling + s)
		}
		return bounded(s + filling)
	}
	return []form{
		{in: kinds(text, bigint), out: text, do: fn2e(func(s string, n int64) (string, error) { return pad(s, n, " ") })},
		{in: kinds(text, bigint, text), out: text, do: fn3e(pad)},
	}
}

func replace(s, from, to string) (string, error) {
	if from == "" {
		return s, nil
	}
	if grow := len(to) - len(from); grow > 0 && strings.Count(s, from) > (maxText-min(len(s), maxText))/grow {
		return "", errText
	}
	return strings.ReplaceAll(s, from, to), nil
}

func splitPart(s, delimiter string, n int64) (string, error) {
	if n == 0 {
		return "", errFieldZero
	}
	if delimiter == "" {
		if n == 1 || n == -1 {
			return s, nil
		}
		return "", nil
	}
	if n < 0 {
		n += int64(strings.Count(s, delimiter)) + 2
		if n < 1 {
			return "", nil
		}
	}
	for ; n > 1; n-- {
		i := strings.Index(s, delimiter)
		if i < 0 {
			return "", nil
		}
		s = s[i+len(delimiter):]
	}
	s, _, _ = strings.Cut(s, delimiter)
	return s, nil
}

func strpos(s, part string) int64 {
	i := strings.Index(s, part)
	if i < 0 {
		return 0
	}
	return runes(s[:i]) + 1
}

// newPosition is POSITION(part IN text).
func newPosition(args []Node) (Node, error) {
	if err := wantArgs("POSITION", args, 2, 2); err != nil {
		return nil, err
	}
	return Call("STRPOS", []Node{args[1], args[0]})
}

func reverse(s string) string {
	b := make([]byte, len(s))
	for i := 0; i < len(s); {
		_, n := utf8.DecodeRuneInString(s[i:])
		copy(b[len(s)-i-n:], s[i:i+n])
		i += n
	}
	return string(b)
}

func repeat(s string, n int64) (string, error) {
	if n <= 0 || s == "" {
		return "", nil
	}
	if n > maxText/int64(len(s)) {
		return "", errText
	}
	return strings.Repeat(s, int(n)), nil
}

var opConcat = &op{name: "||", style: infix, level: precOther, bind: func([]Node, row.Type) impl {
	return fn2e(func(a, b string) (string, error) { return bounded(a + b) })
}}

// newConcat is l || r. One side has to be text; the other is cast to it.
func newConcat(l, r Node) (Node, error) {
	if l.Type().Kind != row.Varchar && r.Type().Kind != row.Varchar && !(untyped(l) && untyped(r)) {
		return nil, typeError("write CAST("+l.String()+" AS VARCHAR) || "+r.String(),
			"operator || needs text on one side, found %s and %s", l.Type(), r.Type())
	}
	l, err := coerceText(l)
	if err != nil {
		return nil, err
	}
	if r, err = coerceText(r); err != nil {
		return nil, err
	}
	return newApply(opConcat, textType, l, r), nil
}

// newConcatCall is CONCAT and CONCAT_WS: arguments of any type, of which NULLs are left out. They
// write booleans as t and f, where || writes true and false, as in PostgreSQL.
func newConcatCall(name string) func(args []Node) (Node, error) {
	skip := len(name) - len("CONCAT") // "_WS": the first argument is the separator
	o := &op{name: name, bind: func(args []Node, _ row.Type) impl { return concatImpl(args, skip > 0) }}
	return func(args []Node) (Node, error) {
		if err := wantArgs(name, args, 1+min(skip, 1), -1); err != nil {
			return nil, err
		}
		args = append([]Node{}, args...)
		for i, a := range args {
			if untyped(a) || i == 0 && skip > 0 {
				var err error
				if args[i], err = coerceText(a); err != nil {
					return nil, err
				}
			}
		}
		return newApply(o, textType, args...), nil
	}
}

func concatImpl(args []Node, separated bool) impl {
	types := make([]row.Type, len(args))
	for i, a := range args {
		types[i] = a.Type()
	}
	join := func(buf []byte, get func(k int) row.Value) ([]byte, row.Value, error) {
		first := 0
		var sep string
		if separated {
			s := get(0)
			if s.State != row.Valid {
				return buf, row.NullValue, nil
			}
			first, sep = 1, s.S
		}
		buf = buf[:0]
		some := false
		for k := first; k < len(types); k++ {
			v := get(k)
			if v.State != row.Valid {
				continue
			}
			if some {
				buf = append(buf, sep...)
			}
			some = true
			buf = row.FormatValue(buf, v, types[k])
			if len(buf) > maxText {
				return buf, row.Value{}, errText
			}
		}
		return buf, row.Text(string(buf)), nil
	}
	return impl{
		nulls: true,
		row: func(a []row.Value) (row.Value, error) {
			_, v, err := join(nil, func(k int) row.Value { return a[k] })
			return v, err
		},
		vec: func(f *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			var buf []byte
			for _, i := range sel {
				var v row.Value
				var err error
				buf, v, err = join(buf, func(k int) row.Value { return args[k].Value(int(i)) })
				if err != nil {
					f.errs.Fail(i, err)
					continue
				}
				setValue(out, i, v)
			}
		},
	}
}
