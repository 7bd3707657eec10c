package live

import (
	"fmt"
	"strings"
	"time"
)

// Below frameWidth columns there is no frame: its two columns are better used.
const (
	frameWidth = 40
	panelWidth = 38 // a panel is not drawn narrower than this beside another
)

// Draw returns the view as lines of exactly width columns, at most height of them.
func (v *View) Draw(width, height int, color bool) []string {
	if width < 1 || height < 1 {
		return nil
	}
	var lines []string
	if width < frameWidth {
		lines = v.drawBare(width, height, color)
	} else {
		lines = v.drawFramed(width, height, color)
	}
	if len(lines) > height {
		last := lines[len(lines)-1]
		lines = append(lines[:height-1], last)
	}
	return lines
}

// drawBare stacks the panels without a frame.
func (v *View) drawBare(width, height int, color bool) []string {
	lines := []string{newLine(width, color).add(bold, v.title).String()}
	for _, text := range v.statusParts() {
		lines = append(lines, newLine(width, color).add(dim, text).String())
	}
	for _, p := range v.panels {
		if p.scalar() {
			l := newLine(width, color).add(yellow, p.name+" ")
			lines = append(lines, l.text.String()+p.drawScalar(l.left, color)[0])
			continue
		}
		lines = append(lines, newLine(width, color).add(yellow, p.name).String())
		lines = append(lines, p.draw(width, height, color)...)
	}
	return append(lines, newLine(width, color).add(dim, v.footer()).String())
}

// draw draws a panel without its name.
func (p *panel) draw(width, rows int, color bool) []string {
	switch {
	case len(p.history) == 0:
		return []string{newLine(width, color).add(dim, "(waiting)").String()}
	case p.scalar():
		return p.drawScalar(width, color)
	}
	return p.drawList(width, rows, color)
}

// drawFramed puts the panels into a grid: those of one number in rows of their own, then lists.
func (v *View) drawFramed(width, height int, color bool) []string {
	var scalars, lists []*panel
	for _, p := range v.panels {
		if p.scalar() || len(p.history) == 0 {
			scalars = append(scalars, p)
		} else {
			lists = append(lists, p)
		}
	}
	rows := append(gridRows(scalars, width), gridRows(lists, width)...)
	// What is left of the height when every row of panels has its line above.
	listRows := 1
	if n := len(gridRows(lists, width)); n > 0 {
		listRows = max(1, (height-2-n-2*len(gridRows(scalars, width)))/n)
	}
	lines := v.head(width, rows, color)
	for i, row := range rows {
		if i > 0 {
			lines = append(lines, separator(width, rows[i-1], row, color))
		}
		lines = append(lines, drawRow(row, width, listRows, color)...)
	}
	return append(lines, v.foot(width, rows, color))
}

// gridRows spreads panels over rows as evenly as the width allows.
func gridRows(panels []*panel, width int) [][]*panel {
	if len(panels) == 0 {
		return nil
	}
	perRow := max(1, (width-1)/(panelWidth+1))
	n := (len(panels) + perRow - 1) / perRow
	rows := make([][]*panel, n)
	for i, p := range panels {
		rows[i*n/len(panels)] = append(rows[i*n/len(panels)], p)
	}
	return rows
}

// edges returns the columns of the vertical lines of a row, the outer ones included.
func edges(panels, width int) []int {
	at := make([]int, panels+1)
	for i := range at {
		at[i] = i * (width - 1) / panels
	}
	return at
}

// drawRow draws panels beside each other. Names stand in the line above.
func drawRow(row []*panel, width, listRows int, color bool) []string {
	at := edges(len(row), width)
	blocks := make([][]string, len(row))
	tallest := 0
	for i, p := range row {
		blocks[i] = p.draw(at[i+1]-at[i]-3, listRows, color)
		tallest = max(tallest, len(blocks[i]))
	}
	lines := make([]string, tallest)
	edge := newLine(1, color).add(dim, "│").text.String()
	for n := range lines {
		var b strings.Builder
		for i := range row {
			b.WriteString(edge + " ")
			inner := at[i+1] - at[i] - 3
			if n < len(blocks[i]) {
				b.WriteString(blocks[i][n] + " ")
			} else {
				b.WriteString(strings.Repeat(" ", inner+1))
			}
		}
		lines[n] = b.String() + edge
	}
	return lines
}

