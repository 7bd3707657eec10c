package prompt

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anyText draws text with everything that terminals and lexers stumble over.
var anyText = rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.SampledFrom([]string{
	"select", " ", "'", `"`, "--", "/*", "*/", "⏎", "한글", "🙂", "👩‍👩‍👧", "\x1b[2J", "\u202e", "\t", ";", "(", `\`, "1e", "e\u0301",
})), func(list []string) string { return strings.Join(list, "") }))

// TestPaintChangesNothing: without its colours a painted line is the line.
func TestPaintChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := strings.ToValidUTF8(anyText.Draw(t, "line"), "?")
		line = strings.NewReplacer("\x1b", "", "\n", "", "\x00", "").Replace(line)
		open := strings.ToValidUTF8(anyText.Draw(t, "open"), "?")
		got := colours.ReplaceAllString(paintLine(open, []rune(line), true), "")
		want := strings.Map(func(r rune) rune {
			if isKey(r) {
				return -1
			}
			return r
		}, line)
		if got != want {
			t.Fatalf("%q was painted as %q", line, got)
		}
	})
}

// TestSafeText: nothing that moves a cursor or turns the direction is left.
func TestSafeText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyText.Draw(t, "text")
		if got := safe(text); strings.ContainsFunc(got, dangerous) {
			t.Fatalf("%q is shown as %q", text, got)
		}
		if got := string(safeJSON([]byte(text))); strings.ContainsFunc(got, dangerous) {
			t.Fatalf("%q is shown as %q", text, got)
		}
	})
	if got := string(safeJSON([]byte("\"a\u202eb\U000e0001\""))); got != `"a\u202eb\udb40\udc01"` {
		t.Error(got)
	}
}

// TestMenuFits: candidates are never wider than the screen, whatever their names.
func TestMenuFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []candidate
		for range rapid.IntRange(1, 200).Draw(t, "candidates") {
			name := strings.Repeat(rapid.SampledFrom([]string{"a", "한", "client_totals", "🙂"}).Draw(t, "name"), rapid.IntRange(1, 30).Draw(t, "times"))
			list = append(list, candidate{name, rapid.SampledFrom([]string{"table", "aggregate", "keyword"}).Draw(t, "kind")})
		}
		width := rapid.IntRange(16, 200).Draw(t, "width")
		for _, line := range strings.Split(menu(list, width, plain), "\n") {
			if widths.StringWidth(line) > width {
				t.Fatalf("%d columns of %d: %q", widths.StringWidth(line), width, line)
			}
		}
	})
}

// TestCanvas draws lines and plays what was written on a small terminal: the cursor stands where
// the position is, also behind wide characters and over several rows, and nothing is left behind.
func TestCanvas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(8, 40).Draw(t, "width")
		screen := &vt{width: width}
		c := &canvas{out: screen, width: func() int { return width }}
		for range rapid.IntRange(1, 8).Draw(t, "drawings") {
			line := []rune(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "한", "🙂", "⏎", " "}), 0, 60).Draw(t, "line"), ""))
			pos := rapid.IntRange(0, len(line)).Draw(t, "pos")
			prompt := rapid.SampledFrom([]string{"=> ", "한=> ", "\x1b[1mtrades\x1b[0m> "}).Draw(t, "prompt")
			fmt.Fprint(c, "\x1b[J\x1b[2K\r")
			c.draws(drawing{prompt: prompt, line: line, pos: pos, painted: string(line)})
			fmt.Fprint(c, prompt+string(line)+"\b\b")
			want := &vt{width: width}
			fmt.Fprint(want, colours.ReplaceAllString(prompt, "")+string(line[:pos]))
			row, col := want.row, want.col
			if pos < len(line) && col+widths.RuneWidth(line[pos]) > width || col == width {
				row, col = row+1, 0
			}
			if got := screen.row; got != row || screen.col != col {
				t.Fatalf("%q at %d: the cursor is in row %d column %d, expected %d, %d", string(line), pos, got, screen.col, row, col)
			}
			fmt.Fprint(want, string(line[pos:]))
			if got, expected := screen.text(), want.text(); got != expected {
				t.Fatalf("on the screen\n%s\nexpected\n%s", got, expected)
			}
		}
	})
}

// vt is as much of a terminal as the canvas uses.
type vt struct {
	width    int
	rows     [][]rune
	row, col int
}

func (v *vt) text() string {
	var lines []string
	for _, r := range v.rows {
		lines = append(lines, strings.TrimRight(strings.ReplaceAll(string(r), "\x00", ""), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func (v *vt) put(r rune) {
	w := widths.RuneWidth(r)
	if v.col+w > v.width {
		v.row, v.col = v.row+1, 0
	}
	v.grow(v.row)
	v.rows[v.row][v.col] = r
	if w == 2 {
		v.rows[v.row][v.col+1] = 0
	}
	v.col += w
}

func (v *vt) grow(row int) {
	for len(v.rows) <= row {
		v.rows = append(v.rows, []rune(strings.Repeat(" ", v.width)))
	}
}

// Write plays text and control sequences.
func (v *vt) Write(p []byte) (int, error) {
	text := string(p)
	for text != "" {
		if strings.HasPrefix(text, "\x1b[") {
			end := strings.IndexAny(text[2:], "ABCDJKm") + 2
			n, _ := strconv.Atoi(text[2:end])
			switch text[end] {
			case 'A':
				v.row -= n
			case 'C':
				v.col += n
			case 'J':
				v.grow(v.row)
				v.rows = v.rows[:v.row+1]
				for i := v.col; i < v.width; i++ {
					v.rows[v.row][i] = ' '
				}
			}
			text = text[end+1:]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch r {
		case '\r':
			v.col = 0
		case '\b':
			v.col--
		default:
			v.put(r)
		}
	}
	return len(p), nil
}

func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "history")
	h, err := openHistory(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"select 1;\n", "select\n  2;", "select\n  2;", "show tables;", "select 'PASSWORD x';", "-- sasl.jaas", "select 3;"} {
		if err := h.add(text); err != nil {
			t.Fatal(err)
		}
	}
	want := "select 1;\nselect⏎  2;\nshow tables;\nselect 3;\n"
	if got, _ := os.ReadFile(file); string(got) != want {
		t.Errorf("kept %q, expected %q", got, want)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v", info.Mode())
	}
	if h, err = openHistory(file); err != nil {
		t.Fatal(err)
	}
	walk := func(line string, steps string) (seen []string) {
		h.rewind()
		for _, s := range steps {
			step := h.up
			if s == 'd' {
				step = h.down
			}
			if entry, ok := step(line); ok {
				line = entry
				seen = append(seen, entry)
			} else {
				seen = append(seen, "-")
			}
		}
		return seen
	}
	for _, c := range []struct{ line, steps, want string }{
		{"", "uuuuu", "select 3;|show tables;|select⏎  2;|select 1;|-"},
		{"", "uudd", "select 3;|show tables;|select 3;|"},
		{"sel", "uuuu", "select 3;|select⏎  2;|select 1;|-"},
		{"sel", "ud", "select 3;|sel"},
		{"x", "ud", "-|-"},
	} {
		if got := strings.Join(walk(c.line, c.steps), "|"); got != c.want {
			t.Errorf("%q %s: %q, expected %q", c.line, c.steps, got, c.want)
		}
	}
	if got := h.find("TABLES"); len(got) != 1 {
		t.Errorf("found %q", got)
	}
}

// TestHistoryIsCut: a file of another mode becomes private, a long one is cut to what is kept.
func TestHistoryIsCut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	var b strings.Builder
	for i := range 2*kept + 1 {
		fmt.Fprintf(&b, "select %d;\n", i)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	h, err := openHistory(file)
	if err != nil || len(h.entries) != kept || h.entries[kept-1] != fmt.Sprintf("select %d;", 2*kept) {
		t.Fatalf("%v, %d entries", err, len(h.entries))
	}
	text, _ := os.ReadFile(file)
	info, _ := os.Stat(file)
	if strings.Count(string(text), "\n") != kept || info.Mode().Perm() != 0o600 {
		t.Errorf("%d lines, mode %v", strings.Count(string(text), "\n"), info.Mode())
	}
}
