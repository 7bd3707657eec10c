package prompt

import (
	"fmt"
	"strings"
)

const (
	narrowScreen = 40 // below, candidates are shown one at a time
	mostListed   = 80
)

// menu lays out candidates in columns, each with its kind, never wider than the screen.
func menu(list []candidate, width int, paint func(style, text string) string) string {
	rest := 0
	if len(list) > mostListed {
		rest = len(list) - mostListed
		list = list[:mostListed]
	}
	name, kind := 0, 0
	for _, c := range list {
		name, kind = max(name, widths.StringWidth(c.text)), max(kind, len(c.kind))
	}
	name = min(name, max(1, width-kind-3))
	cell := name + 1 + kind + 2
	across := max(1, (width-1+2)/cell)
	down := (len(list) + across - 1) / across
	var b strings.Builder
	for row := range down {
		for col := range across {
			i := col*down + row
			if i >= len(list) {
				break
			}
			c := list[i]
			text := pad(clip(c.text, name), name, false) + " " + paint("2", c.kind)
			if col < across-1 && (col+1)*down+row < len(list) {
				text += strings.Repeat(" ", kind-len(c.kind)+2)
			}
			b.WriteString(text)
		}
		b.WriteByte('\n')
	}
	if rest > 0 {
		b.WriteString(paint("2", fmt.Sprintf("and %d more", rest)) + "\n")
	}
	return b.String()
}
