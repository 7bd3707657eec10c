package prompt

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFilter(t *testing.T) {
	for _, c := range []struct{ name, in, out, paste string }{
		{"text", "select 한글 🙂", "select 한글 🙂", ""},
		{"paste of four lines", "a\x1b[200~select 1,\r\n\t2\rfrom t\nlimit 1;\n\n\x1b[201~b", "a" + string(keyPaste) + "b", "select 1,⏎    2⏎from t⏎limit 1;"},
		{"paste with control characters", "\x1b[200~a\x03\x1b[2Jb\x00\u009b\x1b[201~", string(keyPaste), "a[2Jb"},
		{"paste of an Enter alone", "\x1b[200~\n\x1b[201~", "", ""},
		{"paste that is no text", "\x1b[200~\xff\x1b[201~", string(keyPaste), "\ufffd"},
		{"paste of a character that stands for a key", "\x1b[200~a" + string(keyUp) + "\x1b[201~", string(keyPaste), "a"},
		{"home and end of tmux", "\x1b[1~\x1b[4~", "\x01\x05", ""},
		{"home and end of xterm", "\x1b[H\x1b[F\x1bOH\x1bOF", "\x01\x05\x01\x05", ""},
		{"home and end of rxvt", "\x1b[7~\x1b[8~", "\x01\x05", ""},
		{"words by Ctrl and Alt with arrows", "\x1b[1;5D\x1b[1;5C\x1b[1;3D\x1b[1;3C", "\x1bb\x1bf\x1bb\x1bf", ""},
		{"Alt with letters", "\x1bb\x1bf\x1bd\x1b\x7f", "\x1bb\x1bf\x1bd\x1b\x7f", ""},
		{"Delete, Up, Down", "\x1b[3~\x1b[A\x1bOB\x10\x0e", string([]rune{keyDelete, keyUp, keyDown, keyUp, keyDown}), ""},
		{"Ctrl-Z, Ctrl-Space, Ctrl-Backslash", "\x1a\x00\x1c", "", ""},
		{"what readline knows", "\x01\x02\x03\x04\x05\x12\x17\r", "\x01\x02\x03\x04\x05\x12\x17\r", ""},
		{"keys that mean nothing", "\x1b[5~\x1b[6~\x1bOP\x1b[15~\x1b[1;2A\x1b[<0;1;1M", "", ""},
		{"a line break by Alt-Enter", "a\x1b\rb", "a⏎b", ""},
		{"the answer of a terminal", "\x1b[24;80R", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f filter
			if got := string(f.feed([]byte(c.in))); got != c.out {
				t.Errorf("%q became %q, expected %q", c.in, got, c.out)
			}
			if got := f.takePaste(); got != c.paste {
				t.Errorf("pasted %q, expected %q", got, c.paste)
			}
			// However the terminal cuts it into reads.
			var whole strings.Builder
			f = filter{}
			for i := range len(c.in) {
				whole.Write(f.feed([]byte{c.in[i]}))
			}
			if got := whole.String(); got != c.out || f.takePaste() != c.paste {
				t.Errorf("byte by byte %q became %q, expected %q", c.in, got, c.out)
			}
		})
	}
}

// A terminal may send anything: nothing is lost but what stands for no key, and no paste ends a
// line.
func TestFilterAnything(t *testing.T) {
	pieces := rapid.SampledFrom([]string{"\x1b", "[", "200~", "201~", "\x1b[200~", "\x1b[201~", "a", "\r", "\n", "\x03", "1;5D", "한", "\xe2", "\x1a"})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(pieces, 0, 30).Draw(t, "pieces"), "")
		var one, two filter
		whole := string(one.feed([]byte(text)))
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		parts := string(two.feed([]byte(text[:cut]))) + string(two.feed([]byte(text[cut:])))
		if whole != parts || strings.Join(one.pastes, "|") != strings.Join(two.pastes, "|") {
			t.Fatalf("%q: %q in one read, %q in two at %d", text, whole, parts, cut)
		}
		for _, p := range one.pastes {
			if strings.ContainsAny(p, "\r\n\x1b\x03") {
				t.Fatalf("%q pastes %q", text, p)
			}
		}
	})
}
