package read

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"penstock/engine/core"
	"penstock/query/plan"
)

// Part is what one partition contributes to an answer.
type Part struct {
	rows   []entry
	groups *grouper
	Failed int64  // rows left out because their condition could not be computed
	Reason string // why, for the first of them
}

// Scan reads one partition of a table. With closed, open panes are left out: the rows are those of
// a result as of what the reader says is closed.
func Scan(ctx context.Context, r *plan.Read, from *core.Reader, closed bool, b *Budget) (*Part, error) {
	s := overTable(r)
	look := LookupOf(r)
	scan := core.Scan{Prefix: look.Prefix, Whole: look.Whole, Closed: closed}
	scan.Used, scan.Late = s.columns()
	return s.run(ctx, b, func(to sink) error { return from.Batches(r.Table, scan, to) })
}

// Over reads rows that are there: of a sub-query, or of a metric's result. A read of nothing at
// all, SELECT 1, takes one row without columns.
func Over(ctx context.Context, r *plan.Read, in *Rows, b *Budget) (*Part, error) {
	s := overRows(r, in.Columns)
	used, _ := s.columns()
	return s.run(ctx, b, func(to sink) error {
		f := newFiller(in.Columns, used, to)
		for i := range in.list {
			vals, err := in.Row(i, nil)
			if err != nil {
				return err
			}
			if !f.add(vals) {
				return nil
			}
		}
		f.flush()
		return nil
	})
}

// run sends rows through a shape.
func (s *shape) run(ctx context.Context, b *Budget, source func(sink) error) (*Part, error) {
	giveBack, err := s.reserve(b)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	var to sink
	var part func() (*Part, error)
	if s.groups != nil {
		g := newGrouper(s, b)
		to, part = g.take, g.part
	} else {
		x := newSelector(s, b)
		to, part = x.take, x.part
	}
	err = source(func(b *core.RowBatch) bool { return ctx.Err() == nil && to(b) })
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return part()
}

// Answer is the merged parts of a read.
type Answer struct {
	Rows   *Rows
	Failed int64 // rows left out because a condition could not be computed
	Reason string
}

// Merge makes the answer of the parts of all partitions. The parts are of no use afterwards.
func Merge(r *plan.Read, parts []*Part, b *Budget) (*Answer, error) {
	a := &Answer{}
	note := func(p *Part) {
		a.Failed += p.Failed
		a.Reason = first(a.Reason, p.Reason)
	}
	for _, p := range parts {
		note(p)
	}
	if !r.Grouped {
		rows, err := ranked(r, parts, b)
		a.Rows = rows
		return a, err
	}
	var all *grouper
	for _, p := range parts {
		if all == nil {
			all = p.groups
		} else if err := all.add(p.groups); err != nil {
			return nil, err
		}
	}
	if all == nil {
		all = emptyGroups(r, b)
	}
	rows, last, err := all.finish()
	if err != nil {
		return nil, err
	}
	note(last)
	a.Rows = rows
	return a, nil
}

// emptyGroups are the groups of a read to which nothing was added yet.
func emptyGroups(r *plan.Read, b *Budget) *grouper {
	g := &grouper{shape: &shape{read: r}, where: newCondition(nil, nil), budget: b, slots: map[string]int32{}}
	for _, a := range r.Aggs {
		g.accs = append(g.accs, a.NewAcc())
	}
	return g
}

// A part travels as: a version, failed rows and the first reason, then for each row its key and
// values, or for each group its key and partials; all with their lengths.
const partVersion = 1

// Append appends the part as it travels between processes.
func (p *Part) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, partVersion), uint64(p.Failed))
	dst = appendBytes(dst, []byte(p.Reason))
	if p.groups == nil {
		for _, e := range p.rows {
			dst = appendBytes(appendBytes(dst, e.key), e.vals)
		}
		return dst
	}
	var buf []byte
	for s, key := range p.groups.names {
		buf = buf[:0]
		for _, a := range p.groups.accs {
			buf = a.Encode(buf, s)
		}
		dst = appendBytes(appendBytes(dst, key), buf)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

var errPart = errors.New("damaged part of an answer")

// ParsePart reads a part of r that another process made. It keeps b.
func ParsePart(r *plan.Read, b []byte, budget *Budget) (*Part, error) {
	if len(b) == 0 || b[0] != partVersion {
		return nil, fmt.Errorf("%w: of another version", errPart)
	}
	failed, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return nil, errPart
	}
	p := &Part{Failed: int64(failed)}
	reason, b, err := takeBytes(b[1+n:])
	p.Reason = string(reason)
	if r.Grouped {
		p.groups = emptyGroups(r, budget)
	}
	for len(b) > 0 && err == nil {
		var key, vals []byte
		if key, b, err = takeBytes(b); err != nil {
			break
		}
		if vals, b, err = takeBytes(b); err != nil {
			break
		}
		if err = budget.take(int64(len(key) + len(vals) + entryBytes)); err != nil {
			break
		}
		if p.groups != nil {
			_, err = p.groups.merge(key, vals)
		} else {
			p.rows = append(p.rows, entry{key, vals})
		}
	}
	return p, err
}

func takeBytes(b []byte) (v, rest []byte, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, errPart
	}
	return b[k : k+int(n) : k+int(n)], b[k+int(n):], nil
}
