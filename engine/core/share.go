package core

import (
	"encoding/binary"
	"fmt"
	"slices"

	"penstock/query/plan"
)

// shareRun is one fold partition's share of a metric's results at the ends from first to last,
// between which its contents did not change. rows is a list of share rows.
type shareRun struct {
	first, last int64
	rows        []byte
	stored      bool // a flush holds it
}

// The loop carries shares to the partition that owns the metric: a version, the partition that
// sends, then (metric, first, last, rows) repeated. All shares of one flush for one owner are in
// one record unless it grows over maxFrameBytes.
const loopVersion = 1

// sendShare hands a share to the owner of its metric; the owner may be this partition.
func (f *Fold) sendShare(m *foldMetric, run shareRun) error {
	if m.owner == f.number {
		return f.ownerOf(m.plan).receive(f.number, run)
	}
	q := f.loop[m.owner]
	if n := len(q); n == 0 || len(q[n-1]) > f.frameBytes || len(q[n-1])+len(run.rows) > defaultMaxRecord {
		head := binary.AppendUvarint([]byte{loopVersion}, uint64(f.number))
		q = append(q, head)
	}
	b := appendString(q[len(q)-1], m.plan.Name)
	b = binary.AppendVarint(b, run.first)
	b = binary.AppendVarint(b, run.last)
	q[len(q)-1] = appendBytes(b, run.rows)
	f.loop[m.owner] = q
	return nil
}

// Loop takes a record of the loop: shares from another fold partition.
func (f *Fold) Loop(value []byte) error {
	f.changed = true
	r := reader{b: value}
	if v := r.byte(); v != loopVersion {
		return fmt.Errorf("loop record of version %d, this program reads %d", v, loopVersion)
	}
	from := r.uvarint()
	if r.err == nil && from >= uint64(f.partitions) {
		return fmt.Errorf("loop record of partition %d, there are %d", from, f.partitions)
	}
	for len(r.b) > 0 && r.err == nil {
		name := string(r.bytes())
		run := shareRun{first: r.varint(), last: r.varint(), rows: append([]byte(nil), r.bytes()...)}
		if r.err != nil {
			break
		}
		o := f.owners[name]
		if o == nil && f.metric(name) == nil {
			continue // a metric that the query file no longer has
		}
		if o == nil {
			return fmt.Errorf("a share of metric %s came to partition %d, which does not own it", name, f.number)
		}
		if err := o.receive(int32(from), run); err != nil {
			return err
		}
	}
	if r.err != nil {
		return fmt.Errorf("loop record: %w", r.err)
	}
	return f.publish()
}

// metric returns the metric of a name, nil when the query file has none.
func (f *Fold) metric(name string) *plan.Metric {
	i := slices.IndexFunc(f.plan.Metrics, func(m *plan.Metric) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return f.plan.Metrics[i]
}

func (f *Fold) ownerOf(m *plan.Metric) *owner { return f.owners[m.Name] }
