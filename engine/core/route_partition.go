package core

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"penstock/engine/format"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// RoutePartition routes the rows of one source partition. Rows and MoveClock are called by one
// goroutine at a time; the lock is for Take and the readers of Position.
type RoutePartition struct {
	router  *Router
	number  int32
	pending atomic.Int64 // bytes in the tables' groups

	mu      sync.Mutex
	pos     Position
	from    int64 // offset at the last Take
	sent    bool  // a frame has told fold this partition's first clock
	moved   bool  // the clock passed a boundary since the last Take
	first   int64
	next    int64 // the next boundary of any grid: passing it makes a cut
	rows    int
	cuts    []cut
	rejects []Reject
	decided []Decision
	failed  error // of a record at which the stream stops: nothing since the last Take counts
	tables  []*routeTable
	lead    Lead            // of the replayed partition: what its clock follows
	zero    *RoutePartition // of the replayed partition: partition 0

	decoder format.Decoder
	batch   row.Batch
	rowtime row.Vector
	index   []int32 // batch position -> record
	bad     []format.BadRow
	checks  []*expr.Program
	errs    expr.Errors
	sel     []int32
	before  []int64           // the clock when the row was read
	enter   []int64           // max(row time, before)
	notes   map[int32]*Reject // of the chunk, by record
}

func newRoutePartition(r *Router, number int32, at Position) (*RoutePartition, error) {
	dec, err := format.NewDecoder(r.stream, r.used)
	if err != nil {
		return nil, err
	}
	p := &RoutePartition{router: r, number: number, pos: at, from: at.Offset, decoder: dec, notes: map[int32]*Reject{}}
	p.pos.Tally = at.Tally.For(r.tables)
	p.first, p.sent = at.Clock, false
	p.setNext()
	p.batch.Cols = make([]*row.Vector, len(r.stream.Columns)+1)
	p.rowtime = row.Vector{Type: row.Of(row.Timestamp), I64: make([]int64, row.MaxBatch)}
	p.before, p.enter = make([]int64, row.MaxBatch), make([]int64, row.MaxBatch)
	for _, c := range r.stream.Checks {
		p.checks = append(p.checks, expr.Compile(c.Cond))
	}
	for _, t := range r.tables {
		p.tables = append(p.tables, newRouteTable(t, metricsOf(r.plan, t)))
	}
	return p, nil
}

// Position returns where the partition stands, flushed or not.
func (p *RoutePartition) Position() Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	pos := p.pos
	pos.Tally = pos.Tally.clone()
	return pos
}

// Rows routes records in the order of their offsets. wall is the time now in microseconds, used
// only to refuse Kafka timestamps of the future. The records are not kept. An error means the
// stream's options ask to stop at such a record. From then on, and after a panic, the partition gives
// nothing to a flush: the record and those around it are folded already, and a flush that came before the stage has
// ended would commit them as read.
func (p *RoutePartition) Rows(recs []format.Record, wall int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(recs) > 0 && p.failed == nil {
		n := min(len(recs), row.MaxBatch)
		p.failed = errHalfDone // should this panic
		p.failed = p.chunk(recs[:n], wall)
		recs = recs[n:]
	}
	return p.failed
}

var errHalfDone = errors.New("the partition has stopped in the middle of some rows")

// Skip moves the position over offsets that hold no record for us (transaction markers).
func (p *RoutePartition) Skip(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pos.Offset = max(p.pos.Offset, offset)
}

func (p *RoutePartition) chunk(recs []format.Record, wall int64) error {
	p.decode(recs)
	p.sel = p.sel[:0]
	for i := range p.index {
		p.sel = append(p.sel, int32(i))
	}
	p.times(recs)
	p.check(recs)
	p.refuseFuture(recs, wall)
	if p.number == Replayed {
		p.follow()
	} else {
		p.clocks(recs)
	}

	tally := &p.pos.Tally
	tally.Read += int64(len(p.index) + len(p.bad))
	p.pos.Ended = false
	tally.Decoded += int64(len(p.sel))
	tally.Bad += int64(len(p.index) + len(p.bad) - len(p.sel))
	p.rows += len(p.sel)
	pending := 0
	for i, t := range p.tables {
		t.fold(p, recs, &tally.Tables[i])
		pending += t.g.used()
	}
	p.pending.Store(int64(pending))
	p.pos.Offset = recs[len(recs)-1].Offset + 1
	return p.keepRejects(recs)
}

// decode fills the batch, and notes the records that are no rows.
func (p *RoutePartition) decode(recs []format.Record) {
	p.index, p.bad = p.decoder.Decode(recs, &p.batch, p.index[:0], p.bad[:0])
	for _, b := range p.bad {
		p.note(int32(b.Index), "bad", b.Column, b.Reason)
	}
	p.errs.Reset(p.batch.N)
}

