package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/engine/core"
	"penstock/query/plan"
)

// Overview is where every partition stands, over all processes.
type Overview struct {
	App     string           `json:"app"`
	Members []Member         `json:"members"`
	Tables  []TablePartition `json:"tables"`
	Streams []StreamOverview `json:"streams"`
}

// TablePartition is a partition of the tables.
type TablePartition struct {
	Partition int32  `json:"partition"`
	State     string `json:"state"` // running, restoring, unowned
	Owner     string `json:"owner,omitempty"`
	Percent   int    `json:"percent,omitempty"` // of restoring
}

// StreamOverview is how far a stream is read.
type StreamOverview struct {
	Stream     string            `json:"stream"`
	Topic      string            `json:"topic"`
	Lag        int64             `json:"lag"` // -1: not known
	Partitions []SourceOverview  `json:"partitions"`
	Replayed   *SourceOverview   `json:"replayed,omitempty"` // once rows were replayed; its partition is -1
	Tables     []TableAccounting `json:"tables"`
}

// SourceOverview is a source partition as committed: Offset is the next to be read.
type SourceOverview struct {
	Partition int32  `json:"partition"`
	Reader    string `json:"reader,omitempty"` // instance; empty: nobody reads it
	Offset    int64  `json:"offset"`
	End       int64  `json:"end"` // behind the newest; -1: not known
	Lag       int64  `json:"lag"` // -1: not known
	Clock     int64  `json:"clock_us,omitempty"`
	HasClock  bool   `json:"has_clock"`
	Paused    bool   `json:"paused,omitempty"` // it ran ahead of the others and waits
	Read      int64  `json:"read"`
	Decoded   int64  `json:"decoded"`
	Bad       int64  `json:"bad"`

	tally core.Tally
}

// TableAccounting is what became of a stream's decoded rows in one table; a hidden one has the name
// of its metric behind a "$".
type TableAccounting struct {
	Table    string `json:"table"`
	Applied  int64  `json:"applied"`
	Filtered int64  `json:"filtered"`
	Late     int64  `json:"late"`
	Failed   int64  `json:"failed"`
}

// Overview asks Kafka for what is committed and puts it together with what the processes say.
func (e *Engine) Overview(ctx context.Context) (*Overview, error) {
	o := &Overview{App: e.opts.App, Members: e.Members()}
	for n := range int32(e.opts.FoldPartitions) {
		o.Tables = append(o.Tables, tablePartition(n, e.ownerOf(n), o.Members))
	}
	for _, st := range e.opts.Plan.Streams {
		s, err := e.streamOverview(ctx, st, o.Members)
		if err != nil {
			return nil, err
		}
		o.Streams = append(o.Streams, s)
	}
	return o, nil
}

func tablePartition(n int32, owner string, members []Member) TablePartition {
	t := TablePartition{Partition: n, State: stateUnowned}
	for i, m := range members {
		if m.Instance != owner && (owner != "" || i > 0) { // what we have ourselves needs nobody's word
			continue
		}
		percent, restoring := m.Restoring[n]
		switch {
		case slices.Contains(m.Partitions, n):
			t.State, t.Owner = "running", m.Instance
		case restoring:
			t.State, t.Owner, t.Percent = stateRestoring, m.Instance, max(0, percent)
		}
	}
	return t
}

func (e *Engine) streamOverview(ctx context.Context, st *plan.Stream, members []Member) (StreamOverview, error) {
	o := StreamOverview{Stream: st.Name, Topic: st.Options.Topic, Lag: -1, Partitions: []SourceOverview{}}
	at, err := e.committedPositions(ctx, st)
	if err != nil {
		return o, err
	}
	ends := e.endsOf(st)
	var all core.Tally
	if pos, ok := at[core.Replayed]; ok {
		delete(at, core.Replayed)
		all.Add(pos.Tally)
		o.Replayed = &SourceOverview{Partition: core.Replayed, Offset: pos.Offset, End: -1, Lag: -1, Clock: pos.Clock, HasClock: pos.Started,
			Read: pos.Tally.Read, Decoded: pos.Tally.Decoded, Bad: pos.Tally.Bad, tally: pos.Tally}
	}
	for n, pos := range at {
		p := SourceOverview{Partition: n, Offset: pos.Offset, End: -1, Lag: -1, Clock: pos.Clock, HasClock: pos.Started,
			Read: pos.Tally.Read, Decoded: pos.Tally.Decoded, Bad: pos.Tally.Bad, tally: pos.Tally}
		if end, ok := ends[n]; ok {
			p.End, p.Lag = end, max(0, end-pos.Offset)
			o.Lag = max(0, o.Lag) + p.Lag
		}
		for _, m := range members {
			if slices.Contains(m.Sources[st.Name], n) {
				p.Reader = m.Instance
				p.Paused = slices.Contains(m.Paused[st.Name], n)
			}
		}
		all.Add(pos.Tally.For(core.TablesOf(e.opts.Plan, st)))
		o.Partitions = append(o.Partitions, p)
	}
	slices.SortFunc(o.Partitions, func(a, b SourceOverview) int { return int(a.Partition - b.Partition) })
	for i, t := range core.TablesOf(e.opts.Plan, st) {
		a := TableAccounting{Table: t.Name}
		if i < len(all.Tables) {
			x := all.Tables[i]
			a = TableAccounting{t.Name, x.Applied, x.Filtered, x.Late, x.Failed}
		}
		o.Tables = append(o.Tables, a)
	}
	return o, nil
}

// positionsTimeout bounds a look at the committed positions.
const positionsTimeout = 3 * time.Second

// committedPositions are the positions of all partitions of a stream as last committed, by whatever
// process, the replayed one among them when anything was replayed; what is being committed at the moment is not waited for.
func (e *Engine) committedPositions(ctx context.Context, st *plan.Stream) (map[int32]core.Position, error) {
	c := e.kafka()
	if c == nil {
		return nil, ErrNotRunning
	}
	ctx, cancel := context.WithTimeout(ctx, positionsTimeout)
	defer cancel()
	n := names{e.opts.App}
	group, topic := n.RouteGroup(st.Name), st.Options.Topic
	resp, err := c.admin.FetchOffsetsForTopics(ctx, group, topic, n.Replayed())
	if err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", group, err)
	}
	got := map[int32]core.Position{}
	if o, ok := resp[n.Replayed()][0]; ok && o.Err == nil && o.At >= 0 {
		if got[core.Replayed], err = core.ParsePosition(o.At, o.Metadata); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Replayed(), err)
		}
	}
	for n, o := range resp[topic] {
		if o.Err != nil || o.At < 0 {
			got[n] = core.Start(0)
			continue
		}
		pos, err := core.ParsePosition(o.At, o.Metadata)
		if err != nil {
			return nil, fmt.Errorf("%s/%d: %w", topic, n, err)
		}
		got[n] = pos
	}
	return got, nil
}

// Plan is what the engine runs.
func (e *Engine) Plan() *plan.Plan { return e.opts.Plan }
