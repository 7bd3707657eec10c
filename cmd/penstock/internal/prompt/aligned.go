package prompt

import (
	"bufio"
	"strconv"
	"strings"
)

// listBorder is the look of \d: spaces, and no line below the headings.
const listBorder = -1

// narrowest is how far a column may be cut before columns are left out instead.
const narrowest = 6

// table is an answer laid out in columns: the texts of all cells and the width of each column.
type table struct {
	heads  []string
	cells  [][]string
	right  []bool
	widths []int
	hidden int // columns at the right for which there was no room
}

func (s *sheet) layOut() *table {
	t := &table{heads: s.headings()}
	for i, c := range s.a.Columns {
		t.widths = append(t.widths, widths.StringWidth(t.heads[i]))
		t.right = append(t.right, c.numeric())
	}
	for _, row := range s.a.Rows {
		cells := make([]string, len(t.heads))
		for i := range cells {
			if i < len(row) {
				cells[i] = s.shown(row[i], s.a.Columns[i])
			}
			t.widths[i] = max(t.widths[i], widths.StringWidth(cells[i]))
		}
		t.cells = append(t.cells, cells)
	}
	return t
}

// naturalWidth is how wide the rows would be if nothing were cut.
func (s *sheet) naturalWidth() int {
	t := s.layOut()
	return t.total(s.Border)
}

// total is the width of a line: the columns, what stands between them and at the sides.
func (t *table) total(border int) int {
	n := 0
	for _, w := range t.widths {
		n += w
	}
	return n + t.frame(border)
}

func (t *table) frame(border int) int {
	n := len(t.widths)
	switch border {
	case listBorder:
		return 2*n - 1
	case 0:
		return 2*n - 2
	case 1:
		return 3*n - 1
	}
	return 3*n + 1
}

// fit cuts the widest columns until a line fits, and leaves out columns at the right when
// that is not enough. Numbers are not cut: a part of one looks like another.
func (t *table) fit(border, width int) {
	if width <= 0 || t.total(border) <= width {
		return
	}
	for len(t.widths) > 1 && t.least()+t.frame(border) > width {
		t.drop()
	}
	room := width - t.frame(border)
	if len(t.widths) == 1 {
		t.widths[0] = max(1, min(t.widths[0], room))
		return
	}
	most := 0
	for _, w := range t.widths {
		most = max(most, w)
	}
	capped := func() (n int) {
		for i, w := range t.widths {
			n += t.cut(i, w, most)
		}
		return n
	}
	for most > 1 && capped() > room {
		most--
	}
	// What is left over goes to the columns that were cut, one after the other.
	room -= capped()
	for i, w := range t.widths {
		t.widths[i] = t.cut(i, w, most)
		if more := min(room, t.natural(i)-t.widths[i]); more > 0 {
			t.widths[i] += more
			room -= more
		}
	}
}

// cut is how wide a column is when columns of text are at most so wide.
func (t *table) cut(i, width, most int) int {
	if t.right[i] {
		return width
	}
	return min(width, most)
}

// least is how far the columns can be cut.
func (t *table) least() (n int) {
	for i, w := range t.widths {
		n += t.cut(i, w, narrowest)
	}
	return n
}

func (t *table) natural(i int) int {
	n := widths.StringWidth(t.heads[i])
	for _, row := range t.cells {
		n = max(n, widths.StringWidth(row[i]))
	}
	return n
}

// drop leaves out the last column.
func (t *table) drop() {
	n := len(t.widths) - 1
	t.heads, t.widths, t.right = t.heads[:n], t.widths[:n], t.right[:n]
	for i := range t.cells {
		t.cells[i] = t.cells[i][:n]
	}
	t.hidden++
}