// times fills rowtime, and drops rows whose time column is NULL.
func (p *RoutePartition) times(recs []format.Record) {
	s := p.router.stream
	defer func() { p.batch.Cols[s.RowTime()] = &p.rowtime }()
	if s.TimeColumn < 0 {
		for i, r := range p.index {
			p.rowtime.I64[i] = recs[r].Time * 1000
		}
		return
	}
	v := p.batch.Cols[s.TimeColumn]
	copy(p.rowtime.I64, v.I64[:p.batch.N])
	if v.Null == nil {
		return
	}
	p.drop(func(i int32) bool {
		if !v.Null[i] {
			return false
		}
		p.note(p.index[i], "bad", s.Columns[s.TimeColumn].Name, s.Columns[s.TimeColumn].Name+": NULL, but it is the row's time")
		return true
	})
}

// drop takes the rows for which f is true out of the selection.
func (p *RoutePartition) drop(f func(i int32) bool) {
	kept := p.sel[:0]
	for _, i := range p.sel {
		if !f(i) {
			kept = append(kept, i)
		}
	}
	p.sel = kept
}

// check drops rows for which a CHECK is false or fails; NULL passes, as in SQL.
func (p *RoutePartition) check(recs []format.Record) {
	for n, prog := range p.checks {
		if len(p.sel) == 0 {
			return
		}
		c := &p.router.stream.Checks[n]
		v := prog.Eval(&p.batch, p.sel, &p.errs)
		p.drop(func(i int32) bool {
			switch {
			case p.errs.At(i) != nil:
				p.note(p.index[i], "bad", c.Column, c.Text+": "+p.errs.At(i).Error())
			case v.IsNull(int(i)) && c.NotNull:
				p.note(p.index[i], "bad", c.Column, c.Column+": NULL, but it is NOT NULL")
			case v.IsNull(int(i)) || v.I64[i] != 0:
				return false
			case c.NotNull:
				p.note(p.index[i], "bad", c.Column, c.Column+": NULL, but it is NOT NULL")
			default:
				p.note(p.index[i], "bad", c.Column, fmt.Sprintf("%sCHECK (%s) is false", prefix(c.Column), c.Text))
			}
			return true
		})
	}
}

func prefix(column string) string {
	if column == "" {
		return ""
	}
	return column + ": "
}

// refuseFuture drops rows dated further ahead than the stream allows: of their record's Kafka
// timestamp where time is a column (a function of the log), of the wall clock where it is
// Kafka's (which only this first reading can know, so it is written down as a decision).
func (p *RoutePartition) refuseFuture(recs []format.Record, wall int64) {
	s := p.router.stream
	ahead := s.Options.MaxAhead.Microseconds()
	if ahead <= 0 {
		return
	}
	p.drop(func(i int32) bool {
		rec := &recs[p.index[i]]
		limit := wall
		if s.TimeColumn >= 0 {
			if rec.Time < 0 {
				return false
			}
			limit = rec.Time * 1000
		}
		t := p.rowtime.I64[i]
		if t <= limit || t-limit <= ahead {
			return false
		}
		at := string(row.FormatTimestamp(nil, t))
		what := "the wall clock"
		if s.TimeColumn >= 0 {
			what = "the record's Kafka timestamp"
		} else {
			p.decided = append(p.decided, Decision{Stream: s.Name, Partition: p.number, Offset: rec.Offset, Kind: "future", Clock: t})
		}
		p.note(p.index[i], "future", "", fmt.Sprintf("time %s is more than %s past %s", at, s.Options.MaxAhead, what))
		return true
	})
}

// clocks moves the partition's clock over the good rows, and makes a cut wherever it passes an
// end of a window, an interval or a pane.
func (p *RoutePartition) clocks(recs []format.Record) {
	delay := p.router.stream.Options.Delay.Microseconds()
	clock := p.clock()
	for _, i := range p.sel {
		t := p.rowtime.I64[i]
		p.before[i], p.enter[i] = clock, max(t, clock)
		c := t - delay
		if c <= clock {
			continue
		}
		clock = c
		if !p.pos.Started {
			p.start(clock, recs[p.index[i]].Offset)
		} else if clock >= p.next {
			p.pos.Clock = clock
			p.makeCut(recs[p.index[i]].Offset)
		}
	}
	p.pos.Clock = clock
}

func (p *RoutePartition) clock() int64 {
	if !p.pos.Started {
		return noTime
	}
	return p.pos.Clock
}

// start gives the partition its first clock; everything before it is passed by the row at offset.
func (p *RoutePartition) start(clock, offset int64) {
	p.pos.Started, p.pos.Clock, p.first = true, clock, clock
	p.makeCut(offset)
}

func (p *RoutePartition) makeCut(offset int64) {
	p.cuts = append(p.cuts, cut{upTo: p.pos.Clock, offset: offset})
	p.moved = true
	p.setNext()
}

