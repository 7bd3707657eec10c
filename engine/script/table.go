package script

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"penstock/query/syntax"
)

// table is rows and columns of text: what a test expects, or what was got.
type table struct {
	header []string
	rows   [][]string
}

// nothing stands alone in a row where there are none: (nothing) for no result at all, (no rows)
// in a result that is empty.
const (
	nothing = "(nothing)"
	noRows  = "(no rows)"
)

type tableFault struct {
	at         syntax.Span
	text, hint string
}

// readTable reads the lines below an EXPECT: names of columns, then rows, fields separated by |. A
// line of dashes below the names is for the eye. It is nil where there is nothing.
func readTable(lines []line) (*table, *tableFault) {
	if len(lines) == 0 {
		return nil, nil
	}
	if len(lines) == 1 && strings.TrimSpace(lines[0].text) == nothing {
		return &table{}, nil
	}
	t := &table{}
	for i, l := range lines {
		cells := splitCells(l.text)
		switch {
		case i == 0:
			t.header = cells
		case i == 1 && strings.Trim(l.text, "-+ \t") == "":
		case len(lines) == 2 && len(cells) == 1 && cells[0] == nothing:
		default:
			short := len(cells) <= len(t.header) && cells[len(cells)-1] == noRows
			if len(cells) != len(t.header) && !short {
				return nil, &tableFault{l.span(), fmt.Sprintf("a row of %d fields below %d columns", len(cells), len(t.header)),
					"separate fields by |, and write text that holds one in quotes: 'a|b'"}
			}
			t.rows = append(t.rows, cells)
		}
	}
	return t, nil
}

// splitCells splits a line at |. A cell that begins with a quote is a literal up to its end.
func splitCells(s string) []string {
	var cells []string
	for {
		s = strings.TrimLeft(s, " \t")
		n := literalEnd(s)
		if i := strings.IndexByte(s[n:], '|'); i >= 0 {
			cells = append(cells, strings.TrimSpace(s[:n+i]))
			s = s[n+i+1:]
			continue
		}
		return append(cells, strings.TrimSpace(s))
	}
}

// literalEnd is the length of the literal that s begins with, 0 without one.
func literalEnd(s string) int {
	escapes := strings.HasPrefix(s, "E'")
	if !escapes && !strings.HasPrefix(s, "'") {
		return 0
	}
	for i := strings.IndexByte(s, '\'') + 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == '\'' && strings.HasPrefix(s[i+1:], "'"):
			i++
		case s[i] == '\'':
			return i + 1
		}
	}
	return 0
}

// columns returns the table with these columns only, in this order; each is there.
func (t *table) columns(names []string) *table {
	if slices.Equal(names, t.header) {
		return t
	}
	out := &table{header: names}
	for _, r := range t.rows {
		cells := make([]string, 0, len(names))
		for _, n := range names {
			if i := slices.Index(t.header, n); i < len(r) {
				cells = append(cells, r[i])
			}
		}
		if len(cells) < len(names) && (len(cells) == 0 || cells[len(cells)-1] != noRows) {
			cells = append(cells, noRows)
		}
		out.rows = append(out.rows, cells)
	}
	return out
}

// without returns the table without a column.
func (t *table) without(name string) *table {
	names := slices.DeleteFunc(slices.Clone(t.header), func(n string) bool { return n == name })
	return t.columns(names)
}

// sorted orders the rows by their text, for tables whose order says nothing.
func (t *table) sorted() *table {
	out := &table{header: t.header, rows: slices.Clone(t.rows)}
	slices.SortFunc(out.rows, func(a, b []string) int { return slices.Compare(a, b) })
	return out
}

// lines are the rows with the columns in line, the header first.
func (t *table) lines() []string {
	if len(t.rows) == 0 {
		if len(t.header) == 0 {
			return []string{nothing}
		}
		return []string{strings.Join(t.header, " | "), nothing}
	}
	widths := make([]int, len(t.header))
	all := append([][]string{t.header}, t.rows...)
	for _, r := range all {
		for i, c := range r {
			if i < len(r)-1 || len(r) == len(widths) {
				widths[i] = max(widths[i], width(c))
			}
		}
	}
	var out []string
	for _, r := range all {
		var b strings.Builder
		for i, c := range r {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(c)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", max(0, widths[i]-width(c))))
			}
		}
		out = append(out, b.String())
	}
	return out
}

// width is how many columns of a terminal a text takes, wide letters of East Asia counted as two.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff || r >= 0xff00 && r <= 0xff60 || r >= 0x1f300 && r <= 0x1faff):
			n += 2
		default:
			n++
		}
	}
	return n
}

// cell is a text as it stands in a table: in quotes where it would be read as something else.
func cell(s string) string {
	plain := s != "" && s != "NULL" && s != nothing && s != noRows && strings.TrimSpace(s) == s && !strings.Contains(s, "|") && s[0] != '\'' && !strings.HasPrefix(s, "E'") && utf8.ValidString(s)
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return escaped(s)
		}
	}
	switch {
	case plain && !strings.HasPrefix(s, "ERROR: ") && !strings.HasPrefix(s, "--"):
		return s
	case !utf8.ValidString(s):
		return escaped(s)
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// escaped is a text as E'..'.
func escaped(s string) string {
	var b strings.Builder
	b.WriteString("E'")
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '\'' || r == '\\':
			b.WriteString("\\" + s[:n])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
			for _, c := range []byte(s[:n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String() + "'"
}
