package live

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// panel is one metric.
type panel struct {
	name    string
	history []Result // the newest last
}

func (p *panel) last() Result { return p.history[len(p.history)-1] }

// scalar tells whether the metric has been one number so far.
func (p *panel) scalar() bool {
	for _, r := range p.history {
		if len(r.Rows) != 1 || len(r.Rows[0]) != 1 {
			return false
		}
	}
	return len(p.history) > 0
}

// value returns the column that bars are drawn for: the last number behind the first column, -1
// when there is none.
func (p *panel) value() int {
	r := p.last()
	for c := len(r.Columns) - 1; c > 0; c-- {
		for _, row := range r.Rows {
			if c < len(row) && row[c].IsNumber && !math.IsNaN(row[c].Number) && !math.IsInf(row[c].Number, 0) {
				return c
			}
		}
	}
	return -1
}

// drawScalar draws "24,118 ▁▂▃▅▇".
func (p *panel) drawScalar(width int, color bool) []string {
	cell := p.last().Rows[0][0]
	text := number(cell)
	l := newLine(width, color).add(bold, text)
	values := make([]float64, len(p.history))
	present := make([]bool, len(p.history))
	for i, r := range p.history {
		values[i], present[i] = r.Rows[0][0].Number, r.Rows[0][0].IsNumber
	}
	if l.left > 2 {
		l.add(plain, "  ").add(cyan, sparkline(values, present, min(l.left, remembered)))
	}
	return []string{l.String()}
}

// drawList draws a line per row of the newest result.
func (p *panel) drawList(width, rows int, color bool) []string {
	r := p.last()
	if len(r.Rows) == 0 {
		return []string{newLine(width, color).add(dim, "(no rows)").String()}
	}
	value := p.value()
	s := p.shape(width, value)
	var lines []string
	for rank, row := range r.Rows[:min(len(r.Rows), rows)] {
		if len(row) == 0 {
			continue
		}
		l := newLine(width, color)
		l.field(dim, strconv.Itoa(rank+1), 2, true).add(plain, " ")
		move, moveStyle := p.moved(row[0].Text, rank)
		l.add(moveStyle, move).add(plain, " ")
		l.field(bold, row[0].Text, s.label, false)
		if value >= 0 {
			p.drawValue(l, s, row, value)
		} else {
			p.drawRanks(l, s, row)
		}
		lines = append(lines, l.String())
	}
	return lines
}

// shape is how a list divides its width. What does not fit is left out, the least wanted first.
type shape struct{ label, bar, value, spark, change int }

func (p *panel) shape(width, value int) shape {
	var s shape
	highest := 0.0
	for _, row := range p.last().Rows {
		if len(row) == 0 {
			continue
		}
		s.label = max(s.label, columns.StringWidth(clean(row[0].Text)))
		if value >= 0 && value < len(row) {
			s.value = max(s.value, columns.StringWidth(number(row[value])))
			highest = max(highest, math.Abs(row[value].Number))
		}
	}
	left := width - 5 // rank and move
	s.label = min(s.label, max(left/2, 1))
	left -= s.label
	take := func(want, least int) int {
		if left < least {
			return 0
		}
		got := min(want, left)
		left -= got
		return got
	}
	s.value = take(s.value+1, 2)
	if value >= 0 && highest > 0 {
		s.bar = take(max(left-20, 9), 6)
	}
	s.spark = take(11, 5)
	s.change = take(9, 9)
	return s
}

func (p *panel) drawValue(l *line, s shape, row []Cell, value int) {
	cell := Cell{}
	if value < len(row) {
		cell = row[value]
	}
	if s.bar > 0 {
		highest := 0.0
		for _, r := range p.last().Rows {
			if value < len(r) && r[value].IsNumber {
				highest = max(highest, r[value].Number)
			}
		}
		l.add(plain, " ").field(blue, bar(cell.Number/highest, s.bar-1), s.bar-1, false)
	}
	l.field(plain, number(cell), s.value, true)
	values, present := p.past(row[0].Text, value)
	if s.spark > 0 {
		l.add(plain, " ").field(cyan, sparkline(values, present, s.spark-1), s.spark-1, false)
	}
	if s.change > 0 {
		text, style := change(values, present)
		l.field(style, text, s.change, true)
	}
}

// drawRanks draws the other columns as text and, as there is no number to draw, how the row's rank
// went: the higher the better.
func (p *panel) drawRanks(l *line, s shape, row []Cell) {
	for _, cell := range row[1:] {
		l.add(plain, "  ").add(plain, cell.Text)
	}
	if l.left > 6 {
		values, present := p.past(row[0].Text, -1)
		l.add(plain, "  ").add(cyan, sparkline(values, present, min(l.left, 30)))
	}
}

// past returns a row's value in each remembered result, or its rank upside down.
func (p *panel) past(label string, value int) (values []float64, present []bool) {
	values = make([]float64, len(p.history))
	present = make([]bool, len(p.history))
	for i, r := range p.history {
		for rank, row := range r.Rows {
			if len(row) == 0 || row[0].Text != label {
				continue
			}
			switch {
			case value < 0:
				values[i], present[i] = -float64(rank), true
			case value < len(row) && row[value].IsNumber:
				values[i], present[i] = row[value].Number, true
			}
			break
		}
	}
	return values, present
}

// moved tells how a row's rank compares with the result before.
func (p *panel) moved(label string, rank int) (string, style) {
	if len(p.history) < 2 {
		return " ", plain
	}
	for before, row := range p.history[len(p.history)-2].Rows {
		if len(row) == 0 || row[0].Text != label {
			continue
		}
		switch {
		case rank < before:
			return "▲", green
		case rank > before:
			return "▼", red
		}
		return " ", plain
	}
	return "+", green
}

// change is how much the newest value differs from the one before, in per cent.
func change(values []float64, present []bool) (string, style) {
	n := len(values)
	if n < 2 || !present[n-1] || !present[n-2] || values[n-2] == 0 {
		return "", plain
	}
	percent := (values[n-1] - values[n-2]) / math.Abs(values[n-2]) * 100
	switch {
	case percent > 999:
		return ">999 %", green
	case percent < -999:
		return "<-999 %", red
	case percent >= 0.05:
		return fmt.Sprintf("%+.1f %%", percent), green
	case percent <= -0.05:
		return fmt.Sprintf("%+.1f %%", percent), red
	}
	return "0.0 %", dim
}

// number writes a number with separators between thousands, and other text as it is.
func number(c Cell) string {
	whole, fraction, _ := strings.Cut(c.Text, ".")
	digits := strings.TrimPrefix(whole, "-")
	if !c.IsNumber || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return c.Text
	}
	var b strings.Builder
	if len(digits) < len(whole) {
		b.WriteByte('-')
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}
