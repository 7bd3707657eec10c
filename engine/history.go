package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/format"
	"penstock/engine/read"
	"penstock/query/plan"
	"penstock/query/row"
)

// Published is one result of a metric, as read back from its topic.
type Published struct {
	Metric    string
	Key       string
	Partition int32
	Offset    int64
	At        time.Time // when it was published
	Result    *format.Result
	Text      string // the record
}

const (
	// keptResults and keptBytes bound what is kept of one metric.
	keptResults = 1000
	keptBytes   = 4 << 20
	// keptKeys bounds the keys that are kept of a metric with EMIT CHANGES.
	keptKeys = 100_000
)

// history keeps the last results of every metric as they were published, by whatever process. They
// are parsed when somebody asks.
type history struct {
	mu      sync.Mutex
	metrics map[string]*metricHistory
	watch   map[chan Published]bool
}

type metricHistory struct {
	plan  *plan.Metric
	list  []record
	bytes int
	keys  map[string]record // EMIT CHANGES: the last of each key
	lost  bool              // keys were dropped
}

// record is a record of a metrics topic. A result in several parts is one record for each.
type record struct {
	partition int32
	offset    int64
	at        time.Time
	key       string
	value     []byte
}

func newHistory(metrics []*plan.Metric) *history {
	h := &history{metrics: map[string]*metricHistory{}, watch: map[chan Published]bool{}}
	for _, m := range metrics {
		h.metrics[m.Name] = &metricHistory{plan: m, keys: map[string]record{}}
	}
	return h
}

// add takes a record of a metrics topic. Those of other applications are none of ours.
func (h *history) add(r *kgo.Record) {
	name, _, _ := strings.Cut(string(r.Key), "/[")
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.metrics[name]
	if m == nil || r.Topic != m.plan.Topic {
		return
	}
	rec := record{partition: r.Partition, offset: r.Offset, at: r.Timestamp, key: string(r.Key), value: r.Value}
	m.add(rec)
	if len(h.watch) == 0 {
		return
	}
	p := m.published(rec)
	for ch := range h.watch {
		select {
		case ch <- p:
		default: // the slow one loses the oldest
			select {
			case <-ch:
			default:
			}
			select {
			case ch <- p:
			default:
			}
		}
	}
}

func (m *metricHistory) add(r record) {
	if m.plan.Emit == plan.EmitChanges {
		if r.value == nil {
			delete(m.keys, r.key)
		} else if _, known := m.keys[r.key]; known || len(m.keys) < keptKeys {
			m.keys[r.key] = r
		} else {
			m.lost = true
		}
	}
	m.list = append(m.list, r)
	m.bytes += len(r.value) + 100
	drop := 0
	for len(m.list)-drop > keptResults || m.bytes > keptBytes && len(m.list)-drop > 1 {
		m.bytes -= len(m.list[drop].value) + 100
		drop++
	}
	if drop > 0 {
		m.list = slices.Delete(m.list, 0, drop)
	}
}

// published is a record as others see it.
func (m *metricHistory) published(r record) Published {
	p := Published{Metric: m.plan.Name, Key: r.key, Partition: r.partition, Offset: r.offset, At: r.at, Text: string(r.value)}
	p.Result = m.result(r)
	return p
}

// result reads a record back with the types of the metric's columns.
func (m *metricHistory) result(r record) *format.Result {
	cols := m.plan.Read.Columns()
	res := &format.Result{Metric: m.plan.Name, Columns: cols, Intervals: 1}
	switch {
	case r.value == nil:
		return res
	case m.plan.Format == "list":
		res.Rows = parseList(cols, string(r.value))
		return res
	}
	got, err := format.ParseResult(r.value)
	if err != nil {
		res.Rows = [][]row.Value{errorRow(cols, err)}
		return res
	}
	rows := got.Rows
	got.Rows = nil
	for _, cells := range rows {
		got.Rows = append(got.Rows, retype(cols, got.Columns, cells))
	}
	got.Columns = cols
	return got
}

// errorRow is a row of which nothing can be said but why.
func errorRow(cols []row.Column, err error) []row.Value {
	vals := make([]row.Value, len(cols))
	for i := range vals {
		vals[i] = row.Value{State: row.Error, S: err.Error()}
	}
	return vals
}

// retype gives cells read from JSON the types of a metric's columns.
func retype(cols, from []row.Column, cells []row.Value) []row.Value {
	vals := make([]row.Value, len(cols))
	for i, c := range cols {
		at := slices.IndexFunc(from, func(f row.Column) bool { return f.Name == c.Name })
		if at < 0 {
			vals[i] = row.NullValue
			continue
		}
		vals[i] = cells[at]
		if vals[i].State == row.Valid && from[at].Type != c.Type {
			vals[i] = reparse(string(row.FormatValue(nil, cells[at], from[at].Type)), c.Type)
		}
	}
	return vals
}

func reparse(text string, t row.Type) row.Value {
	v, err := row.ParseValue(text, t)
	if err != nil {
		return row.Value{State: row.Error, S: err.Error()}
	}
	return v
}

