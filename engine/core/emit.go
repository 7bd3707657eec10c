package core

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"

	"penstock/engine/format"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// owner is a metric in the one partition that publishes it: it waits for the shares of all fold
// partitions, merges them end by end, and makes each interval's one result.
type owner struct {
	f       *Fold
	plan    *plan.Metric
	id      id
	grid    grid
	started bool
	next    int64        // the first end not published
	queues  [][]shareRun // by fold partition
	segs    []cutSegment // cuts of the ends from next on, as far as this partition's own share came

	merged   [][]row.Value // the result of the runs at the heads of the queues
	mergedAt []int64       // their first ends
}

func newOwner(f *Fold, m *plan.Metric) *owner {
	return &owner{f: f, plan: m, id: idOf(m.Name), grid: gridOf(m), queues: make([][]shareRun, f.partitions)}
}

// segment takes the cuts of ends of which this partition's own share follows. It may come again,
// when a pane that closed half is taken up by another life of the partition.
func (o *owner) segment(s cutSegment) {
	n := len(o.segs)
	if n > 0 && s.first <= o.segs[n-1].last || o.started && s.last < o.next {
		return
	}
	o.segs = append(o.segs, s)
}

// receive takes a share. Those of one partition come in the order of their ends, without gaps.
func (o *owner) receive(from int32, run shareRun) error {
	if !o.started {
		o.started, o.next = true, run.first
	}
	q := o.queues[from]
	want := o.next
	if n := len(q); n > 0 {
		want = q[n-1].last + o.grid.step
	}
	if run.first != want {
		return fmt.Errorf("metric %s: partition %d sent the share of %s, but %s is the next that is missing; shares were lost or doubled",
			o.plan.Name, from, clockText(run.first), clockText(want))
	}
	o.queues[from] = append(q, run)
	return nil
}

// take puts the shares that wait into the state.
func (o *owner) take() {
	for from, q := range o.queues {
		for i := range q {
			if !q[i].stored {
				q[i].stored = true
				o.f.state.put(o.shareKey(int32(from), q[i].first), appendShareRun(nil, q[i]))
			}
		}
	}
}

func clockText(t int64) string { return string(row.FormatTimestamp(nil, t)) }

func appendShareRun(dst []byte, run shareRun) []byte {
	dst = binary.AppendVarint(dst, run.first)
	dst = binary.AppendVarint(dst, run.last)
	return appendBytes(dst, run.rows)
}

func (o *owner) shareKey(from int32, first int64) []byte {
	k := append([]byte{kindShare}, o.id[:]...)
	k = binary.BigEndian.AppendUint32(k, uint32(from))
	return appendOrdered(k, first)
}

// available is the last end of which every partition's share is here.
func (o *owner) available() int64 {
	last := int64(math.MaxInt64)
	for _, q := range o.queues {
		if len(q) == 0 {
			return noTime
		}
		last = min(last, q[len(q)-1].last)
	}
	return last
}

// publish makes the results that are complete.
//
// The ends of one cut segment were closed by one step of the clocks. Where they are many they are
// published when all of them are here, so that the borders of a run of equal results never
// depend on how the shares came.
func (o *owner) publish() error {
	for len(o.segs) > 0 {
		seg, last := o.segs[0], o.available()
		if o.grid.count(seg.first, seg.last) > maxSingles {
			if last < seg.last {
				return nil
			}
			if err := o.publishRuns(seg); err != nil {
				return err
			}
		} else {
			for o.next <= min(last, seg.last) {
				if err := o.result(); err != nil {
					return err
				}
				if err := o.send(o.next, o.next, seg.cuts, o.merged); err != nil {
					return err
				}
				o.consume(o.next)
			}
		}
		if o.next <= seg.last {
			return nil
		}
		o.segs = o.segs[1:]
	}
	return nil
}

// publishRuns publishes a long segment, one record for each run of equal results.
func (o *owner) publishRuns(seg cutSegment) error {
	var run [][]row.Value
	first := o.next
	for o.next <= seg.last {
		if err := o.result(); err != nil {
			return err
		}
		if o.next > first && !equalRows(run, o.merged) {
			if err := o.send(first, o.next-o.grid.step, seg.cuts, run); err != nil {
				return err
			}
			first = o.next
		}
		run = o.merged
		last := seg.last
		for _, q := range o.queues {
			last = min(last, q[0].last)
		}
		o.consume(last)
	}
	return o.send(first, seg.last, seg.cuts, run)
}