func (p *RoutePartition) setNext() {
	p.next = math.MaxInt64
	if !p.pos.Started {
		return
	}
	for _, g := range p.router.grids {
		p.next = min(p.next, g.after(p.pos.Clock))
	}
}

// MoveClock moves the clock without a row: an idle partition, or the end of the input. It never
// moves back; an idle move that passes no end changes nothing and is not written down. It
// reports whether the clock moved.
func (p *RoutePartition) MoveClock(to int64, kind string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moveClock(to, kind)
}

func (p *RoutePartition) moveClock(to int64, kind string) bool {
	end := kind == DecisionEnd
	if end && p.pos.Ended && to <= p.clock() || !end && p.pos.Started && to < p.next {
		return false
	}
	first := !p.pos.Started
	if first {
		p.start(to, p.pos.Offset)
	} else if to >= p.next {
		p.pos.Clock = to
		p.makeCut(p.pos.Offset)
	}
	p.pos.Ended = p.pos.Ended || end
	p.decided = append(p.decided, Decision{Stream: p.router.stream.Name, Partition: p.number, Offset: p.pos.Offset, Kind: kind, Clock: p.pos.Clock, First: first})
	p.moved = true
	return true
}

// DecisionDefinitions is the kind of the first record: what the application's tables and metrics mean.
const DecisionDefinitions = "definitions"

// The kinds of decisions that move a clock.
const (
	DecisionIdle = "idle"
	DecisionEnd  = "end"
	DecisionJoin = "join" // a source partition that appeared later
)

// note records that a record was not counted; a record has one note, which lists the tables.
func (p *RoutePartition) note(record int32, kind, column, reason string) *Reject {
	n := p.notes[record]
	if n == nil {
		n = &Reject{Stream: p.router.stream.Name, Partition: p.number, Kind: kind, Column: column, Reason: reason}
		p.notes[record] = n
	}
	return n
}

// keepRejects moves the chunk's notes to the flush, with copies of the records.
func (p *RoutePartition) keepRejects(recs []format.Record) error {
	if len(p.notes) == 0 {
		return nil
	}
	defer clear(p.notes)
	o := &p.router.stream.Options
	for i := range recs {
		n := p.notes[int32(i)]
		if n == nil {
			continue
		}
		policy := o.BadData
		if n.Kind == "late" {
			policy = o.LateData
		}
		switch policy {
		case "drop":
			continue
		case "fail":
			if p.number == Replayed {
				break // it stopped the stream when it first came, and somebody asked for it to be read again
			}
			return fmt.Errorf("stream %s: %s/%d @ %d: %s row: %s; the stream says to stop at such rows (%s_data = 'fail')",
				n.Stream, o.Topic, p.number, recs[i].Offset, n.Kind, n.Reason, map[bool]string{true: "late", false: "bad"}[n.Kind == "late"])
		}
		n.Record = format.Record{Offset: recs[i].Offset, Time: recs[i].Time,
			Key: bytes.Clone(recs[i].Key), Value: bytes.Clone(recs[i].Value)} // no value stays none, an empty one empty
		p.rejects = append(p.rejects, *n)
	}
	return nil
}

// take moves what the partition did into the flush.
func (p *RoutePartition) take(flush *RouteFlush, writers []frameWriter, advances *[]advance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return
	}
	for _, t := range p.tables {
		t.take(writers)
	}
	if p.pos.Offset > p.from || p.moved {
		*advances = append(*advances, advance{partition: p.number, from: p.from, to: p.pos.Offset,
			started: p.pos.Started, clock: p.pos.Clock, first: p.first, tally: p.pos.Tally.clone(), cuts: p.cuts})
	}
	flush.Rejects = append(flush.Rejects, p.rejects...)
	flush.Decisions = append(flush.Decisions, p.decided...)
	flush.Rows += p.rows
	pos := p.pos
	pos.Tally = pos.Tally.clone()
	flush.Positions[p.number] = pos
	p.from, p.moved, p.rows = p.pos.Offset, false, 0
	p.cuts, p.rejects, p.decided = nil, nil, nil
	p.pending.Store(0)
}

// usedColumns tells which columns of a stream any expression reads.
func usedColumns(s *plan.Stream, tables []*plan.Table) []bool {
	used := make([]bool, len(s.Columns)+1)
	mark := func(n expr.Node) {
		if n == nil {
			return
		}
		for _, i := range expr.Columns(n) {
			used[i] = true
		}
	}
	if s.TimeColumn >= 0 {
		used[s.TimeColumn] = true
	}
	for _, c := range s.Checks {
		mark(c.Cond)
	}
	for _, t := range tables {
		mark(t.Where)
		for _, k := range t.Keys {
			mark(k.Expr)
		}
		for _, a := range t.Aggs {
			mark(a.Arg)
			mark(a.Filter)
		}
	}
	return used[:len(s.Columns)]
}
