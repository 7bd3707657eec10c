package reference

import (
	"cmp"
	"slices"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

// maxSingle is how many results made from the same offsets are published one by one. Of more, equal
// ones that follow each other are one record.
const maxSingle = 1000

// Output is one published record.
type Output struct {
	Metric string
	Topic  string
	Key    []byte
	Value  []byte // in the metric's format; never split in parts
	Result format.Result

	past bool // from a state: of a window that was over then
}

// Results computes everything published so far, in the order of ends and then of the metrics in
// the file; what EMIT CHANGES leaves behind comes last. An end is published when the clocks of all
// source partitions have passed it.
func (e *Evaluator) Results() []Output {
	var list, changes []Output
	for _, m := range e.plan.Metrics {
		t := e.table(m.Read.Table)
		switch {
		case t == nil:
		case m.Emit == plan.EmitChanges:
			changes = append(changes, e.changes(m, t)...)
		default:
			list = append(list, e.results(m, t)...)
		}
	}
	slices.SortStableFunc(list, func(a, b Output) int { return cmp.Compare(a.Result.End, b.Result.End) })
	return append(list, changes...)
}

// results computes the results of one metric.
func (e *Evaluator) results(m *plan.Metric, t *table) []Output {
	s := e.streamOf(t)
	low := s.lowest()
	if low == noTime {
		return nil
	}
	g := gridOf(m)
	p := &publisher{m: m, s: s, g: g, r: newReader(m, t, m.Emit == plan.EmitFinal)}
	last := g.upTo(low)
	for first := g.after(max(s.begin(), s.resume)); first <= last; {
		to := s.sameStep(g, first, last)
		if (to-first)/g.step+1 > maxSingle {
			p.runs(first, to)
		} else {
			for end := first; end <= to; end += g.step {
				p.publish(end, end, p.r.at(end))
			}
		}
		first = to + g.step
	}
	return p.out
}

func (e *Evaluator) streamOf(t *table) *stream {
	for _, s := range e.streams {
		if slices.Contains(s.tables, t) {
			return s
		}
	}
	return nil
}

// cuts lists for each partition the offset behind the last record that a result as of t quotes.
func (s *stream) cuts(t int64) []format.PartitionOffset {
	var list []format.PartitionOffset
	for _, n := range s.numbers() {
		if p := s.partitions[n]; !p.follows {
			list = append(list, format.PartitionOffset{Partition: n, Offset: p.passed(t).offset})
		}
	}
	return list
}

// sameStep is the last end, not beyond last, that the same step of every partition's clock passed
// as it passed first.
func (s *stream) sameStep(g grid, first, last int64) int64 {
	for _, p := range s.timed() {
		last = min(last, g.upTo(p.passed(first).clock))
	}
	return last
}

// publisher makes the records of one metric.
type publisher struct {
	m   *plan.Metric
	s   *stream
	g   grid
	r   *reader
	out []Output
}

// runs publishes the ends from first to last, equal results that follow each other as one record.
// Results that show the bounds of a sliding window differ from end to end; only while nothing is
// in the window all ends of the gap show what the first does.
func (p *publisher) runs(first, last int64) {
	var rows [][]row.Value
	from, empty := first, false
	for at := first; at <= last; {
		now := p.r.at(at)
		next := min(p.r.c.next(p.g), last+p.g.step)
		if p.r.moving && p.r.c.filled() {
			next = at + p.g.step
		}
		still := p.r.moving && !p.r.c.filled()
		if at > first && !(empty && still) && !p.r.equal(rows, now) {
			p.publish(from, at-p.g.step, rows)
			from, rows = at, now
		}
		if at == first {
			rows = now
		}
		empty = still
		at = next
	}
	p.publish(from, last, rows)
}

// publish publishes the result of the ends from first to last. EMIT FINAL has none for a window
// without groups.
func (p *publisher) publish(first, last int64, rows [][]row.Value) {
	read := &p.m.Read
	if p.m.Emit == plan.EmitFinal && len(rows) == 0 && (len(read.Table.Keys) > 0 || read.Grouped) {
		return
	}
	length := p.m.Interval.Microseconds()
	if p.m.Emit == plan.EmitFinal || read.Table.Window.Kind == plan.Sliding {
		length = read.Table.Window.Size.Microseconds()
	}
	p.out = append(p.out, output(p.m, []byte(p.m.Name), format.Result{
		Start: first - length, End: last, Intervals: (last-first)/p.g.step + 1, Rows: rows,
		Offsets: map[string][]format.PartitionOffset{p.s.plan.Name: p.s.cuts(first)}}))
}

func output(m *plan.Metric, key []byte, r format.Result) Output {
	r.Metric, r.Columns = m.Name, m.Read.Columns()
	out := Output{Metric: m.Name, Topic: m.Topic, Key: key, Result: r}
	if m.Format == "list" {
		out.Value = format.AppendList(nil, &out.Result)
	} else {
		out.Value = format.AppendJSON(nil, &out.Result)
	}
	return out
}
