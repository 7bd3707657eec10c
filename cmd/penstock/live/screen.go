package live

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Screen is the terminal while a view is on it: another screen than the one with the shell's
// lines, without a cursor, keys read as they are pressed.
type Screen struct {
	out  *os.File
	in   *os.File
	raw  *term.State // how the keyboard was before; nil when stdin is no terminal
	keys chan byte

	once sync.Once // Close may come from a signal's goroutine
}

// Open takes over the terminal that out is. Close must be called on every way out, or the shell
// is left without a cursor and an echo.
func Open(out, in *os.File) (*Screen, error) {
	s := &Screen{out: out, in: in, keys: make(chan byte, 16)}
	if term.IsTerminal(int(in.Fd())) {
		state, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		s.raw = state
		go s.readKeys()
	}
	_, err := io.WriteString(out, "\x1b[?1049h\x1b[?25l\x1b[2J")
	return s, err
}

// readKeys passes keys on. A read of a terminal cannot be called off, so this goroutine stays
// behind in its read until the next key or the end of the process.
func (s *Screen) readKeys() {
	defer close(s.keys)
	buf := make([]byte, 16)
	for {
		n, err := s.in.Read(buf)
		for _, key := range buf[:n] {
			select {
			case s.keys <- key:
			default: // nobody listens; a key held down must not fill memory
			}
		}
		if err != nil {
			return
		}
	}
}

// Keys gives the bytes of keys as they are pressed, Ctrl-C as 3. It is never closed while the
// screen is open and stdin is a terminal; otherwise nothing comes.
func (s *Screen) Keys() <-chan byte { return s.keys }

// Leaves tells whether a key asks to leave: q, Ctrl-C or Ctrl-D.
func Leaves(key byte) bool { return key == 'q' || key == 'Q' || key == 3 || key == 4 }

// Size returns the size of the terminal as it is now; it may change between frames.
func (s *Screen) Size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width < 1 || height < 1 {
		return 80, 24
	}
	return width, height
}

// Draw replaces what is on the screen, in one write so that it does not flicker. A terminal that
// has become narrower in between cuts or wraps one frame; the next one fits again.
func (s *Screen) Draw(lines []string) error {
	var b strings.Builder
	b.WriteString("\x1b[H\x1b[?7l") // no wrapping while a frame is written
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		// Erased first: behind a line that fills the width the cursor stands on its last character.
		erase := "\x1b[K"
		if i == len(lines)-1 {
			erase = "\x1b[J"
		}
		b.WriteString(erase + l)
	}
	b.WriteString("\x1b[?7h")
	_, err := io.WriteString(s.out, b.String())
	return err
}

// Close puts the terminal back as it was. It is safe to call twice and from any goroutine.
func (s *Screen) Close() {
	s.once.Do(func() {
		io.WriteString(s.out, "\x1b[?7h\x1b[?25h\x1b[?1049l")
		if s.raw != nil {
			term.Restore(int(s.in.Fd()), s.raw)
		}
	})
}