// consume drops what ends at or before last.
func (o *owner) consume(last int64) {
	o.next = last + o.grid.step
	for from, q := range o.queues {
		for len(q) > 0 && q[0].last < o.next {
			o.f.state.delete(o.shareKey(int32(from), q[0].first), q[0].stored)
			q = q[1:]
			o.mergedAt = nil
		}
		o.queues[from] = q
	}
}

// result merges the shares at the heads of the queues, unless that was done for the end before.
func (o *owner) result() (err error) {
	if o.mergedAt != nil {
		return nil
	}
	if o.plan.Read.Grouped {
		o.merged, err = o.mergeGroups()
	} else {
		o.merged, err = o.mergeRows()
	}
	o.mergedAt = []int64{o.next}
	return err
}

// resultRow is a row of a result on its way: where it sorts, then its group.
type resultRow struct {
	sortBy, group []byte
	values        []byte
	cells         []row.Value
}

func (o *owner) eachShareRow(fn func(r resultRow) error) error {
	for _, q := range o.queues {
		r := reader{b: q[0].rows}
		for len(r.b) > 0 {
			x := resultRow{sortBy: r.bytes(), group: r.bytes(), values: r.bytes()}
			if r.err != nil {
				return fmt.Errorf("metric %s: share: %w", o.plan.Name, r.err)
			}
			if err := fn(x); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *owner) mergeRows() ([][]row.Value, error) {
	var list []resultRow
	err := o.eachShareRow(func(r resultRow) (err error) {
		b := r.values
		for _, out := range o.plan.Read.Output {
			var v row.Value
			if v, b, err = row.DecodeValue(b, out.Expr.Type()); err != nil {
				return fmt.Errorf("metric %s: share: %w", o.plan.Name, err)
			}
			r.cells = append(r.cells, v)
		}
		list = append(list, r)
		return nil
	})
	return o.ranked(list), err
}

// mergeGroups adds up the partials of a read that groups a second time.
func (o *owner) mergeGroups() ([][]row.Value, error) {
	read := &o.plan.Read
	g := newGroups(readAccs(read.Aggs), false)
	err := o.eachShareRow(func(r resultRow) error {
		s, _ := g.slot(hashKey(r.group), panePair{}, r.group)
		g.grow()
		return g.merge(s, r.values)
	})
	if err != nil {
		return nil, err
	}
	if len(read.Keys) == 0 && g.len() == 0 {
		g.slot(emptyKeyHash, panePair{}, nil)
		g.grow()
	}
	var list []resultRow
	for s := range int32(g.len()) {
		var vals []row.Value
		key := g.key(s)
		for _, k := range read.Keys {
			v, rest, err := row.DecodeKey(key, k.Expr.Type())
			if err != nil {
				return nil, err
			}
			vals, key = append(vals, v), rest
		}
		for _, a := range g.accs {
			vals = append(vals, a.Value(int(s)))
		}
		if read.Having != nil {
			if v, err := expr.EvalRow(read.Having, vals); err != nil || v.State != row.Valid || v.I == 0 {
				continue
			}
		}
		r := resultRow{sortBy: sortKey(nil, read.Order, vals), group: g.key(s)}
		for _, out := range read.Output {
			r.cells = append(r.cells, evaluate(out.Expr, vals))
		}
		list = append(list, r)
	}
	return o.ranked(list), nil
}

// ranked orders the rows, ties to the smaller group, and applies DISTINCT, OFFSET and LIMIT.
func (o *owner) ranked(list []resultRow) [][]row.Value {
	read := &o.plan.Read
	sort.Slice(list, func(i, j int) bool {
		if c := bytes.Compare(list[i].sortBy, list[j].sortBy); c != 0 {
			return c < 0
		}
		return bytes.Compare(list[i].group, list[j].group) < 0
	})
	rows := make([][]row.Value, 0, len(list))
	seen := map[string]bool{}
	for _, r := range list {
		if read.Distinct {
			var k []byte
			for i, out := range read.Output {
				k = row.AppendValue(k, r.cells[i], out.Expr.Type())
			}
			if seen[string(k)] {
				continue
			}
			seen[string(k)] = true
		}
		rows = append(rows, r.cells)
	}
	rows = rows[min(read.Offset, len(rows)):]
	if read.Limit >= 0 {
		rows = rows[:min(read.Limit, len(rows))]
	}
	return rows
}

func equalRows(a, b [][]row.Value) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		for j := range a[i] {
			if a[i][j] != b[i][j] {
				return false
			}
		}
	}
	return true
}

