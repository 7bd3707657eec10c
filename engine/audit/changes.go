package audit

import (
	"encoding/json"
	"maps"
	"slices"

	"penstock/engine/reference"
	"penstock/query/plan"
)

// changes compares what EMIT CHANGES leaves behind: the last value of each key. How many came
// before it depends on the flushes.
func (a *auditor) changes(r *MetricReport, m *plan.Metric, got *topicResults, want []reference.Output) {
	have := got.changes[m.Name]
	switch {
	case !a.settled:
		r.Why = "the last values are not there yet"
	case a.cutOff(m):
		r.Why = "retention has removed rows of topic " + m.Read.Table.Stream.Options.Topic
	case got.cut:
		r.Why = "retention has removed older values from topic " + m.Topic
	}
	if r.Why != "" {
		r.Unchecked = int64(len(have))
		return
	}
	r.Compared = int64(len(want))
	left := maps.Clone(have)
	for _, o := range want {
		key := string(o.Key)
		d := Difference{Key: key, Expected: string(o.Value), Published: string(left[key])}
		value, ok := left[key]
		delete(left, key)
		switch {
		case !ok:
			d.Kind = "missing"
			r.Missing++
			r.example(d)
		case rowsOf(value) != rowsOf(o.Value):
			d.Kind = "different"
			r.Different++
			r.example(d)
		default:
			r.Equal++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		r.Unexpected++
		r.example(Difference{Kind: "unexpected", Key: key, Published: string(left[key])})
	}
}

// rowsOf is the rows in a value, or the whole value where that is no JSON.
func rowsOf(value []byte) string {
	var w wire
	if json.Unmarshal(value, &w) != nil || w.Rows == nil {
		return string(value)
	}
	return string(w.Rows)
}
