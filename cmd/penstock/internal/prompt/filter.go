package prompt

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// newline is how a line break is kept and shown inside the line that is edited: readline cannot
// draw a real one, and its history holds one entry a line.
const newline = '⏎'

// Keys that readline does not know or handles badly reach our listener as characters of the
// private use area. They never stay in the line.
const (
	keyDelete rune = 0xe0f0 + iota // readline takes Delete in an empty line for Ctrl-D
	keyUp
	keyDown
	keyPaste // the text is in filter.pastes
	lastKey
)

func isKey(r rune) bool { return r >= keyDelete && r < lastKey }

// filter turns the bytes of a terminal into those that readline understands. It keeps what is
// incomplete for the next call.
//
//   - A paste between ESC[200~ and ESC[201~ becomes one key, so that its line breaks do not run
//     what stands before them and a long one is drawn once.
//   - Home and End as tmux, screen and PuTTY send them, words by Ctrl and Alt with arrows.
//   - What readline would put into the line as it is, or that ends it by accident (Ctrl-Space),
//     and Ctrl-Z, which stops the parent process too, are dropped.
type filter struct {
	rest    []byte // the beginning of an escape sequence, or of a paste
	pasting bool
	pastes  []string
}

const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
	maxPaste   = 1 << 20
)

// feed takes bytes of the terminal and returns bytes for readline.
func (f *filter) feed(in []byte) []byte {
	in = append(f.rest, in...)
	f.rest = nil
	var out []byte
	for len(in) > 0 {
		if f.pasting {
			end := bytes.Index(in, []byte(pasteEnd))
			if end < 0 {
				f.rest = bytes.Clone(in)
				if len(f.rest) > maxPaste {
					f.rest = f.rest[len(f.rest)-len(pasteEnd):]
				}
				return out
			}
			f.pasting = false
			if text := pasted(in[:end]); text != "" {
				f.pastes = append(f.pastes, text)
				out = utf8.AppendRune(out, keyPaste)
			}
			in = in[end+len(pasteEnd):]
			continue
		}
		if in[0] != 0x1b {
			out = appendKey(out, in[0])
			in = in[1:]
			continue
		}
		n := sequence(in)
		if n == 0 {
			f.rest = bytes.Clone(in)
			return out
		}
		if string(in[:n]) == pasteBegin {
			f.pasting = true
		} else {
			out = append(out, translate(string(in[:n]))...)
		}
		in = in[n:]
	}
	return out
}

// takePaste returns the text that a keyPaste stands for.
func (f *filter) takePaste() string {
	if len(f.pastes) == 0 {
		return ""
	}
	text := f.pastes[0]
	f.pastes = f.pastes[1:]
	return text
}

// pasted makes one line of a pasted text. Line breaks at its end are dropped: Enter is pressed by
// the user.
func pasted(text []byte) string {
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", "    ").Replace(strings.ToValidUTF8(string(text), "\ufffd"))
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return newline
		case r < ' ', r >= 0x7f && r < 0xa0, isKey(r):
			return -1
		}
		return r
	}, strings.TrimRight(lines, "\n"))
}

// acted are the control characters that readline acts on.
const acted = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x12\x13\x14\x15\x17\x19\x7f"

func appendKey(out []byte, c byte) []byte {
	switch {
	case c == 0x10:
		return utf8.AppendRune(out, keyUp)
	case c == 0x0e:
		return utf8.AppendRune(out, keyDown)
	case c < ' ' && strings.IndexByte(acted, c) < 0:
		return out
	}
	return append(out, c)
}

// sequence returns how long the escape sequence at the beginning of in is, 0 when more of it is
// to come.
func sequence(in []byte) int {
	switch {
	case len(in) < 2:
		return 0
	case in[1] == '[':
		for i := 2; i < len(in); i++ {
			if in[i] >= 0x40 && in[i] <= 0x7e && (in[i] != '[' || i > 2) {
				return i + 1
			}
		}
		return 0
	case in[1] == 'O':
		if len(in) < 3 {
			return 0
		}
		return 3
	case in[1] == 0x1b:
		return 1
	}
	return 2
}

// translations are the sequences that readline does not know, and those we handle ourselves.
var translations = map[string]string{
	"\x1b[1~": "\x01", "\x1b[7~": "\x01", "\x1b[H": "\x01", "\x1bOH": "\x01",
	"\x1b[4~": "\x05", "\x1b[8~": "\x05", "\x1b[F": "\x05", "\x1bOF": "\x05",
	"\x1b[1;5D": "\x1bb", "\x1b[1;3D": "\x1bb", "\x1b[5D": "\x1bb", "\x1bOd": "\x1bb",
	"\x1b[1;5C": "\x1bf", "\x1b[1;3C": "\x1bf", "\x1b[5C": "\x1bf", "\x1bOc": "\x1bf",
	"\x1b[1;2D": "\x02", "\x1b[1;2C": "\x06", "\x1b[D": "\x02", "\x1b[C": "\x06", "\x1bOD": "\x02", "\x1bOC": "\x06",
	"\x1b[3~": string(keyDelete), "\x1b[3;5~": "\x1bd",
	"\x1b[A": string(keyUp), "\x1bOA": string(keyUp),
	"\x1b[B": string(keyDown), "\x1bOB": string(keyDown),
	"\x1b\r": string(newline), "\x1b\n": string(newline), // Alt-Enter
}

// translate gives readline's form of an escape sequence; unknown ones do nothing.
func translate(seq string) string {
	if to, ok := translations[seq]; ok {
		return to
	}
	if len(seq) == 2 && strings.IndexByte("bfd\x7f\x14", seq[1]) >= 0 {
		return seq
	}
	if len(seq) == 2 && seq[1] >= ' ' && seq[1] < 0x7f {
		return seq[1:] // Esc, then a character
	}
	return ""
}