// send publishes the result of the ends from first to last. EMIT FINAL over groups has no
// result where no group is.
func (o *owner) send(first, last int64, cuts []int64, rows [][]row.Value) error {
	t := o.plan.Read.Table
	if o.plan.Emit == plan.EmitFinal && len(rows) == 0 && (len(t.Keys) > 0 || o.plan.Read.Grouped) {
		return nil
	}
	length := o.plan.Interval.Microseconds()
	if o.plan.Emit == plan.EmitFinal || t.Window.Kind == plan.Sliding {
		length = t.Window.Size.Microseconds()
	}
	res := format.Result{Metric: o.plan.Name, Start: first - length, End: last, Intervals: o.grid.count(first, last),
		Columns: o.plan.Read.Columns(), Rows: rows, Offsets: offsets(t.Stream.Name, cuts)}
	return o.f.output(o.plan, []byte(o.plan.Name), &res, last)
}

func offsets(stream string, cuts []int64) map[string][]format.PartitionOffset {
	list := make([]format.PartitionOffset, len(cuts))
	for p, c := range cuts {
		list[p] = format.PartitionOffset{Partition: int32(p), Offset: c}
	}
	return map[string][]format.PartitionOffset{stream: list}
}

// output encodes a result in records of at most the record limit, numbered when there are several.
func (f *Fold) output(m *plan.Metric, key []byte, res *format.Result, at int64) error {
	encode := format.AppendJSON
	if m.Format == "list" {
		encode = format.AppendList
	}
	value := encode(nil, res)
	if len(value) <= f.maxRecord || len(res.Rows) < 2 {
		f.results = append(f.results, Output{Topic: m.Topic, Key: key, Value: value, Time: at / 1000})
		return nil
	}
	per := max(1, len(res.Rows)*f.maxRecord/len(value)*9/10)
	pieces := split(res, per, f.maxRecord, encode)
	res.Parts = len(pieces)
	for i, rows := range pieces {
		res.Part, res.Rows = i+1, rows
		f.results = append(f.results, Output{Topic: m.Topic, Key: key, Value: encode(nil, res), Time: at / 1000})
	}
	return nil
}

// split divides the rows of a result into pieces of so many, and halves those that come out larger than
// the limit all the same: some rows are far larger than others.
func split(res *format.Result, per, limit int, encode func([]byte, *format.Result) []byte) (pieces [][][]row.Value) {
	piece := *res
	piece.Part, piece.Parts = len(res.Rows), len(res.Rows) // as long as they may become
	var halve func(rows [][]row.Value)
	halve = func(rows [][]row.Value) {
		if piece.Rows = rows; len(rows) > 1 && len(encode(nil, &piece)) > limit {
			halve(rows[:len(rows)/2])
			halve(rows[len(rows)/2:])
			return
		}
		pieces = append(pieces, rows)
	}
	for rows := range slices.Chunk(res.Rows, per) {
		halve(rows)
	}
	return pieces
}

func (o *owner) append(dst []byte) []byte {
	dst = appendString(dst, o.plan.Name)
	dst = appendBool(dst, o.started)
	dst = binary.AppendVarint(dst, o.next)
	dst = binary.AppendUvarint(dst, uint64(len(o.segs)))
	for _, s := range o.segs {
		dst = binary.AppendVarint(dst, s.first)
		dst = binary.AppendVarint(dst, s.last)
		dst = binary.AppendUvarint(dst, uint64(len(s.cuts)))
		for _, c := range s.cuts {
			dst = binary.AppendVarint(dst, c)
		}
	}
	return dst
}

// read restores what append wrote, behind the metric's name. o may be nil: the metric is no longer asked for.
func readOwner(o *owner, r *reader) {
	started, next := r.bool(), r.varint()
	var segs []cutSegment
	for range r.count() {
		s := cutSegment{first: r.varint(), last: r.varint()}
		s.cuts = make([]int64, r.count())
		for i := range s.cuts {
			s.cuts[i] = r.varint()
		}
		segs = append(segs, s)
	}
	if o != nil {
		o.started, o.next, o.segs = started, next, segs
	}
}
