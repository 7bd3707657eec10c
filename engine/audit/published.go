package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/query/plan"
	"penstock/query/row"
)

// result is one published or computed record of a metric: the same rows for the ends from first
// to last.
type result struct {
	first, last int64 // ends, microseconds
	rows        string
	offsets     map[string]map[int32]int64
}

// wire is a result as JSON, with the rows as the bytes that they are.
type wire struct {
	Metric      string
	Start, End  string
	From, To    string
	Intervals   int64
	Part, Parts int
	Rows        json.RawMessage
	Offsets     map[string]map[int32]int64
	first, last int64
}

// shape is what the intervals of a metric are like.
type shape struct{ length, step int64 }

func shapeOf(m *plan.Metric) shape {
	w := m.Read.Table.Window
	s := shape{length: m.Interval.Microseconds(), step: m.Interval.Microseconds()}
	if m.Emit == plan.EmitFinal {
		s.step = w.Advance.Microseconds()
	}
	if m.Emit == plan.EmitFinal || w.Kind == plan.Sliding {
		s.length = w.Size.Microseconds()
	}
	return s
}

func parseResult(value []byte, s shape) (*wire, error) {
	var w wire
	d := json.NewDecoder(bytes.NewReader(value))
	if err := d.Decode(&w); err != nil {
		return nil, fmt.Errorf("not a result: %w", err)
	}
	start, end := w.Start, w.End
	if w.Intervals > 1 {
		start, end = w.From, w.To
	}
	from, err := row.ParseTimestamp(start)
	if err != nil {
		return nil, err
	}
	if w.last, err = row.ParseTimestamp(end); err != nil {
		return nil, err
	}
	w.first = from + s.length
	if n := max(w.Intervals, 1); (w.last-w.first)/s.step+1 != n || (w.last-w.first)%s.step != 0 {
		return nil, fmt.Errorf("a result from %s to %s is not %d intervals of this metric", start, end, n)
	}
	return &w, nil
}

// topicResults is what a metrics topic holds, by metric.
type topicResults struct {
	values  map[string][][]byte          // Final and Every: the values in their order
	changes map[string]map[string][]byte // Changes: the last value by key
	cut     bool                         // retention has removed the topic's beginning
}

// published reads a metrics topic.
func (a *auditor) published(ctx context.Context, topic string) (*topicResults, error) {
	got := &topicResults{values: map[string][][]byte{}, changes: map[string]map[string][]byte{}}
	spans, cut, err := a.whole(ctx, topic)
	if err != nil {
		return nil, err
	}
	got.cut = cut
	kinds := map[string]plan.EmitKind{}
	for _, m := range a.Plan.Metrics {
		if m.Topic == topic {
			kinds[m.Name] = m.Emit
		}
	}
	err = a.read(ctx, topic, spans, func(r *kgo.Record) error {
		name, _, _ := strings.Cut(string(r.Key), "/")
		switch kind, ok := kinds[name]; {
		case !ok: // of another application
		case kind != plan.EmitChanges:
			got.values[name] = append(got.values[name], r.Value)
		default:
			if got.changes[name] == nil {
				got.changes[name] = map[string][]byte{}
			}
			if r.Value == nil {
				delete(got.changes[name], string(r.Key))
			} else {
				got.changes[name][string(r.Key)] = r.Value
			}
		}
		return nil
	})
	return got, err
}

// results joins the parts of large results and orders everything by its intervals.
func results(values [][]byte, s shape) ([]result, error) {
	var list []result
	var errs []error
	type place struct{ first, last int64 }
	parts := map[place][]*wire{}
	for _, v := range values {
		w, err := parseResult(v, s)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %.120s", err, v))
			continue
		}
		if w.Parts <= 1 {
			list = append(list, result{w.first, w.last, string(w.Rows), w.Offsets})
			continue
		}
		at := place{w.first, w.last}
		parts[at] = append(parts[at], w)
		if len(parts[at]) == w.Parts {
			list = append(list, join(parts[at]))
			delete(parts, at)
		}
	}
	for _, p := range parts {
		list = append(list, join(p)) // incomplete, and so different
	}
	slices.SortStableFunc(list, func(x, y result) int { return cmp.Compare(x.first, y.first) })
	return list, errors.Join(errs...)
}

// join puts the parts of a result together.
func join(parts []*wire) result {
	slices.SortStableFunc(parts, func(x, y *wire) int { return x.Part - y.Part })
	var rows [][]byte
	for _, p := range parts {
		if inner := bytes.TrimSuffix(bytes.TrimPrefix(p.Rows, []byte("[")), []byte("]")); len(inner) > 0 {
			rows = append(rows, inner)
		}
	}
	return result{parts[0].first, parts[0].last, "[" + string(bytes.Join(rows, []byte(","))) + "]", parts[0].Offsets}
}

func timeOf(us int64) time.Time { return time.UnixMicro(us).UTC() }
