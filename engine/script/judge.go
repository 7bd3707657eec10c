package script

import (
	"context"
	"fmt"
	"slices"

	"penstock/engine/core"
	"penstock/engine/reference"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

func columnNode(i int, c row.Column) expr.Node { return expr.Col(i, c.Name, c.Type) }

// ask compares what was got with what the plain evaluator makes of the same rows and decisions,
// in all columns.
func (r *run) ask(ctx context.Context, c *command, got *looked) {
	st, err := r.target.State(ctx)
	if err != nil {
		return
	}
	e, err := r.evaluate(st)
	if err != nil {
		r.failure(c.line, r.text(c)).Reason = "reference: " + err.Error()
		return
	}
	want, err := r.look(r.judged(e, st), c)
	if err != nil {
		r.failure(c.line, r.text(c)).Reason = "reference: " + err.Error()
		return
	}
	a, b := want.table, got.table
	if c.kind == expectRejected {
		for _, name := range []string{"reason", "column", "tables"} {
			a, b = a.without(name), b.without(name)
		}
	}
	if !a.equal(b) {
		f := r.failure(c.line, r.text(c))
		f.Reason = "the reference evaluator (left) differs from the dataflow (right)"
		f.Diff = sideBySide(a, b)
	}
}

// evaluate gives the plain evaluator the records and the decisions, each in its place.
func (r *run) evaluate(st *state) (*reference.Evaluator, error) {
	o := reference.Options{Partitions: map[string]int{}}
	for s, parts := range r.log {
		o.Partitions[s] = len(parts)
	}
	e, err := reference.New(r.plan, o)
	if err != nil {
		return nil, err
	}
	decisions := slices.Clone(st.decisions)
	slices.SortStableFunc(decisions, func(a, b core.Decision) int { return int(a.Offset - b.Offset) })
	for s, parts := range r.log {
		for n, recs := range parts {
			at := int64(0)
			for _, d := range decisions {
				if d.Stream != s || int(d.Partition) != n {
					continue
				}
				if d.Kind == "future" {
					err = e.Refuse(s, int32(n), d.Offset)
				} else {
					if err = e.Add(s, int32(n), recs[at:d.Offset]); err == nil {
						err = e.MoveClock(s, int32(n), d.Offset, d.Clock)
					}
					at = d.Offset
				}
				if err != nil {
					return nil, err
				}
			}
			if err := e.Add(s, int32(n), recs[at:]); err != nil {
				return nil, err
			}
		}
	}
	return e, nil
}

// judged is the evaluator's results in the form of a target's.
func (r *run) judged(e *reference.Evaluator, st *state) *state {
	out := &state{tally: map[string]core.Tally{}, clock: st.clock}
	for _, x := range e.Results() {
		out.results = append(out.results, core.Output{Topic: x.Topic, Key: x.Key, Value: x.Value})
	}
	for _, x := range e.Rejects() {
		policy := streamOf(r.plan, x.Stream).Options
		if x.Kind == "late" && policy.LateData == "drop" || x.Kind != "late" && policy.BadData == "drop" {
			continue
		}
		out.rejects = append(out.rejects, core.Reject{Stream: x.Stream, Partition: x.Partition, Record: x.Record, Kind: x.Kind,
			Column: x.Column, Reason: x.Reason, Tables: x.Tables})
	}
	for _, s := range r.plan.Streams {
		var sum core.Tally
		for n := range r.log[s.Name] {
			t := e.Tally(s.Name, int32(n))
			one := core.Tally{Read: t.Read, Decoded: t.Decoded, Bad: t.Bad}
			for _, tab := range core.TablesOf(r.plan, s) {
				one.Tables = append(one.Tables, core.TableTally(t.Tables[tab.Name]))
			}
			sum.Add(one)
		}
		out.tally[s.Name] = sum
	}
	out.table = func(t *plan.Table) ([]keyed, error) {
		_, rows, err := e.Table(t.Name)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
		var list []keyed
		for i, vals := range rows {
			list = append(list, keyed{row.AppendKey(nil, row.Int(int64(i)), row.Of(row.Bigint)), vals})
		}
		return list, nil
	}
	return out
}
