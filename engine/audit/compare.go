package audit

import (
	"context"
	"fmt"
	"slices"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/reference"
	"penstock/query/plan"
)

// metrics compares all metrics.
func (a *auditor) metrics(ctx context.Context) error {
	topics := map[string]*topicResults{}
	for _, m := range a.Plan.Metrics {
		if topics[m.Topic] != nil {
			continue
		}
		got, err := a.published(ctx, m.Topic)
		if err != nil {
			return err
		}
		topics[m.Topic] = got
	}
	a.report.Settled = a.settled
	if !a.settled {
		a.report.Notes = append(a.report.Notes, "results are still on their way: what is not published yet is counted as pending")
	}
	computed := map[string][]reference.Output{}
	for _, o := range a.eval.Results() {
		computed[o.Metric] = append(computed[o.Metric], o)
	}
	for _, m := range a.Plan.Metrics {
		r, err := a.metric(m, topics[m.Topic], computed[m.Name])
		if err != nil {
			return fmt.Errorf("metric %s: %w", m.Name, err)
		}
		a.report.Metrics = append(a.report.Metrics, *r)
	}
	return nil
}

func (a *auditor) metric(m *plan.Metric, got *topicResults, want []reference.Output) (*MetricReport, error) {
	r := &MetricReport{Metric: m.Name}
	switch {
	case m.Emit == plan.EmitChanges:
		a.changes(r, m, got, want)
		return r, nil
	case m.Format == "list":
		a.lists(r, m, got, want)
		return r, nil
	}
	s := shapeOf(m)
	list, err := results(got.values[m.Name], s)
	if err != nil {
		return nil, err
	}
	var expected []result
	for _, o := range want {
		x := result{first: o.Result.Start + s.length, last: o.Result.End, offsets: offsetsMap(o.Result.Offsets)}
		x.rows = rowsText(&o.Result)
		expected = append(expected, x)
	}
	w := a.window(m, s, got, list, r)
	sw := &sweep{a: a, m: m, s: s, r: r, window: w}
	sw.run(list, expected)
	return r, nil
}

// rowsText is the rows of a result as they stand in its JSON.
func rowsText(res *format.Result) string {
	b := []byte{'['}
	for i, values := range res.Rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = format.AppendRow(b, res.Columns, values)
	}
	return string(append(b, ']'))
}

func offsetsMap(in map[string][]format.PartitionOffset) map[string]map[int32]int64 {
	out := map[string]map[int32]int64{}
	for s, list := range in {
		out[s] = map[int32]int64{}
		for _, p := range list {
			out[s][p.Partition] = p.Offset
		}
	}
	return out
}

// sweep goes over the ends of one metric in their order, from one at which a result begins or is
// over to the next, so that a run of a million equal intervals is one step.
type sweep struct {
	a      *auditor
	m      *plan.Metric
	s      shape
	r      *MetricReport
	window window
}

func (w *sweep) run(got, want []result) {
	var borders []int64
	for _, list := range [][]result{got, want} {
		for _, x := range list {
			borders = append(borders, x.first, x.last+w.s.step)
		}
	}
	for _, b := range []int64{w.window.from, w.window.to} {
		if b > minTime && b < maxTime {
			borders = append(borders, b+w.s.step-mod(b-w.phase(got, want), w.s.step))
		}
	}
	slices.Sort(borders)
	borders = slices.Compact(borders)
	last := int64(minTime) // the last end that is published
	for _, x := range got {
		last = max(last, x.last)
	}
	var g, e []result // those that cover the present end
	for i := 0; i+1 < len(borders); i++ {
		end, next := borders[i], borders[i+1]
		g, got = covering(g, got, end)
		e, want = covering(e, want, end)
		if len(g) > 0 || len(e) > 0 {
			w.step(end, (next-end)/w.s.step, g, e, end > last)
		}
	}
}

// phase is where the ends of the metric lie between multiples of the step.
func (w *sweep) phase(lists ...[]result) int64 {
	for _, l := range lists {
		if len(l) > 0 {
			return l[0].first
		}
	}
	return 0
}

