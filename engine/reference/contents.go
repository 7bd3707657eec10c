package reference

import (
	"cmp"
	"math"
	"slices"

	"penstock/query/plan"
	"penstock/query/row"
)

// contents is which rows a metric's table holds as of t, for one t after another.
type contents struct {
	t     *table
	final bool // only the window that ends at t is shown
	at    int64

	byEnter []int // places in t.rows, those that enter first in front
	entered int   // how many of byEnter have entered

	// A row leaves only a sliding window, in the order of time.
	byTime  []int
	left    int
	outside []bool // by place in t.rows: it has left, or need not enter any more

	// windows by their start. Without a window, and for a sliding one, it is one, at 0.
	windows map[int64]*window
	version int // changes when contents do
	number  int // how many are shown, when uneven
}

// window is the rows of one window.
type window struct {
	start, end int64
	groups     map[int]*group // by the key's place in table.keys
	list       []*group       // the same
}

// group is the rows of one group in a window.
type group struct {
	key   int
	place int // in the window's list
	rows  int
	sums  []sum
	read  *readRow // what the metric makes of it; nil: not known
}

func newContents(t *table, final bool) *contents {
	c := &contents{t: t, final: final, at: noTime, windows: map[int64]*window{}, byEnter: make([]int, len(t.rows))}
	for i := range c.byEnter {
		c.byEnter[i] = i
	}
	slices.SortStableFunc(c.byEnter, func(a, b int) int { return cmp.Compare(t.rows[a].enter, t.rows[b].enter) })
	if t.plan.Window.Kind == plan.Sliding {
		c.byTime = slices.Clone(c.byEnter)
		slices.SortStableFunc(c.byTime, func(a, b int) int { return cmp.Compare(t.rows[a].time, t.rows[b].time) })
		c.outside = make([]bool, len(t.rows))
	}
	if !t.bucket {
		c.windows[0] = t.before()
	}
	return c
}

// advance makes the contents those as of at, which never goes back: the rows with enter < at
// and, for a sliding window, at - size <= time.
func (c *contents) advance(at int64) {
	c.at = at
	c.enter(at)
	c.leave(at - c.t.size)
	for start, w := range c.windows {
		if c.t.bucket && w.end < at {
			delete(c.windows, start)
			c.version++
		}
	}
	if c.uneven() {
		if n := len(c.shown()); n != c.number {
			c.number = n
			c.version++
		}
	}
}

// filled tells whether a row is in any window.
func (c *contents) filled() bool {
	for _, w := range c.windows {
		if len(w.list) > 0 {
			return true
		}
	}
	return false
}

// uneven tells whether results differ without any row coming or going: without GROUP BY every
// window has its row, and how many windows hold a moment depends on the moment.
func (c *contents) uneven() bool {
	return len(c.t.plan.Keys) == 0 && c.t.bucket && !c.final && c.t.size%c.t.adv != 0
}

// enter lets the rows in that enter before a moment.
func (c *contents) enter(before int64) {
	for ; c.entered < len(c.byEnter); c.entered++ {
		i := c.byEnter[c.entered]
		r := &c.t.rows[i]
		switch {
		case r.enter >= before:
			return
		case c.t.bucket:
			c.enterWindows(r)
		case c.outside == nil || !c.outside[i]:
			c.version++
			c.windows[0].add(c.t, r)
		}
	}
}

// enterWindows adds a row to the windows that hold its time and had not ended before it.
func (c *contents) enterWindows(r *applied) {
	for start := floor(r.time, c.t.adv); start > r.time-c.t.size; start -= c.t.adv {
		if end := start + c.t.size; end > r.enter {
			c.version++
			c.window(start, end).add(c.t, r)
		}
	}
}

// leave takes the rows out of a sliding window whose time is before a moment.
func (c *contents) leave(before int64) {
	for ; c.left < len(c.byTime); c.left++ {
		i := c.byTime[c.left]
		r := &c.t.rows[i]
		if r.time >= before {
			return
		}
		c.outside[i] = true
		if r.enter < c.at {
			c.version++
			c.windows[0].remove(r, c.t)
		}
	}
}

// next is the first end after the last one at which contents can be different.
func (c *contents) next(g grid) int64 {
	end := int64(math.MaxInt64)
	if c.entered < len(c.byEnter) {
		end = min(end, g.after(c.t.rows[c.byEnter[c.entered]].enter))
	}
	if c.left < len(c.byTime) {
		end = min(end, g.after(c.t.rows[c.byTime[c.left]].time+c.t.size))
	}
	for _, w := range c.windows {
		switch {
		case !c.t.bucket:
		case c.final && w.end > c.at:
			end = min(end, w.end)
		default:
			end = min(end, g.after(w.end))
		}
	}
	if c.uneven() {
		end = min(end, g.after(c.at))
	}
	return max(end, g.after(c.at))
}

// shown lists the windows that a result shows: for EMIT FINAL the one that ends there, otherwise
// every one that holds the moment before. Without GROUP BY also those without rows are there.
func (c *contents) shown() []*window {
	if !c.t.bucket {
		return []*window{c.windows[0]}
	}
	oldest := floor(c.at-1, c.t.adv)
	for oldest-c.t.adv+c.t.size >= c.at {
		oldest -= c.t.adv
	}
	var list []*window
	for start := oldest; start < c.at; start += c.t.adv {
		if c.final && start+c.t.size != c.at {
			continue
		}
		w := c.windows[start]
		if w == nil && len(c.t.plan.Keys) == 0 {
			w = newWindow(start, start+c.t.size)
		}
		if w != nil {
			list = append(list, w)
		}
	}
	return list
}

func newWindow(start, end int64) *window {
	return &window{start: start, end: end, groups: map[int]*group{}}
}

func (c *contents) window(start, end int64) *window {
	w := c.windows[start]
	if w == nil {
		w = newWindow(start, end)
		c.windows[start] = w
	}
	return w
}

func (w *window) add(t *table, r *applied) {
	g := w.groups[r.key]
	if g == nil {
		g = newGroup(t, r.key)
		g.place = len(w.list)
		w.groups[r.key] = g
		w.list = append(w.list, g)
	}
	g.rows++
	g.read = nil
	for i, v := range r.args {
		if !v.IsNull() {
			g.sums[i].add(v, r.time)
		}
	}
}

func (w *window) remove(r *applied, t *table) {
	g := w.groups[r.key]
	g.rows--
	g.read = nil
	for i, v := range r.args {
		if !v.IsNull() {
			g.sums[i].remove(v, r.time)
		}
	}
	if g.rows == 0 {
		delete(w.groups, r.key)
		last := w.list[len(w.list)-1]
		w.list[g.place], last.place = last, g.place
		w.list = w.list[:len(w.list)-1]
	}
}

func newGroup(t *table, key int) *group {
	g := &group{key: key}
	for _, a := range t.plan.Aggs {
		g.sums = append(g.sums, newSum(a, t.plan.Window.Kind == plan.Sliding))
	}
	return g
}

// all lists the groups of a window; without GROUP BY one is always there.
func (w *window) all(t *table) []*group {
	if len(t.plan.Keys) == 0 && len(w.list) == 0 {
		return []*group{newGroup(t, t.key(nil))}
	}
	return w.list
}

// bounds are the values of window_start and window_end in a result as of at.
func (c *contents) bounds(w *window) (start, end row.Value) {
	switch {
	case c.t.bucket:
		return row.Int(w.start), row.Int(w.end)
	case c.t.plan.Window.Kind == plan.Sliding:
		return row.Int(c.at - c.t.size), row.Int(c.at)
	}
	return row.NullValue, row.NullValue
}