// parseList reads the list form back: List(69, 34) or List((EPE,710), (ABC,3)). It does not quote, so
// a text with a comma in it cannot be told from two; such a row is an error.
func parseList(cols []row.Column, text string) [][]row.Value {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "List("), ")")
	if text == "" {
		return nil
	}
	sep := ", "
	if len(cols) > 1 {
		text = strings.TrimSuffix(strings.TrimPrefix(text, "("), ")")
		sep = "), ("
	}
	var rows [][]row.Value
	for item := range strings.SplitSeq(text, sep) {
		cells := []string{item}
		if len(cols) > 1 {
			cells = strings.Split(item, ",")
		}
		if len(cells) != len(cols) {
			rows = append(rows, errorRow(cols, fmt.Errorf("%s cannot be read back from the list form", row.Quote(item))))
			continue
		}
		vals := make([]row.Value, len(cols))
		for i, c := range cols {
			if vals[i] = reparse(cells[i], c.Type); cells[i] == "null" && c.Type.Kind != row.Varchar {
				vals[i] = row.NullValue
			}
		}
		rows = append(rows, vals)
	}
	return rows
}

// last returns the latest n results, oldest first; parts of one are put together.
func (m *metricHistory) last(n int) []Published {
	var list []Published
	for i := len(m.list) - 1; i >= 0 && len(list) < n; i-- {
		p := m.published(m.list[i])
		if k := len(list) - 1; p.Result.Parts > 1 && k >= 0 && p.Result.Part < list[k].Result.Part && p.Result.End == list[k].Result.End {
			next := list[k]
			p.Result.Rows = append(p.Result.Rows, next.Result.Rows...)
			list[k] = p
			continue
		}
		list = append(list, p)
	}
	slices.Reverse(list)
	return list
}

// History returns the latest n results of a metric, oldest first. ok is false for a name that is
// no metric.
func (e *Engine) History(metric string, n int) (m *plan.Metric, list []Published, ok bool) {
	m = e.opts.Plan.Metric(metric)
	if m == nil {
		return nil, nil, false
	}
	s := e.served()
	if s == nil {
		return m, nil, true
	}
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	return m, s.history.metrics[m.Name].last(n), true
}

// Published says how far a metric has been published: for each partition of its topic that has a
// result the offset behind the last.
func (e *Engine) Published(metric string) map[int32]int64 {
	ends := map[int32]int64{}
	s := e.served()
	if s == nil {
		return ends
	}
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	if m := s.history.metrics[metric]; m != nil {
		for _, r := range m.list {
			ends[r.partition] = max(ends[r.partition], r.offset+1)
		}
	}
	return ends
}

// latest is the rows of a metric's latest result with the bounds of its interval; of EMIT CHANGES
// the last row of every key.
func (e *Engine) latest(m *plan.Metric, fresh *Freshness) *read.Rows {
	cols := m.Columns()
	rows := read.NewRows(cols)
	s := e.served()
	if s == nil {
		return rows
	}
	h := s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	mh := h.metrics[m.Name]
	var list []Published
	if m.Emit == plan.EmitChanges {
		for _, r := range mh.keys {
			list = append(list, mh.published(r))
		}
		slices.SortFunc(list, func(a, b Published) int { return strings.Compare(a.Key, b.Key) })
	} else {
		list = mh.last(1)
	}
	own := len(m.Read.Columns())
	for _, p := range list {
		r := p.Result
		start, end := row.NullValue, row.NullValue
		if r.Start != r.End {
			start, end = row.Int(r.Start), row.Int(r.End)
			fresh.AsOf, fresh.HasTime, fresh.Exact = r.End, true, m.Emit != plan.EmitChanges
		}
		for _, vals := range r.Rows {
			vals = vals[:own:own]
			for _, c := range cols[own:] {
				vals = append(vals, map[string]row.Value{"window_start": start, "window_end": end}[c.Name])
			}
			rows.Add(vals)
		}
		for stream, parts := range r.Offsets {
			fresh.take(stream, parts)
		}
	}
	return rows
}

func (f *Freshness) take(stream string, parts []format.PartitionOffset) {
	if f.Offsets == nil {
		f.Offsets = map[string]map[int32]int64{}
	}
	f.Offsets[stream] = map[int32]int64{}
	for _, p := range parts {
		f.Offsets[stream][p.Partition] = p.Offset
	}
}

// Watch sends every result that is published from now on until stop is called, preceded by those
// that are kept and lie at or behind since (topic partitions by metric); a slow reader loses the
// oldest. The channel is never closed.
func (e *Engine) Watch(buffer int, since func(Published) bool) (ch <-chan Published, stop func()) {
	c := make(chan Published, buffer)
	s := e.served()
	if s == nil {
		return c, func() {}
	}
	h := s.history
	h.mu.Lock()
	defer h.mu.Unlock()
	type timed struct {
		at time.Time
		p  Published
	}
	var kept []timed
	for _, m := range h.metrics {
		var at time.Time
		for _, r := range m.list {
			if r.at.After(at) {
				at = r.at // those of one metric stay in the topic's order, whatever the clocks of who published them say
			}
			if p := m.published(r); since(p) {
				kept = append(kept, timed{at, p})
			}
		}
	}
	slices.SortStableFunc(kept, func(a, b timed) int { return a.at.Compare(b.at) })
	if len(kept) > buffer {
		kept = kept[len(kept)-buffer:]
	}
	for _, k := range kept {
		c <- k.p
	}
	h.watch[c] = true
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watch, c)
	}
}
