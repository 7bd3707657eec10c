package plan

import (
	"slices"
	"strings"
	"time"
)

// Bounds of windows and intervals. Kafka timestamps have milliseconds, so nothing finer can be
// told apart at the source.
const (
	finest    = time.Millisecond
	maxPanes  = 10_000
	widePane  = 10 * time.Second
	idlePane  = 10 * time.Second // of a table that no schedule reads
	wantPanes = 1_000            // a window is not cut finer than this without need
)

func gcd(a, b time.Duration) time.Duration {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// step is the longest pane that the window and the intervals of its readers allow: every
// window border and every emission falls on a multiple of it. Zero when nothing asks for one.
func step(w Window, every []time.Duration) time.Duration {
	g := gcd(w.Size, w.Advance)
	for _, e := range every {
		g = gcd(g, e)
	}
	return g
}

// paneOf chooses the pane of a table. A longer pane than widePane is cut further, because a row
// keeps its open panes apart from its closed value and a reader between two borders should
// find most of a long window closed; but not into more than about wantPanes a window.
func paneOf(w Window, every []time.Duration) time.Duration {
	g := step(w, every)
	if g == 0 {
		return idlePane
	}
	limit := max(widePane, g/wantPanes, w.Size/wantPanes)
	if g <= limit {
		return g
	}
	// Whole seconds read better in EXPLAIN; lengths with few divisors (10,007 ms) stay whole rather
	// than fall into splinters.
	least := (g + limit - 1) / limit
	for _, unit := range []time.Duration{time.Second, finest} {
		for k := least; k <= 4*least; k++ {
			if g%(k*unit) == 0 {
				return g / k
			}
		}
	}
	return g
}

// panes is how many panes of a table one window (or, without a window, the longest interval)
// has.
func panes(w Window, every []time.Duration, pane time.Duration) int64 {
	span := w.Size
	for _, e := range every {
		if w.Kind == NoWindow {
			span = max(span, e)
		}
	}
	return int64(span / pane)
}

// checkLength refuses lengths that cannot be told apart at the source.
func checkLength(what string, d time.Duration) *fault {
	switch {
	case d <= 0:
		return faultf(codeWindow, "%s is %s", what, lengthText(d)).
			expect("a length of at least 1 MILLISECOND", "write for example %s 5 SECONDS", what)
	case d%finest != 0:
		near := d.Round(finest)
		return faultf(codeWindow, "%s is %s, which is no multiple of 1 MILLISECOND", what, lengthText(d)).
			expect("whole milliseconds: Kafka's timestamps have no finer ones", "write %s %s", what, lengthText(max(near, finest)))
	}
	return nil
}

// checkWindow refuses windows that no row, or not every row, would fall into.
func checkWindow(w Window) *fault {
	if f := checkLength("SIZE", w.Size); f != nil {
		return f
	}
	if w.Kind != Hopping {
		return nil
	}
	if f := checkLength("ADVANCE BY", w.Advance); f != nil {
		return f
	}
	if w.Advance > w.Size {
		return faultf(codeWindow, "ADVANCE BY %s is longer than SIZE %s", lengthText(w.Advance), lengthText(w.Size)).
			expect("windows that touch or overlap: rows between two of them would be in none",
				"write ADVANCE BY %s, or TUMBLING (SIZE %s)", lengthText(w.Size), lengthText(w.Size))
	}
	return nil
}

// checkPanes refuses a window that would be cut into more than maxPanes panes, and names the
// nearest lengths that work. With no window the longest interval takes its place.
func checkPanes(w Window, every []time.Duration) *fault {
	g := step(w, every)
	if g == 0 {
		return nil
	}
	n := panes(w, every, g)
	if n <= maxPanes {
		return nil
	}
	if w.Kind == NoWindow {
		return faultf(codePanes, "the intervals %s have only %s in common: %s panes an interval, at most %s are possible",
			lengthList(every), lengthText(g), thousands(n), thousands(maxPanes)).
			expect("", "choose intervals of which one divides the other")
	}
	f := faultf(codePanes, "a window of %s in steps of %s has %s panes, at most %s are possible",
		lengthText(w.Size), lengthText(g), thousands(n), thousands(maxPanes))
	return f.expect("", "%s", nearestThatWork(w, every))
}

// nearestThatWork words the closest change that passes checkPanes: another size with the same
// steps, or other steps with the same size.
func nearestThatWork(w Window, every []time.Duration) string {
	var parts []string
	if sizes := nearestSizes(w, every); len(sizes) > 0 {
		parts = append(parts, "SIZE "+orList(lengthTexts(sizes))+" works with these steps")
	}
	if n := nearestStep(w.Size, step(w, every)); n > 0 {
		parts = append(parts, "steps of "+lengthText(n)+" work with this size")
	}
	return strings.Join(parts, "; ")
}

// nearestSizes are the multiples of the steps around the size, or the longest size with as many
// panes as there can be.
func nearestSizes(w Window, every []time.Duration) []time.Duration {
	var s time.Duration // what the steps have in common, the size apart
	if w.Kind == Hopping {
		s = w.Advance
	}
	for _, e := range every {
		s = gcd(s, e)
	}
	if s == 0 {
		return nil
	}
	low := w.Size / s * s
	sizes := []time.Duration{low, low + s}
	if longest := s * maxPanes; low+s > longest {
		sizes = []time.Duration{longest}
	}
	return slices.DeleteFunc(sizes, func(d time.Duration) bool { return d == 0 || d < w.Advance && w.Kind == Hopping })
}

// nearestStep is the shortest length that cuts size into at most maxPanes: a multiple of the steps
// that were asked for if there is a short one, any other, or 0.
func nearestStep(size, asked time.Duration) time.Duration {
	least := (size + maxPanes - 1) / maxPanes
	for _, unit := range []time.Duration{asked, finest} {
		first := (least + unit - 1) / unit * unit
		for n := first; n < 4*first && n < size; n += unit {
			if size%n == 0 {
				return n
			}
		}
	}
	return 0
}
