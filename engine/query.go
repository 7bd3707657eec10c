package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/engine/core"
	"penstock/engine/read"
	"penstock/query/plan"
)

// Defaults of Query.
const (
	defaultMaxRows  = 1_000_000
	defaultMaxBytes = 256 << 20
)

// Query answers a statement from the tables and metrics as they are now, over all processes of
// the application. Goroutines may call it while Run runs. It ends early when ctx does. Errors for the
// one who asked are *BindError and *read.LimitError.
func (e *Engine) Query(ctx context.Context, q Query) (*Answer, error) {
	began := time.Now()
	if q.MaxRows <= 0 {
		q.MaxRows = defaultMaxRows
	}
	if q.MaxBytes <= 0 {
		q.MaxBytes = defaultMaxBytes
	}
	q.MaxBytes = min(q.MaxBytes, sharesOf(e.opts.Memory).query)
	cmd, diags := plan.BindQuery(e.opts.Plan, q.SQL)
	if cmd == nil {
		return nil, &BindError{SQL: q.SQL, Diags: diags}
	}
	a, err := e.command(ctx, q, cmd)
	if err != nil {
		return nil, err
	}
	a.Took = time.Since(began)
	return a, nil
}

func (e *Engine) command(ctx context.Context, q Query, cmd plan.Command) (*Answer, error) {
	p := e.opts.Plan
	switch cmd := cmd.(type) {
	case *plan.Show:
		if strings.EqualFold(cmd.What, plan.ShowMemory) {
			return e.memoryAnswer(), nil
		}
		return listingAnswer(p.Show(cmd.What)), nil
	case *plan.Describe:
		return listingAnswer(p.Describe(cmd.Name)), nil
	case *plan.Explain:
		if cmd.Why {
			return e.explainWhy(ctx, cmd.Name)
		}
		return textAnswer(cmd.Name, cmd.Text), nil
	case *plan.Query:
		a := &Answer{Fresh: Freshness{Lag: -1, Exact: q.Closed}}
		b := e.queries.Within(read.Limits{Rows: q.MaxRows, Bytes: q.MaxBytes})
		if err := e.guardedQuery(func() error { return e.read(ctx, q, &cmd.Read, a, b) }); err != nil {
			b.Release()
			return nil, err
		}
		a.holds(b)
		return a, nil
	}
	return nil, fmt.Errorf("a statement of kind %T", cmd)
}

// read answers a read: what it reads first, then itself.
func (e *Engine) read(ctx context.Context, q Query, r *plan.Read, a *Answer, b *read.Budget) error {
	var parts []*read.Part
	if r.Table != nil {
		got, err := e.gather(ctx, q, r, &a.Fresh, b)
		if err != nil {
			return err
		}
		parts = got
	} else {
		in, err := e.input(ctx, q, r, a, b)
		if err != nil {
			return err
		}
		part, err := read.Over(ctx, r, in, b)
		if err != nil {
			return err
		}
		parts = []*read.Part{part}
	}
	out, err := read.Merge(r, parts, b)
	if err != nil {
		return err
	}
	a.Rows, a.Failed = out.Rows, a.Failed+out.Failed
	if a.Reason == "" {
		a.Reason = out.Reason
	}
	return nil
}

// input is the rows that a read which reads no table is over.
func (e *Engine) input(ctx context.Context, q Query, r *plan.Read, a *Answer, b *read.Budget) (*read.Rows, error) {
	switch {
	case r.Input != nil:
		if err := e.read(ctx, q, r.Input, a, b); err != nil {
			return nil, err
		}
		return a.Rows, nil
	case r.Metric != nil:
		return e.latest(r.Metric, &a.Fresh), nil
	}
	one := read.NewRows(nil)
	one.Add(nil)
	return one, nil
}

// closedWait bounds how long a query for the last closed interval waits until all partitions
// have closed the same one. They close it within milliseconds of each other, unless one lags.
const closedWait = 2 * time.Second

