package live

import "time"

// remembered is how many results of a metric a view keeps, as many as its widest sparkline shows.
const remembered = 60

// Status is what the head line says beside the title. Empty parts are left out.
type Status struct {
	State     string // "" when all is well, otherwise a word such as "restoring"
	PerSecond float64
	Read      int64
	Bad       int64
	Lag       int64
	AsOf      time.Time // end of the newest interval that was published
	Notice    string    // shown in the last line
}

// View remembers the last results of some metrics. It belongs to one goroutine.
type View struct {
	title  string
	panels []*panel
	byName map[string]*panel
	status Status
}

// NewView makes a view of the named metrics, in that order. Results of other metrics get a panel
// behind them when they come.
func NewView(title string, metrics ...string) *View {
	v := &View{title: title, byName: map[string]*panel{}}
	for _, name := range metrics {
		v.panel(name)
	}
	return v
}

func (v *View) panel(name string) *panel {
	p := v.byName[name]
	if p == nil {
		p = &panel{name: name}
		v.byName[name] = p
		v.panels = append(v.panels, p)
	}
	return p
}

// Add takes a result. Of a result in parts only the first is shown: its rows are the best ones.
func (v *View) Add(r Result) {
	if r.Part > 1 {
		return
	}
	p := v.panel(r.Metric)
	for range min(r.Intervals, remembered) {
		p.history = append(p.history, r)
	}
	p.history = p.history[max(0, len(p.history)-remembered):]
	if r.End.After(v.status.AsOf) {
		v.status.AsOf = r.End
	}
}

// SetStatus replaces the status. AsOf only moves forward.
func (v *View) SetStatus(s Status) {
	if s.AsOf.Before(v.status.AsOf) {
		s.AsOf = v.status.AsOf
	}
	v.status = s
}

// Ready tells whether every panel has something to show.
func (v *View) Ready() bool {
	for _, p := range v.panels {
		if len(p.history) == 0 {
			return false
		}
	}
	return len(v.panels) > 0
}