// aligned writes rows in columns, as psql does.
func (s *sheet) aligned(w *bufio.Writer) {
	t := s.layOut()
	t.fit(s.Border, s.width)
	if len(t.heads) == 0 {
		return
	}
	if strings.TrimSpace(s.a.Title) != "" && !s.Rows {
		w.WriteString(s.paint("1", safe(s.a.Title)) + "\n")
	}
	if s.Border == 2 {
		w.WriteString(t.rule("+-", "-+-", "-+") + "\n")
	}
	if !s.Rows {
		s.line(w, t, t.heads, true)
		switch s.Border {
		case 0:
			w.WriteString(strings.TrimRight(t.rule("", "  ", ""), " ") + "\n")
		case 1:
			w.WriteString(t.rule("-", "-+-", "-") + "\n")
		case 2:
			w.WriteString(t.rule("+-", "-+-", "-+") + "\n")
		}
	}
	for _, row := range t.cells {
		for _, part := range s.parts(t, row) {
			s.line(w, t, part, false)
		}
	}
	if s.Border == 2 {
		w.WriteString(t.rule("+-", "-+-", "-+") + "\n")
	}
	if t.hidden > 0 && !s.Rows {
		w.WriteString(s.paint("2", "(+"+count(int64(t.hidden), "column")+`; \x shows all)`) + "\n")
	}
}

// parts are the lines of one row: one, unless cells are wrapped.
func (s *sheet) parts(t *table, row []string) [][]string {
	if !s.Wrap {
		return [][]string{row}
	}
	pieces, lines := make([][]string, len(row)), 1
	for i, cell := range row {
		pieces[i] = wrapped(cell, max(1, t.widths[i]))
		lines = max(lines, len(pieces[i]))
	}
	out := make([][]string, lines)
	for n := range out {
		out[n] = make([]string, len(row))
		for i := range row {
			if n < len(pieces[i]) {
				out[n][i] = pieces[i][n]
			}
		}
	}
	return out
}

func (t *table) rule(left, between, right string) string {
	parts := make([]string, len(t.widths))
	for i, w := range t.widths {
		parts[i] = strings.Repeat("-", w)
	}
	return left + strings.Join(parts, between) + right
}

func (s *sheet) line(w *bufio.Writer, t *table, cells []string, head bool) {
	var b strings.Builder
	for i, cell := range cells {
		switch {
		case i > 0 && s.Border > 0:
			b.WriteString(" | ")
		case i > 0:
			b.WriteString("  ")
		case s.Border == 1 || s.Border == listBorder:
			b.WriteByte(' ')
		case s.Border == 2:
			b.WriteString("| ")
		}
		cell = clip(cell, t.widths[i])
		gap := t.widths[i] - widths.StringWidth(cell)
		before, after := 0, gap
		switch {
		case head && s.Border > 0:
			before, after = gap/2, gap-gap/2
		case t.right[i]:
			before, after = gap, 0
		}
		style := ""
		if head {
			style = "1"
		}
		if i == len(cells)-1 && s.Border < 2 {
			after = 0
		}
		b.WriteString(strings.Repeat(" ", before) + s.paint(style, cell) + strings.Repeat(" ", after))
	}
	text := b.String()
	if s.Border == 2 {
		text += " |"
	} else {
		text = strings.TrimRight(text, " ")
	}
	w.WriteString(text + "\n")
}

// vertical writes one line for each cell.
func (s *sheet) vertical(w *bufio.Writer) {
	heads := s.headings()
	label := 0
	for _, h := range heads {
		label = max(label, widths.StringWidth(h))
	}
	if s.width > 0 {
		label = min(label, max(1, s.width/2-3))
	}
	for n, row := range s.a.Rows {
		if !s.Rows {
			title := "-[ RECORD " + strconv.Itoa(n+1) + " ]"
			w.WriteString(s.paint("2", title+strings.Repeat("-", max(0, label+3-len(title)))+"--") + "\n")
		} else if n > 0 {
			w.WriteByte('\n')
		}
		for i, cell := range row {
			text := s.shown(cell, s.a.Columns[i])
			lines := []string{text}
			if s.width > 0 {
				room := max(1, s.width-label-3)
				lines = wrapped(text, room)
				if !s.Wrap && len(lines) > 1 {
					lines = []string{clip(text, room)}
				}
			}
			head := clip(heads[i], label)
			for k, l := range lines {
				if k > 0 {
					head = ""
				}
				w.WriteString(strings.TrimRight(s.paint("1", pad(head, label, false))+" | "+l, " ") + "\n")
			}
		}
	}
}
