package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"penstock/query/syntax"
)

// bound is a statement with its parameters put in as literals. The language has no places for
// values: $1 becomes a text in quotes, a number, TRUE, FALSE or NULL, as JSON has it, and so can
// only ever be a value. Errors are about the statement as it was sent, so that their places hold.
type bound struct {
	sent, sql string
	shifts    []shift
}

// shift says that what stood at sent (and was length bytes long) stands at placed, for width bytes.
type shift struct{ sent, length, placed, width int }

// bindParams puts parameters into a statement.
func bindParams(sql string, params []json.RawMessage) (*bound, error) {
	b := &bound{sent: sql, sql: sql}
	if len(params) == 0 {
		return b, nil
	}
	used := make([]bool, len(params))
	var text strings.Builder
	from := 0
	tokens := syntax.Lex(sql)
	for i, t := range tokens {
		if i+1 == len(tokens) || sql[t.Start:t.End] != "$" || tokens[i+1].Start != t.End {
			continue
		}
		number := sql[tokens[i+1].Start:tokens[i+1].End]
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > len(params) {
			return nil, newProblem(http.StatusBadRequest, codeRequest, fmt.Sprintf("the statement has $%s, and there are %d params", number, len(params)), "params are named $1, $2 and so on")
		}
		value, err := paramText(params[n-1])
		if err != nil {
			return nil, newProblem(http.StatusBadRequest, codeRequest, fmt.Sprintf("param %d %v", n, err), "a param is a text, a number, true, false or null")
		}
		used[n-1] = true
		text.WriteString(sql[from:t.Start])
		b.shifts = append(b.shifts, shift{t.Start, len(number) + 1, text.Len(), len(value)})
		text.WriteString(value)
		from = tokens[i+1].End
	}
	for i, u := range used {
		if !u {
			return nil, newProblem(http.StatusBadRequest, codeRequest, fmt.Sprintf("the statement has no $%d", i+1), "leave the param out, or use it")
		}
	}
	text.WriteString(sql[from:])
	b.sql = text.String()
	return b, nil
}

// paramText is a JSON value as SQL writes it.
func paramText(b json.RawMessage) (string, error) {
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0:
		return "", fmt.Errorf("is empty")
	case b[0] == '"':
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return "", fmt.Errorf("is no text: %w", err)
		}
		return literal(text), nil
	case b[0] == '{' || b[0] == '[':
		return "", fmt.Errorf("is a list or an object")
	case b[0] == '-':
		return "(" + string(b) + ")", nil // -1 behind a minus would begin a comment
	}
	return strings.ToUpper(string(b)), nil
}

// back moves diagnostics from the statement that was run to the one that was sent.
func (b *bound) back(diags []syntax.Diagnostic) []syntax.Diagnostic {
	out := make([]syntax.Diagnostic, len(diags))
	for i, d := range diags {
		d.Span = syntax.Span{Start: b.place(d.Span.Start, false), End: b.place(d.Span.End, true)}
		out[i] = d
	}
	return out
}

// place is where a place in the statement that was run is in the one that was sent. A place within
// a literal is the beginning, or the end, of its parameter.
func (b *bound) place(at int, end bool) int {
	for i := len(b.shifts) - 1; i >= 0; i-- {
		s := b.shifts[i]
		switch {
		case at >= s.placed+s.width:
			return at - (s.placed + s.width) + s.sent + s.length
		case at > s.placed && end:
			return s.sent + s.length
		case at >= s.placed:
			return s.sent
		}
	}
	return at
}
