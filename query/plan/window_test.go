package plan

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPaneOf(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		w     Window
		every []time.Duration
		want  time.Duration
	}{
		{Window{Tumbling, 5 * time.Second, 5 * time.Second}, nil, 5 * time.Second},
		{Window{Tumbling, time.Hour, time.Hour}, nil, 10 * time.Second},
		{Window{Tumbling, 24 * time.Hour, 24 * time.Hour}, nil, 80 * time.Second},
		{Window{Hopping, time.Minute, 20 * time.Second}, nil, 10 * time.Second},
		{Window{Hopping, time.Minute, 25 * time.Second}, nil, 5 * time.Second},
		{Window{Sliding, time.Hour, 0}, []time.Duration{5 * time.Second}, 5 * time.Second},
		{Window{Sliding, time.Hour, 0}, []time.Duration{6 * time.Second, 4 * time.Second}, 2 * time.Second},
		{Window{Sliding, 24 * time.Hour, 0}, []time.Duration{time.Hour}, 80 * time.Second},
		{Window{}, []time.Duration{5 * time.Second}, 5 * time.Second},
		{Window{}, []time.Duration{time.Hour}, 10 * time.Second},
		{Window{}, nil, idlePane},
		{Window{Tumbling, 10007 * ms, 10007 * ms}, nil, 10007 * ms}, // a prime
		{Window{Tumbling, ms, ms}, nil, ms},
	} {
		if got := paneOf(c.w, c.every); got != c.want {
			t.Errorf("%s every %s: pane %s, want %s", windowText(c.w), lengthList(c.every), got, c.want)
		}
	}
}

// windows draws a window with the intervals of its readers, in whole milliseconds.
func windows(t *rapid.T) (Window, []time.Duration) {
	length := rapid.Custom(func(t *rapid.T) time.Duration {
		unit := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "unit")
		return unit * time.Duration(rapid.IntRange(1, 3000).Draw(t, "n"))
	})
	w := Window{Kind: WindowKind(rapid.IntRange(0, 3).Draw(t, "kind"))}
	if w.Kind != NoWindow {
		w.Size = length.Draw(t, "size")
	}
	switch w.Kind {
	case Tumbling:
		w.Advance = w.Size
	case Hopping:
		w.Advance = min(length.Draw(t, "advance"), w.Size)
	}
	return w, rapid.SliceOfN(length, 0, 3).Draw(t, "every")
}

// TestPaneDivides holds what a pane is for: every border of a window and every emission falls on
// the end of a pane.
func TestPaneDivides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, every := windows(t)
		pane := paneOf(w, every)
		if pane < finest || pane%finest != 0 {
			t.Fatalf("pane %s", pane)
		}
		for _, d := range append([]time.Duration{w.Size, w.Advance}, every...) {
			if d%pane != 0 {
				t.Fatalf("pane %s does not divide %s", pane, d)
			}
		}
		if g := step(w, every); checkPanes(w, every) == nil && g != 0 && w.Kind != NoWindow && int64(w.Size/pane) > maxPanes {
			t.Fatalf("%d panes of %s in %s", w.Size/pane, pane, w.Size)
		}
	})
}

var lengthPattern = regexp.MustCompile(`(\d+) (MILLISECOND|SECOND|MINUTE|HOUR|DAY)S?`)

// lengthsIn reads back the lengths of a text.
func lengthsIn(t *rapid.T, text string) []time.Duration {
	var list []time.Duration
	for _, m := range lengthPattern.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range units {
			if u.name == m[2] {
				list = append(list, time.Duration(n)*u.d)
			}
		}
	}
	return list
}

// TestSuggestedLengthsWork takes the sizes and steps that a refusal names at their word.
func TestSuggestedLengthsWork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, every := windows(t)
		f := checkPanes(w, every)
		if f == nil || w.Kind == NoWindow {
			return // nothing was refused
		}
		sizes, steps, both := strings.Cut(f.hint, ";")
		if !both && strings.HasPrefix(sizes, "steps") {
			sizes, steps = "", sizes
		}
		for _, size := range lengthsIn(t, sizes) {
			other := w
			other.Size = size
			if w.Kind == Tumbling {
				other.Advance = size
			}
			if f := checkWindow(other); f != nil {
				t.Fatalf("%s: suggested size %s: %s", windowText(w), size, f.text)
			}
			if f := checkPanes(other, every); f != nil {
				t.Fatalf("%s every %s: suggested size %s: %s", windowText(w), lengthList(every), size, f.text)
			}
		}
		for _, s := range lengthsIn(t, steps) {
			other := w
			if w.Kind == Hopping {
				other.Advance = s
			}
			if f := checkWindow(other); f != nil {
				t.Fatalf("%s: suggested steps %s: %s", windowText(w), s, f.text)
			}
			if f := checkPanes(other, []time.Duration{s}); f != nil {
				t.Fatalf("%s every %s: suggested steps %s: %s", windowText(w), lengthList(every), s, f.text)
			}
		}
	})
}
