package audit

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// tables compares the tables, recovered from their changelog, with what they have to hold.
func (a *auditor) tables(ctx context.Context) error {
	topic := a.App + "-fold-table"
	spans, _, err := a.whole(ctx, topic)
	if err != nil {
		return err
	}
	stores := make([]*state, len(spans))
	for i := range stores {
		stores[i] = &state{rows: map[string][]byte{}}
	}
	err = a.read(ctx, topic, spans, func(r *kgo.Record) error {
		if len(r.Key) > 0 && r.Key[0] == 0 {
			return nil // written by a recovery, for itself
		}
		s := stores[r.Partition]
		if r.Value == nil {
			delete(s.rows, string(r.Key))
		} else {
			s.rows[string(r.Key)] = bytes.Clone(r.Value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var readers []*core.Reader
	for i, s := range stores {
		r, err := a.recover(i, len(stores), s)
		if err != nil {
			return err
		}
		readers = append(readers, r)
	}
	for _, t := range a.Plan.Tables {
		if t.Hidden && t.Window.Kind == plan.Hopping {
			continue // kept as one window that moves, where nobody but its metric reads it
		}
		r, err := a.table(t, readers)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
		a.report.Tables = append(a.report.Tables, *r)
	}
	return nil
}

// recover does what a process does that takes a partition over: it loads the state, which adds up
// the rows of windows, and writes them.
func (a *auditor) recover(number, partitions int, s *state) (*core.Reader, error) {
	f, err := core.NewFold(a.Plan, int32(number), partitions, s)
	if err == nil {
		var flush *core.FoldFlush
		if flush, err = f.Take(); err == nil {
			s.apply(flush.Writes)
			err = f.Committed()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("recover table partition %d: %w", number, err)
	}
	return core.NewReader(a.Plan, int32(number), partitions, s)
}

func (a *auditor) table(t *plan.Table, readers []*core.Reader) (*TableReport, error) {
	r := &TableReport{Table: t.Name}
	if r.Why = a.notComparable(t, readers); r.Why != "" {
		return r, nil
	}
	columns, want, err := a.eval.OpenTable(t.Name)
	if err != nil {
		return nil, err
	}
	var expected, have []string
	for _, vals := range want {
		expected = append(expected, string(format.AppendRow(nil, columns, vals)))
	}
	for _, reader := range readers {
		err := reader.Rows(t, core.Scan{}, func(b *row.Batch, values func(int) []row.Value, _ []int32) bool {
			for i := range b.N {
				if line, ok := tableRow(t, columns, values(i)); ok {
					have = append(have, line)
				}
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	r.compare(have, expected)
	return r, nil
}

// notComparable says why a table cannot be compared now.
func (a *auditor) notComparable(t *plan.Table, readers []*core.Reader) string {
	src := a.streams[t.Stream.Name]
	for n, p := range src.parts {
		if p.cut() {
			return "retention has removed rows of topic " + t.Stream.Options.Topic
		}
		for i, r := range readers {
			if at, ok := r.Offsets(t.Stream.Name)[n]; ok && at != p.at.Offset || !ok && p.at.Tally.Read > 0 {
				return fmt.Sprintf("table partition %d is at offset %d of %s/%d, which was routed up to %d: stop the application, or wait until it has nothing to do",
					i, at, t.Stream.Options.Topic, n, p.at.Offset)
			}
		}
	}
	return ""
}

// tableRow is a row as a reader of the table sees it; false when HAVING keeps it out.
func tableRow(t *plan.Table, columns []row.Column, vals []row.Value) (string, bool) {
	if t.Having != nil {
		if v, err := expr.EvalRow(t.Having, vals); err != nil || v.State != row.Valid || v.I == 0 {
			return "", false
		}
	}
	cells := make([]row.Value, len(t.Output))
	for i, o := range t.Output {
		v, err := expr.EvalRow(o.Expr, vals)
		if err != nil {
			v = row.Value{State: row.Error, S: err.Error()}
		}
		cells[i] = v
	}
	return string(format.AppendRow(nil, columns, cells)), true
}

// compare compares two lists of rows without regard to their order.
func (r *TableReport) compare(have, want []string) {
	slices.Sort(have)
	slices.Sort(want)
	r.Rows = len(want)
	for len(have) > 0 || len(want) > 0 {
		d := Difference{}
		switch {
		case len(want) == 0 || len(have) > 0 && have[0] < want[0]:
			r.Extra++
			d.Kind, d.Published = "unexpected", have[0]
			have = have[1:]
		case len(have) == 0 || want[0] < have[0]:
			r.Missing++
			d.Kind, d.Expected = "missing", want[0]
			want = want[1:]
		default:
			r.Equal++
			have, want = have[1:], want[1:]
			continue
		}
		if len(r.Examples) < examples {
			r.Examples = append(r.Examples, d)
		}
	}
}

// state is a table partition in memory: core.Store over a map, whose keys are sorted when needed.
type state struct {
	rows   map[string][]byte
	sorted []string
}

// Get implements core.Store.
func (s *state) Get(key []byte) ([]byte, error) {
	v, ok := s.rows[string(key)]
	if !ok {
		return nil, nil
	}
	return bytes.Clone(v), nil
}

// Scan implements core.Store.
func (s *state) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	if s.sorted == nil {
		s.sorted = make([]string, 0, len(s.rows))
		for k := range s.rows {
			s.sorted = append(s.sorted, k)
		}
		sort.Strings(s.sorted)
	}
	for _, k := range s.sorted[sort.SearchStrings(s.sorted, string(lower)):] {
		if upper != nil && k >= string(upper) {
			break
		}
		if v, ok := s.rows[k]; ok && !fn([]byte(k), v) {
			break
		}
	}
	return nil
}

func (s *state) apply(writes []core.Write) {
	s.sorted = nil
	for _, w := range writes {
		switch {
		case w.To != nil:
			for k := range s.rows {
				if k >= string(w.Key) && k < string(w.To) {
					delete(s.rows, k)
				}
			}
		case w.Value == nil:
			delete(s.rows, string(w.Key))
		default:
			s.rows[string(w.Key)] = bytes.Clone(w.Value)
		}
	}
}
