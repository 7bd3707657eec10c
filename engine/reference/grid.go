package reference

import "penstock/query/plan"

// grid is the ends of a metric's results: every multiple of step, moved by phase.
type grid struct{ step, phase int64 }

// gridOf returns the ends of a metric: window ends for FINAL, multiples of the interval for EVERY.
func gridOf(m *plan.Metric) grid {
	if m.Emit == plan.EmitFinal {
		w := m.Read.Table.Window
		adv := w.Advance.Microseconds()
		return grid{adv, w.Size.Microseconds() % adv}
	}
	return grid{m.Interval.Microseconds(), 0}
}

// upTo is the last end that is not later than t.
func (g grid) upTo(t int64) int64 { return floor(t-g.phase, g.step) + g.phase }

// after is the first end later than t.
func (g grid) after(t int64) int64 { return g.upTo(t) + g.step }

// from is the first end that is not earlier than t.
func (g grid) from(t int64) int64 { return g.after(t - 1) }

// floor is the last multiple of step that is not later than t.
func floor(t, step int64) int64 {
	r := t % step
	if r < 0 {
		r += step
	}
	return t - r
}

// lastEnd is the end of the last window or interval of m that holds a row of that time.
func lastEnd(m *plan.Metric, time int64) int64 {
	w := m.Read.Table.Window
	windowEnd := int64(noTime)
	if w.Kind == plan.Tumbling || w.Kind == plan.Hopping {
		windowEnd = floor(time, w.Advance.Microseconds()) + w.Size.Microseconds()
	}
	switch m.Emit {
	case plan.EmitFinal:
		return windowEnd
	case plan.EmitEvery:
		end := gridOf(m).after(time)
		if windowEnd != noTime {
			end = max(end, gridOf(m).from(windowEnd))
		}
		return end
	}
	return noTime
}
