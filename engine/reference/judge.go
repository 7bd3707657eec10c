package reference

import (
	"bytes"
	"fmt"

	"penstock/engine/format"
	"penstock/query/expr"
	"penstock/query/row"
)

// read decodes records, at most row.MaxBatch, and judges them one by one.
func (e *Evaluator) read(s *stream, number int32, p *partition, recs []format.Record) {
	var b row.Batch
	index, bad := s.decoder.Decode(recs, &b, nil, nil)
	good, k := 0, 0
	for i := range recs {
		j := judgement{e: e, s: s, p: p, number: number, rec: &recs[i]}
		refused := p.refused[recs[i].Offset]
		switch {
		case k < len(bad) && bad[k].Index == i:
			j.reject("bad", bad[k].Column, bad[k].Reason)
			k++
		case refused != "" && refused != "future":
			j.reject(refused, "", "refused when it was first read")
			if good < len(index) && int(index[good]) == i {
				good++
			}
		case good < len(index) && int(index[good]) == i:
			vals := make([]row.Value, len(s.plan.Columns)+1)
			for c := range s.plan.Columns {
				vals[c] = b.Cols[c].Value(good)
			}
			j.row(vals)
			good++
		} // else it repeats the header
	}
}

// judgement is what becomes of one record.
type judgement struct {
	e      *Evaluator
	s      *stream
	p      *partition
	number int32
	rec    *format.Record
	noted  *Reject
}

// reject makes the record bad.
func (j *judgement) reject(kind, column, reason string) {
	j.p.tally.Read++
	j.p.tally.Bad++
	j.note(kind, column, reason)
}

// note remembers why a record was not counted. A record has one note.
func (j *judgement) note(kind, column, reason string) *Reject {
	if j.noted == nil {
		rec := *j.rec
		rec.Key, rec.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
		j.e.rejects = append(j.e.rejects, Reject{Stream: j.s.plan.Name, Partition: j.number, Record: rec, Kind: kind, Column: column, Reason: reason})
		j.noted = &j.e.rejects[len(j.e.rejects)-1]
	}
	return j.noted
}

// row judges a record that was decoded; the last of its values, rowtime, is still open.
func (j *judgement) row(vals []row.Value) {
	time, column, reason := j.time(vals)
	if reason != "" {
		j.reject("bad", column, reason)
		return
	}
	vals[j.s.plan.RowTime()] = row.Int(time)
	if column, reason := j.check(vals); reason != "" {
		j.reject("bad", column, reason)
		return
	}
	if reason := j.future(time); reason != "" {
		j.reject("future", "", reason)
		return
	}
	j.p.tally.Read++
	j.p.tally.Decoded++
	clock := j.p.clock()
	if !j.p.follows {
		j.p.move(time-j.s.plan.Options.Delay.Microseconds(), j.rec.Offset)
	}
	for _, t := range j.s.tables {
		j.table(t, vals, time, clock)
	}
}

// time is the row's time, or the column at fault and the reason.
func (j *judgement) time(vals []row.Value) (us int64, column, reason string) {
	if j.s.timeColumn < 0 {
		return j.rec.Time * row.Millisecond, "", ""
	}
	name, v := j.s.plan.Columns[j.s.timeColumn].Name, vals[j.s.timeColumn]
	if v.IsNull() {
		return 0, name, name + ": NULL, but it is the row's time"
	}
	return v.I, "", ""
}

// check tests the CHECK constraints and NOT NULL. NULL satisfies a CHECK.
func (j *judgement) check(vals []row.Value) (column, reason string) {
	for _, c := range j.s.plan.Checks {
		prefix := ""
		if c.Column != "" {
			prefix = c.Column + ": "
		}
		v, err := expr.EvalRow(c.Cond, vals)
		switch {
		case err != nil:
			return c.Column, c.Text + ": " + err.Error()
		case c.NotNull && !isTrue(v):
			return c.Column, prefix + "NULL, but it is NOT NULL"
		case !v.IsNull() && !isTrue(v):
			return c.Column, fmt.Sprintf("%sCHECK (%s) is false", prefix, c.Text)
		}
	}
	return "", ""
}

// future says why a row is dated too far ahead. Where time is Kafka's, only a decision can.
func (j *judgement) future(time int64) string {
	if j.p.refused[j.rec.Offset] != "" {
		return "refused by a decision when it was first read"
	}
	ahead := j.s.plan.Options.MaxAhead
	if j.s.timeColumn < 0 || j.rec.Time < 0 || ahead <= 0 || time <= j.rec.Time*row.Millisecond+ahead.Microseconds() {
		return ""
	}
	return fmt.Sprintf("time %s is more than %s past the record's Kafka timestamp", row.FormatTimestamp(nil, time), ahead)
}

// table judges a row in one table: first WHERE, then whether it is late, then its values. clock is
// the partition's before the row.
func (j *judgement) table(t *table, vals []row.Value, time, clock int64) {
	count := j.p.tally.Tables[t.plan.Name]
	defer func() { j.p.tally.Tables[t.plan.Name] = count }()
	if t.plan.Where != nil {
		v, err := expr.EvalRow(t.plan.Where, vals)
		if err != nil {
			count.Failed++
			j.refused(t, "failed", err.Error())
			return
		}
		if !isTrue(v) {
			count.Filtered++
			return
		}
	}
	if last, ends := t.lastWindowEnd(time); ends && last <= clock {
		count.Late++
		j.refused(t, "late", fmt.Sprintf("its last window ended at %s, and the partition's clock stood at %s",
			row.FormatTimestamp(nil, last), row.FormatTimestamp(nil, clock)))
		return
	}
	r, err := t.evaluate(vals)
	if err != nil {
		count.Failed++
		j.refused(t, "failed", err.Error())
		return
	}
	count.Applied++
	r.partition, r.offset, r.time, r.enter = j.number, j.rec.Offset, time, max(time, clock)
	t.rows = append(t.rows, r)
}

func (j *judgement) refused(t *table, kind, reason string) {
	n := j.note(kind, "", reason)
	n.Tables = append(n.Tables, t.plan.Name)
}

// isTrue tells whether a BOOLEAN is true, not NULL and not an error.
func isTrue(v row.Value) bool { return v.State == row.Valid && v.I != 0 }