// rule draws a horizontal line: joints where vertical ones meet it from above or below, and texts
// written over it at given columns.
func rule(width int, above, below []int, texts map[int]string, s style, color bool) string {
	up, down := map[int]bool{}, map[int]bool{}
	for _, c := range above {
		up[c] = true
	}
	for _, c := range below {
		down[c] = true
	}
	l := newLine(width, color)
	var run strings.Builder // of joints, so that they share one colour code
	for c := 0; c < width; {
		text := truncate(texts[c], width-1-c)
		if text == "" {
			run.WriteString(joint(up[c], down[c], c > 0, c < width-1))
			c++
			continue
		}
		l.add(dim, run.String()).add(s, text)
		run.Reset()
		c += columns.StringWidth(text)
	}
	return l.add(dim, run.String()).String()
}

// joint is the glyph where lines meet.
func joint(up, down, left, right bool) string {
	index := 0
	for i, on := range []bool{up, down, left, right} {
		if on {
			index |= 1 << i
		}
	}
	return []string{
		" ", "╵", "╷", "│", "╴", "┘", "┐", "┤",
		"╶", "└", "┌", "├", "─", "┴", "┬", "┼",
	}[index]
}

// names returns what to write into the line above a row of panels.
func names(row []*panel, width int) map[int]string {
	at := edges(len(row), width)
	texts := map[int]string{}
	for i, p := range row {
		texts[at[i]+1] = " " + truncate(clean(p.name), max(at[i+1]-at[i]-4, 1)) + " "
	}
	return texts
}

func separator(width int, above, below []*panel, color bool) string {
	return rule(width, edges(len(above), width), edges(len(below), width), names(below, width), yellow, color)
}

// head is the first lines: title and status, then the names of the first row.
func (v *View) head(width int, rows [][]*panel, color bool) []string {
	status := ""
	title := " " + v.title + " "
	room := width - columns.StringWidth(title) - 4
	for _, part := range v.statusParts() {
		if next := status + "  " + part; columns.StringWidth(next) <= room {
			status = next
		}
	}
	texts := map[int]string{1: title}
	if status != "" {
		status = strings.TrimPrefix(status, " ") + " "
		texts[width-1-columns.StringWidth(status)] = status
	}
	outer := []int{0, width - 1}
	lines := []string{rule(width, nil, outer, texts, bold, color)}
	if len(rows) > 0 {
		lines = append(lines, rule(width, outer, edges(len(rows[0]), width), names(rows[0], width), yellow, color))
	}
	return lines
}

func (v *View) foot(width int, rows [][]*panel, color bool) string {
	above := []int{0, width - 1}
	if len(rows) > 0 {
		above = edges(len(rows[len(rows)-1]), width)
	}
	texts := map[int]string{1: " " + v.footer() + " "}
	return rule(width, above, nil, texts, dim, color)
}

func (v *View) footer() string {
	if v.status.Notice != "" {
		return v.status.Notice
	}
	return "q to leave"
}

// statusParts returns the parts of the status, the most wanted first.
func (v *View) statusParts() []string {
	s := v.status
	var parts []string
	add := func(ok bool, format string, args ...any) {
		if ok {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(s.State != "", "%s", strings.ToUpper(s.State))
	add(!s.AsOf.IsZero(), "as of %s UTC", s.AsOf.UTC().Format(time.TimeOnly))
	add(s.PerSecond > 0, "%s rows/s", whole(s.PerSecond))
	add(s.Read > 0, "%s read", whole(float64(s.Read)))
	add(s.Bad > 0, "%s bad", whole(float64(s.Bad)))
	add(s.Lag > 0, "lag %s", whole(float64(s.Lag)))
	return parts
}

func whole(n float64) string { return number(Cell{Text: fmt.Sprintf("%.0f", n), IsNumber: true}) }
