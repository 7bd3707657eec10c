package engine

import (
	"slices"
	"strings"
	"time"

	"penstock/engine/core"
)

// Status is what an engine is doing, at one moment. It is put together from memory; taking it
// costs next to nothing and waits for nobody.
type Status struct {
	App      string
	Instance string
	State    string // starting, running, stopping, stopped
	Stages   []StageStatus
	Streams  []StreamStatus
	// FoldPartitions are the table partitions that are here and recovered.
	FoldPartitions []int32
}

// StageStatus is one consumer group of the engine as this process sees it.
type StageStatus struct {
	Group    string
	State    string // starting, recovering, running, restarting, stopped
	Restarts int
	Sessions int    // times that partitions were assigned
	Error    string // what ended its last life, empty when nothing did
	Flushes  int64
	Records  int64         // written by them
	Last     time.Duration // how long the last transaction took
}

// StreamStatus is a stream, as far as its partitions are read here.
type StreamStatus struct {
	Stream     string
	Topic      string
	Tables     []string // the tables that read it, in the order of Tally.Tables
	Partitions []SourceStatus
	// Replayed is the partition of replayed rows, nil unless it is read here.
	Replayed *SourceStatus
	// Before are the partitions that were read here last, while none is: Kafka is away, or the group
	// rebalances. What they say may have been read again by somebody else meanwhile.
	Before []SourceStatus
}

// SourceStatus is where a source partition stands: read and computed, though perhaps not yet
// committed.
type SourceStatus struct {
	Partition int32
	core.Position
	End    int64 // behind the newest record when last asked; lag is End - Offset
	Paused bool  // it waits for slower partitions
}

// Status returns what the engine is doing.
func (e *Engine) Status() Status {
	e.mu.Lock()
	st := Status{App: e.opts.App, Instance: e.opts.InstanceID, State: e.state}
	stages, fold := e.stages, e.fold
	e.mu.Unlock()
	for _, s := range stages {
		st.Stages = append(st.Stages, s.status())
	}
	for _, s := range e.opts.Plan.Streams {
		stream := StreamStatus{Stream: s.Name, Topic: s.Options.Topic}
		for _, t := range core.TablesOf(e.opts.Plan, s) {
			stream.Tables = append(stream.Tables, t.Name)
		}
		if r := e.route(s); r != nil {
			stream.Partitions, stream.Before = r.status()
			if s := r.replayedSource(); s != nil {
				at := s.status()
				stream.Replayed = &at
			}
		}
		st.Streams = append(st.Streams, stream)
	}
	if fold != nil {
		for _, p := range fold.assigned() {
			if p.ready() {
				st.FoldPartitions = append(st.FoldPartitions, p.number)
			}
		}
		slices.Sort(st.FoldPartitions)
	}
	slices.SortFunc(st.Stages, func(a, b StageStatus) int { return strings.Compare(a.Group, b.Group) })
	return st
}

// Tally returns what became of the records of a stream that are read here, or were last, over all
// partitions.
func (s StreamStatus) Tally() core.Tally {
	var t core.Tally
	for _, p := range append(s.Partitions, s.Before...) {
		t.Add(p.Tally)
	}
	if s.Replayed != nil {
		t.Add(s.Replayed.Tally)
	}
	return t
}

func (s *routeSource) status() SourceStatus {
	return SourceStatus{Partition: s.number, Position: s.core.Position(), End: s.limit.Load(), Paused: s.held.Load()}
}

func (p *foldPart) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.core != nil && !p.over
}

func (s *stage) status() StageStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := StageStatus{Group: s.group, State: s.state, Restarts: max(0, s.lives-1), Sessions: s.sessions, Flushes: s.flushes, Records: s.records, Last: s.lastTook}
	if s.last != nil {
		st.Error = s.last.Error()
	}
	return st
}