func mod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

// covering drops from active what is over at end, and adds from list what begins there.
func covering(active, list []result, end int64) (now, rest []result) {
	for _, x := range active {
		if x.last >= end {
			now = append(now, x)
		}
	}
	for len(list) > 0 && list[0].first <= end {
		if list[0].last >= end {
			now = append(now, list[0])
		}
		list = list[1:]
	}
	return now, list
}

// step judges n ends from one on, of which the same results speak. tail: nothing later is published.
func (w *sweep) step(end, n int64, got, want []result, tail bool) {
	r := w.r
	if end <= w.window.from || end > w.window.to {
		if len(got) > 0 && !w.window.chosen(end) {
			r.Unchecked += n
		}
		return
	}
	d := Difference{Start: timeOf(end - w.s.length), End: timeOf(end)}
	if len(got) > 0 {
		d.Published = got[0].rows
	}
	if len(want) == 0 {
		if end > w.a.reach(w.m) {
			return // made of rows that came after the audit had begun
		}
		d.Kind = "unexpected"
		r.Unexpected += n
		r.example(d)
		return
	}
	r.Compared += n
	d.Expected = want[0].rows
	switch {
	case len(got) == 0 && tail && !w.a.settled:
		r.Compared -= n
		r.Pending += n
	case len(got) == 0:
		d.Kind = "missing"
		r.Missing += n
		r.example(d)
	case got[0].rows != want[0].rows:
		d.Kind = "different"
		r.Different += n
		r.example(d)
	case !w.sameOffsets(got[0], want[0]):
		d.Kind = "different"
		d.Published += fmt.Sprintf(" of %v", got[0].offsets)
		d.Expected += fmt.Sprintf(" of %v", want[0].offsets)
		r.Different += n
		r.example(d)
	default:
		r.Equal += n
	}
	if len(got) > 1 {
		d.Kind = "duplicated"
		r.Duplicated += n * int64(len(got)-1)
		r.example(d)
	}
}

// sameOffsets compares the cuts that two results quote. One that was published before a partition
// appeared does not name it.
func (w *sweep) sameOffsets(got, want result) bool {
	for stream, parts := range want.offsets {
		for p, o := range parts {
			at, ok := got.offsets[stream][p]
			if !ok && slices.Contains(w.a.report.joined, joined{Stream: stream, Partition: p}) {
				continue
			}
			if !ok || at != o {
				return false
			}
		}
	}
	return true
}

// reach is the last end that follows from the positions that are audited.
func (a *auditor) reach(m *plan.Metric) int64 {
	low := int64(maxTime)
	for n, p := range a.streams[m.Read.Table.Stream.Name].parts {
		if n == core.Replayed {
			continue // nothing waits for its clock
		}
		if !p.at.Started {
			return minTime
		}
		low = min(low, p.at.Clock)
	}
	return low
}

// lists compares results in the list form, which name no interval: by their order.
func (a *auditor) lists(r *MetricReport, m *plan.Metric, got *topicResults, want []reference.Output) {
	if got.cut || a.cutOff(m) || !a.From.IsZero() || !a.To.IsZero() {
		r.Why = "results in the list form name no interval: they can only be compared from the first to the last"
		r.Unchecked = int64(len(got.values[m.Name]))
		return
	}
	list := got.values[m.Name]
	list = list[min(a.eval.Published(m.Name), int64(len(list))):]
	r.Compared = int64(len(want))
	for i, o := range want {
		d := Difference{Start: timeOf(o.Result.Start), End: timeOf(o.Result.End), Expected: string(o.Value)}
		switch {
		case i >= len(list) && !a.settled:
			r.Compared--
			r.Pending++
		case i >= len(list):
			d.Kind = "missing"
			r.Missing++
			r.example(d)
		case string(list[i]) != string(o.Value):
			d.Kind, d.Published = "different", string(list[i])
			r.Different++
			r.example(d)
		default:
			r.Equal++
		}
	}
	if more := int64(len(list) - len(want)); more > 0 && a.settled {
		r.Unexpected = more
	}
}
