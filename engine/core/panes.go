package core

import (
	"math"

	"penstock/query/plan"
)

// Times here are microseconds since the epoch, as in rows; a pane is named by its index, the
// time of its start divided by the table's pane length. Before 1970 both are negative, so
// every division rounds down.

// noTime is the clock of a source partition that has none yet.
const noTime = math.MinInt64

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func ceilDiv(a, b int64) int64 { return -floorDiv(-a, b) }

// grid is the ends of a metric's windows or intervals: phase + k*step.
type grid struct{ step, phase int64 }

// after returns the first end > t.
func (g grid) after(t int64) int64 { return (floorDiv(t-g.phase, g.step)+1)*g.step + g.phase }

// from returns the first end >= t.
func (g grid) from(t int64) int64 { return ceilDiv(t-g.phase, g.step)*g.step + g.phase }

// upTo returns the last end <= t.
func (g grid) upTo(t int64) int64 { return floorDiv(t-g.phase, g.step)*g.step + g.phase }

// count is the number of ends from first to last, both ends of the grid.
func (g grid) count(first, last int64) int64 { return (last-first)/g.step + 1 }

// gridOf returns the ends of a metric's results.
func gridOf(m *plan.Metric) grid {
	w := m.Read.Table.Window
	if m.Emit == plan.EmitFinal {
		advance, size := w.Advance.Microseconds(), w.Size.Microseconds()
		return grid{step: advance, phase: size % advance}
	}
	return grid{step: m.Interval.Microseconds()}
}

// shape is a table's window in the terms of the dataflow: lengths in microseconds and in panes.
type shape struct {
	kind          plan.WindowKind
	pane          int64
	size, advance int64 // microseconds; 0 without a window
	width         int64 // size in panes
	stride        int64 // advance in panes (tumbling and hopping)
	// buckets: every open window has rows of its own. Otherwise there is one row a key, what the
	// window that trails the last boundary holds, from which panes are taken out as they leave.
	buckets bool
}

// maxBuckets is how many overlapping windows a hopping table whose metrics are all final may
// have before the trailing form, which costs one addition and one subtraction a pane whatever
// the overlap, is used instead of a row for each open window.
const maxBuckets = 4

func shapeOf(t *plan.Table, metrics []*plan.Metric) shape {
	s := shape{kind: t.Window.Kind, pane: t.Pane.Microseconds()}
	if s.kind == plan.NoWindow {
		return s
	}
	s.size, s.advance = t.Window.Size.Microseconds(), t.Window.Advance.Microseconds()
	s.width, s.stride = s.size/s.pane, s.advance/s.pane
	if s.kind == plan.Sliding {
		return s
	}
	s.buckets = s.kind == plan.Tumbling || s.width <= maxBuckets*s.stride
	for _, m := range metrics {
		if m.Emit != plan.EmitFinal {
			s.buckets = true
		}
	}
	return s
}

// lateAt returns the clock at which a row of time t is late: every window it belongs to has
// ended. It does not depend on panes, so that other metrics on the table change nothing.
func (s *shape) lateAt(t int64) int64 {
	switch s.kind {
	case plan.Tumbling, plan.Hopping:
		return floorDiv(t, s.advance)*s.advance + s.size
	case plan.Sliding:
		return t + s.size
	}
	return math.MaxInt64
}

// lastEnd returns the end of the last window or interval of the table's metrics that holds a
// row of time t: where the clocks move when the input ends.
func (s *shape) lastEnd(t int64, metrics []*plan.Metric) int64 {
	end := int64(noTime)
	for _, m := range metrics {
		switch m.Emit {
		case plan.EmitFinal:
			end = max(end, s.lateAt(t))
		case plan.EmitEvery:
			end = max(end, gridOf(m).after(t))
			if s.kind == plan.Tumbling || s.kind == plan.Hopping {
				end = max(end, gridOf(m).from(s.lateAt(t)))
			}
		}
	}
	return end
}
