package prompt

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// canvas stands between readline and the terminal. Readline moves the cursor by one column a
// character and counts lines the same way, which leaves it beside wide ones (Hangul, emoji) and
// garbage behind. Its two drawing steps, wiping the line and writing it, are recognised here and
// done with the widths that terminals use. All else passes.
type canvas struct {
	out   io.Writer
	width func() int

	mu      sync.Mutex
	pending *drawing // painted, and not written yet
	drawn   drawing  // what is on the screen
}

// drawing is a line that is edited, and where the cursor stands in it.
type drawing struct {
	prompt  string
	line    []rune
	pos     int
	painted string
}

// wipe is what readline writes before it draws again.
var wipe = regexp.MustCompile(`^\x1b\[J(\x1b\[2K\r\x1b\[A)*\x1b\[2K\r$`)

// draws announces a line that readline is about to write.
func (c *canvas) draws(d drawing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = &d
}

// Write takes what readline writes to the terminal.
func (c *canvas) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	switch d := c.pending; {
	case d != nil && bytes.HasPrefix(b, []byte(d.prompt)):
		c.pending = nil
		c.drawn = *d
		_, err = io.WriteString(c.out, d.text(c.width()))
		if n := len(d.line); n > 0 && d.line[n-1] == '\n' {
			c.drawn = drawing{}
		}
	case wipe.Match(b):
		row, _ := c.drawn.place(c.width(), c.drawn.pos)
		up := ""
		if row > 0 {
			up = fmt.Sprintf("\x1b[%dA", row)
		}
		_, err = io.WriteString(c.out, up+"\r\x1b[J")
	default:
		_, err = c.out.Write(b)
	}
	return len(b), err
}

// text is the line with its prompt, and the way from its end to the cursor.
func (d *drawing) text(width int) string {
	var b strings.Builder
	b.WriteString(d.prompt + d.painted)
	if n := len(d.line); n > 0 && d.line[n-1] == '\n' {
		return b.String()
	}
	endRow, endCol := d.place(width, len(d.line))
	if endCol == 0 && endRow > 0 {
		b.WriteString(" \b") // terminals wrap only with the next character
	}
	if d.pos == len(d.line) {
		return b.String()
	}
	row, col := d.place(width, d.pos)
	if endRow > row {
		fmt.Fprintf(&b, "\x1b[%dA", endRow-row)
	}
	b.WriteByte('\r')
	if col > 0 {
		fmt.Fprintf(&b, "\x1b[%dC", col)
	}
	return b.String()
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// place tells on which row below the prompt's first and in which column a position is.
func (d *drawing) place(width, pos int) (row, col int) {
	put := func(r rune) {
		w := widths.RuneWidth(r)
		if isKey(r) {
			w = 0
		}
		if col+w > width {
			row, col = row+1, 0
		}
		col += w
	}
	for _, r := range colours.ReplaceAllString(d.prompt, "") {
		put(r)
	}
	for _, r := range d.line[:min(pos, len(d.line))] {
		put(r)
	}
	// Terminals wrap with the next character, and a wide one that does not fit wraps early.
	if col >= width || pos < len(d.line) && col+widths.RuneWidth(d.line[pos]) > width {
		row, col = row+1, 0
	}
	return row, col
}
