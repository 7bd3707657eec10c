package audit

import (
	"fmt"
	"math"
	"slices"

	"penstock/query/plan"
)

const (
	minTime = math.MinInt64
	maxTime = math.MaxInt64
)

// window bounds the ends that are compared: after from, up to to.
type window struct {
	from, to       int64
	optFrom, optTo int64 // what was asked for
}

// chosen tells whether an end lies where nobody asked.
func (w window) chosen(end int64) bool { return end <= w.optFrom || end > w.optTo }

// window finds which ends of a metric can be compared.
//
// Where retention has removed the beginning of a source partition, at offset L, its clock there is
// not known. But a result as of t that quotes a cut of the partition behind L tells that the clock
// passed t only there. So for the lowest such t: no row before L has a time of t + delay or later;
// a row behind L is late for no window that ends after t because of what came before L; and from
// the cut on the clock is the one that the rows behind L give. A window that begins at t + delay
// or later is therefore made of rows that are still there. A table without a window never is.
func (a *auditor) window(m *plan.Metric, s shape, got *topicResults, published []result, r *MetricReport) window {
	w := window{from: minTime, to: maxTime, optFrom: minTime, optTo: maxTime}
	if !a.From.IsZero() {
		w.from, w.optFrom = a.From.UnixMicro(), a.From.UnixMicro()
	}
	if !a.To.IsZero() {
		w.to, w.optTo = a.To.UnixMicro(), a.To.UnixMicro()
	}
	if since, ok := a.since(m); ok {
		w.from, w.optFrom = max(w.from, since), max(w.optFrom, since)
	}
	if got.cut && len(published) > 0 && published[0].first-1 > w.from {
		// The topic's beginning is gone: what is published first may be any result.
		w.from = max(w.from, published[0].first-1)
		r.Why = "retention has removed older results from topic " + m.Topic
	}
	if !a.cutOff(m) {
		return w
	}
	t := m.Read.Table
	if t.Window.Kind == plan.NoWindow {
		w.from = maxTime
		r.Why = fmt.Sprintf("table %s holds everything since the beginning, and retention has removed the first rows of topic %s; only from a checkpoint could it be checked (--checkpoint, before retention removes rows)", t.Name, t.Stream.Options.Topic)
		return w
	}
	from, ok := a.knownFrom(t.Stream, published)
	if !ok {
		w.from = maxTime
		r.Why = fmt.Sprintf("no result is made of rows that are still in topic %s", t.Stream.Options.Topic)
		return w
	}
	w.from = max(w.from, from+s.length-1)
	r.Why = fmt.Sprintf("retention has removed rows of topic %s: windows that begin before %s cannot be checked",
		t.Stream.Options.Topic, timeOf(from).Format("2006-01-02 15:04:05.999"))
	return w
}

// cutOff tells whether rows that a metric was made of are gone.
func (a *auditor) cutOff(m *plan.Metric) bool {
	for _, p := range a.streams[m.Read.Table.Stream.Name].parts {
		if p.cut() {
			return true
		}
	}
	return false
}

// knownFrom is the time from which on all rows of a stream are still there.
func (a *auditor) knownFrom(s *plan.Stream, published []result) (int64, bool) {
	from := int64(minTime)
	for n, p := range a.streams[s.Name].parts {
		if !p.cut() {
			continue
		}
		i := slices.IndexFunc(published, func(x result) bool {
			cut, ok := x.offsets[s.Name][n]
			return ok && cut > p.start
		})
		if i < 0 {
			return 0, false
		}
		from = max(from, published[i].first+s.Options.Delay.Microseconds())
	}
	return from, true
}
