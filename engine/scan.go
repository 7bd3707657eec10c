package engine

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"penstock/engine/core"
	"penstock/engine/read"
	"penstock/query/plan"
	"penstock/storage"
)

// partAnswer is one table partition's part of an answer, and what it was made from. A part that
// could not be made has a State.
type partAnswer struct {
	Partition int32
	State     string          `json:",omitempty"` // why there is none
	Percent   int             `json:",omitempty"`
	Reason    string          `json:",omitempty"`
	Begun     bool            `json:",omitempty"`
	Closed    int64           `json:",omitempty"` // microseconds; meaningful when Begun
	Clock     int64           `json:",omitempty"`
	HasClock  bool            `json:",omitempty"`
	Offsets   map[int32]int64 `json:",omitempty"`
	Size      int             `json:",omitempty"` // of the part, as it travels

	instance  string
	remaining int64 // changelog records, while it is restored
	changelog int64 // and how many there are at most: some of the offsets hold none any more
	part      *read.Part
}

// scanLocal reads the partitions of a table that this process has, each from a snapshot of
// committed state; all snapshots are of one moment. What is not here or not recovered says so.
func (e *Engine) scanLocal(ctx context.Context, r *plan.Read, partitions []int32, closed bool, b *read.Budget) ([]*partAnswer, error) {
	list := make([]*partAnswer, len(partitions))
	var stores []*storage.Partition
	var ready []*partAnswer
	for i, n := range partitions {
		list[i] = e.standing(n)
		if list[i].State == "" {
			stores = append(stores, e.local().Partition(tableState, n))
			ready = append(ready, list[i])
		}
	}
	snaps, err := e.local().NewSnapshots(stores...)
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	defer func() {
		for _, s := range snaps {
			_ = s.Close() // always nil
		}
	}()
	if read.LookupOf(r).Prefix != nil {
		for i, p := range ready { // over before another goroutine would have begun
			if err := e.scanPart(ctx, r, p, snaps[i], closed, b); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i, p := range ready {
		select {
		case e.scans <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		wg.Go(func() {
			defer func() { <-e.scans }()
			if err := e.guardedQuery(func() error { return e.scanPart(ctx, r, p, snaps[i], closed, b) }); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return list, nil
}

// standing tells whether this process can answer for a partition.
func (e *Engine) standing(n int32) *partAnswer {
	p := &partAnswer{Partition: n, instance: e.opts.InstanceID}
	e.mu.Lock()
	fold := e.fold
	e.mu.Unlock()
	if fold == nil {
		p.State = stateUnowned
		return p
	}
	part, rec := fold.part(n)
	switch {
	case part == nil:
		p.State = stateUnowned
	case !part.ready():
		p.State, p.Percent = stateRestoring, -1
		if at, ok := part.local.Offset(); ok && rec != nil && rec.end(n) > 0 {
			p.Percent = int(100 * min(at+1, rec.end(n)) / rec.end(n))
			p.remaining, p.changelog = max(0, rec.end(n)-at-1), rec.end(n)
		}
	}
	return p
}

// part returns an assigned fold partition, nil when it is not here, and the recovery it is in.
func (f *foldLogic) part(n int32) (*foldPart, *recovery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.parts[n], f.recovery
}

func (e *Engine) scanPart(ctx context.Context, r *plan.Read, p *partAnswer, snap *storage.Snapshot, closed bool, b *read.Budget) error {
	from, err := core.NewReader(e.opts.Plan, p.Partition, e.opts.FoldPartitions, snap)
	if err != nil {
		return err
	}
	current, err := from.Current()
	if err != nil {
		return err
	}
	if !current {
		p.State, p.Percent = stateRestoring, 99 // all that is left is to add up its windows
		return nil
	}
	p.Closed, p.Begun = from.Closed(r.Table)
	p.Clock, p.HasClock = from.Clock(r.Table.Stream.Name)
	p.Offsets = from.Offsets(r.Table.Stream.Name)
	p.part, err = read.Scan(ctx, r, from, closed, b)
	return err
}

// PartRequest asks another process for its part of an answer. It carries the statement, which
// both bind to the same plan.
type PartRequest struct {
	App        string  `json:"app"`
	Plan       string  `json:"plan"`     // fingerprint of the query file
	Instance   string  `json:"instance"` // who is asked: an address may have changed hands
	SQL        string  `json:"sql"`
	Partitions []int32 `json:"partitions"`
	Closed     bool    `json:"closed"`
	MaxBytes   int64   `json:"max_bytes"`
	MaxRows    int     `json:"max_rows"`
}

// Errors of AnswerPart, for the caller's choice of a status.
var (
	ErrWrongInstance = errors.New("this is another process than the one asked for")
	ErrOtherPlan     = errors.New("the processes run different query files")
)

// AnswerPart answers another process of the application. The bytes are for its Ask.
func (e *Engine) AnswerPart(ctx context.Context, q PartRequest) ([]byte, error) {
	switch {
	case q.App != e.opts.App || q.Instance != e.opts.InstanceID:
		return nil, ErrWrongInstance
	case q.Plan != planFingerprint(e.opts.Plan):
		return nil, ErrOtherPlan
	}
	r, err := e.bindRead(q.SQL)
	if err != nil {
		return nil, err
	}
	leaf := r.Leaf()
	if leaf.Table == nil {
		return nil, errors.New("the statement reads no table")
	}
	if len(q.Partitions) > e.opts.FoldPartitions {
		return nil, fmt.Errorf("%d partitions asked for, there are %d", len(q.Partitions), e.opts.FoldPartitions)
	}
	b := e.queries.Within(read.Limits{Rows: q.MaxRows, Bytes: q.MaxBytes})
	defer b.Release()
	parts, err := e.scanLocal(ctx, leaf, q.Partitions, q.Closed, b)
	if err != nil {
		return nil, err
	}
	return appendParts(nil, parts), nil
}

// bindRead binds a SELECT.
func (e *Engine) bindRead(sql string) (*plan.Read, error) {
	cmd, diags := plan.BindQuery(e.opts.Plan, sql)
	if cmd == nil {
		return nil, &BindError{SQL: sql, Diags: diags}
	}
	q, ok := cmd.(*plan.Query)
	if !ok {
		return nil, errors.New("not a SELECT")
	}
	return &q.Read, nil
}

// appendParts encodes parts as they travel: the length of a JSON list, the list, then the parts.
func appendParts(dst []byte, parts []*partAnswer) []byte {
	var bodies []byte
	for _, p := range parts {
		if p.part != nil {
			from := len(bodies)
			bodies = p.part.Append(bodies)
			p.Size = len(bodies) - from
		}
	}
	head, err := json.Marshal(parts)
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	dst = binary.AppendUvarint(dst, uint64(len(head)))
	return append(append(dst, head...), bodies...)
}

var errDamagedParts = errors.New("the other process sent a damaged answer")

// parseParts reads what appendParts wrote: answers for these partitions of a read.
func parseParts(r *plan.Read, instance string, b []byte, budget *read.Budget) ([]*partAnswer, error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, errDamagedParts
	}
	head, b := b[k:k+int(n)], b[k+int(n):]
	var list []*partAnswer
	if err := json.Unmarshal(head, &list); err != nil {
		return nil, fmt.Errorf("%w: %v", errDamagedParts, err)
	}
	if slices.Contains(list, nil) {
		return nil, errDamagedParts
	}
	for _, p := range list {
		p.instance = instance
		if p.State != "" {
			continue
		}
		if p.Size < 0 || p.Size > len(b) {
			return nil, errDamagedParts
		}
		var err error
		if p.part, err = read.ParsePart(r, b[:p.Size], budget); err != nil {
			return nil, err
		}
		b = b[p.Size:]
	}
	return list, nil
}
