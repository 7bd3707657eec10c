package core

import (
	"fmt"
	"sort"
	"sync"

	"penstock/engine/format"
	"penstock/query/plan"
)

// Router routes one stream in one process: the source partitions it owns. Rows of different
// partitions may be given concurrently; Take gathers what all of them did since the last Take.
type Router struct {
	plan    *plan.Plan
	stream  *plan.Stream
	folds   int
	tables  []*plan.Table
	grids   []grid
	used    []bool
	mu      sync.Mutex
	sources int32
	limit   int // bytes of a frame
	parts   map[int32]*RoutePartition
}

// NewRouter prepares to route a stream to that many fold partitions. sources is the number of
// source partitions that the decisions name.
func NewRouter(p *plan.Plan, s *plan.Stream, folds int, sources int32) *Router {
	r := &Router{plan: p, stream: s, folds: folds, sources: sources, limit: maxFrameBytes, parts: map[int32]*RoutePartition{}}
	r.tables = TablesOf(p, s)
	for _, t := range r.tables {
		for _, m := range metricsOf(p, t) {
			if m.Emit != plan.EmitChanges {
				r.grids = append(r.grids, gridOf(m))
			}
		}
		r.grids = append(r.grids, grid{step: t.Pane.Microseconds()})
	}
	r.used = usedColumns(s, r.tables)
	return r
}

// TablesOf lists the tables that read a stream, in the plan's order: the order of Tally.Tables.
func TablesOf(p *plan.Plan, s *plan.Stream) []*plan.Table {
	var list []*plan.Table
	for _, t := range p.Tables {
		if t.Stream == s {
			list = append(list, t)
		}
	}
	return list
}

// metricsOf lists the metrics that read a table.
func metricsOf(p *plan.Plan, t *plan.Table) []*plan.Metric {
	var list []*plan.Metric
	for _, m := range p.Metrics {
		if m.Read.Table == t {
			list = append(list, m)
		}
	}
	return list
}

// Assign begins to route a source partition at its committed position.
func (r *Router) Assign(partition int32, at Position) (*RoutePartition, error) {
	p, err := newRoutePartition(r, partition, at)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[partition] = p
	return p, nil
}

// Revoke forgets a source partition and what was not taken of it.
func (r *Router) Revoke(partition int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.parts, partition)
}

// Partition returns an assigned source partition, nil when it is not assigned.
func (r *Router) Partition(partition int32) *RoutePartition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parts[partition]
}

// SetSources sets the number of source partitions that the decisions name.
func (r *Router) SetSources(n int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = n
}

// SetFrameBytes sets from what size on a frame is split. It changes no result.
func (r *Router) SetFrameBytes(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = n
}

// Message is a record for a partition of a topic of ours.
type Message struct {
	Partition int32
	Value     []byte
}

// RouteFlush is what one transaction of route holds. All of it belongs to the receiver.
type RouteFlush struct {
	Frames    []Message // in the order in which a fold partition has to see them
	Rejects   []Reject
	Decisions []Decision
	Positions map[int32]Position // of every assigned source partition, also an unmoved one
	Rows      int                // decoded since the last Take
}

// Empty tells whether the flush holds nothing that has to be committed.
func (f *RouteFlush) Empty() bool {
	return len(f.Frames) == 0 && len(f.Rejects) == 0 && len(f.Decisions) == 0
}

// Take ends the current flush and begins the next.
func (r *Router) Take() *RouteFlush {
	r.mu.Lock()
	defer r.mu.Unlock()
	numbers := make([]int32, 0, len(r.parts))
	for n := range r.parts {
		numbers = append(numbers, n)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })

	flush := &RouteFlush{Positions: make(map[int32]Position, len(numbers))}
	writers := make([]frameWriter, r.folds)
	for i := range writers {
		writers[i] = frameWriter{stream: r.stream.Name, partitions: r.sources, limit: r.limit}
		writers[i].begin()
	}
	var advances []advance
	for _, n := range numbers {
		r.parts[n].take(flush, writers, &advances)
	}
	if len(advances) == 0 {
		return flush
	}
	for i := range writers {
		writers[i].cutFrame(advances)
		for _, frame := range writers[i].done {
			flush.Frames = append(flush.Frames, Message{Partition: int32(i), Value: frame})
		}
	}
	return flush
}

// Pending is about how many bytes of partials wait for the next Take.
func (r *Router) Pending() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, p := range r.parts {
		n += int(p.pending.Load())
	}
	return n
}

// Reject is a record that was not counted, or not in every table.
type Reject struct {
	Stream    string
	Partition int32
	Record    format.Record // key and value are copies
	Kind      string        // bad, future, late, failed
	Column    string        // of a bad row, where one is to blame
	Reason    string
	Tables    []string // late and failed: the tables that did not count it
}

// Decision is a record for the decisions topic: what only a wall clock or a person can decide.
type Decision struct {
	Stream    string
	Partition int32
	Offset    int64  // of the source partition: it holds from this offset on
	Kind      string // idle, end, future, join
	Clock     int64  // microseconds: where the clock moved
	First     bool   // the partition had no clock before
}

// Key is the decision's record key; Value its record value. Both are text for people. The topic
// is compacted: of the moves at one offset the last says it all, but for the first of a
// partition, which fixes where its stream's first intervals lie.
func (d Decision) Key() string {
	if d.First {
		return fmt.Sprintf("%s/%d/%d/first", d.Stream, d.Partition, d.Offset)
	}
	return fmt.Sprintf("%s/%d/%d/%s", d.Stream, d.Partition, d.Offset, d.Kind)
}

// Value returns the record value as JSON.
func (d Decision) Value() []byte {
	return fmt.Appendf(nil, `{"stream":%q,"partition":%d,"offset":%d,"kind":%q,"clock":%d}`,
		d.Stream, d.Partition, d.Offset, d.Kind, d.Clock)
}