// gather gets the parts of all partitions a read of a table needs, from here and from the other
// processes.
func (e *Engine) gather(ctx context.Context, q Query, r *plan.Read, fresh *Freshness, b *read.Budget) ([]*read.Part, error) {
	wanted := e.wanted(r)
	got := map[int32]*partAnswer{}
	ask := wanted
	for deadline := e.opts.Clock.Now().Add(closedWait); ; {
		list, err := e.ask(ctx, q, r, ask, b)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			got[p.Partition] = p
		}
		if ask = behind(got); !q.Closed || len(ask) == 0 || !e.opts.Clock.Now().Before(deadline) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.opts.Clock.After(20 * time.Millisecond):
		}
	}
	fresh.Partitions = len(wanted)
	if q.Closed {
		for _, n := range ask {
			got[n].State = stateBehind
		}
	}
	var parts []*read.Part
	for _, n := range wanted {
		p := got[n]
		if p.State != "" {
			fresh.Missing = append(fresh.Missing, e.missing(p))
			continue
		}
		fresh.add(r.Table.Stream.Name, p)
		parts = append(parts, p.part)
	}
	fresh.Lag = e.lagOf(r.Table.Stream, fresh.Offsets[r.Table.Stream.Name])
	return parts, nil
}

// wanted lists the partitions that can have rows of a read.
func (e *Engine) wanted(r *plan.Read) []int32 {
	if look := read.LookupOf(r); look.Whole {
		return []int32{core.PartitionOf(look.Prefix, e.opts.FoldPartitions)}
	}
	all := make([]int32, e.opts.FoldPartitions)
	for n := range all {
		all[n] = int32(n)
	}
	return all
}

// behind lists the partitions that have closed less than another one.
func behind(got map[int32]*partAnswer) []int32 {
	var high int64
	begun := false
	for _, p := range got {
		if p.State == "" && p.Begun && (!begun || p.Closed > high) {
			high, begun = p.Closed, true
		}
	}
	var list []int32
	for n, p := range got {
		if p.State == "" && begun && (!p.Begun || p.Closed < high) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

func (e *Engine) missing(p *partAnswer) MissingPartition {
	m := MissingPartition{Partition: p.Partition, State: p.State, Percent: -1, Owner: p.instance}
	switch p.State {
	case stateRestoring:
		m.Percent = p.Percent
	case stateUnowned:
		m.Owner = ""
	case stateBehind:
		m.Reason = "it has not closed the interval that others have"
	case stateUnreachable:
		m.Reason = p.Reason
	}
	return m
}

// ask gets the parts of some partitions: those that are here from snapshots, the others from the
// processes that have them, all at the same time. Every partition is in the answer.
func (e *Engine) ask(ctx context.Context, q Query, r *plan.Read, partitions []int32, b *read.Budget) ([]*partAnswer, error) {
	var here []int32
	elsewhere := map[string][]int32{}
	var answers []*partAnswer
	for _, n := range partitions {
		owner := e.ownerOf(n)
		switch {
		case e.standing(n).State == "" || owner == e.opts.InstanceID:
			here = append(here, n)
		case owner == "":
			answers = append(answers, e.standing(n))
		default:
			elsewhere[owner] = append(elsewhere[owner], n)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	for owner, list := range elsewhere {
		wg.Go(func() {
			var got []*partAnswer
			err := e.guardedQuery(func() (err error) {
				got, err = e.askMember(ctx, q, r, owner, list, b)
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil && failed == nil {
				failed = err
			}
			answers = append(answers, got...)
		})
	}
	local, err := e.scanLocal(ctx, r, here, q.Closed, b)
	wg.Wait()
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	return append(answers, local...), nil
}

// planFingerprint is the same for the same query file, apart from comments and layout.
func planFingerprint(p *plan.Plan) string {
	h := sha256.New()
	for _, s := range p.Streams {
		fmt.Fprintf(h, "%s;", s.Text)
	}
	for _, t := range p.Tables {
		fmt.Fprintf(h, "%s;", t.Text)
	}
	for _, m := range p.Metrics {
		fmt.Fprintf(h, "%s;", m.Text)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
