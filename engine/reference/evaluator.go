package reference

import (
	"fmt"
	"slices"
	"strings"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

// Options of an evaluation. The zero value works.
type Options struct {
	// Partitions is how many source partitions a stream has, by its name. Those that Add or
	// MoveClock name are there in any case. One that stays empty has no clock, and so holds back
	// every result until End.
	Partitions map[string]int
	// Timestamp names by stream the column that holds the time, instead of what the stream says.
	Timestamp map[string]string
}

// Evaluator evaluates one plan. It belongs to one goroutine.
type Evaluator struct {
	plan    *plan.Plan
	streams []*stream // in the plan's order
	rejects []Reject
	ended   bool

	// Of the state that was restored.
	published map[string]int64
	past      map[string][]Output
}

// stream is a stream with everything that was read of it.
type stream struct {
	plan       *plan.Stream
	timeColumn int // -1: Kafka's timestamp
	decoder    format.Decoder
	tables     []*table
	partitions map[int32]*partition
	resume     int64 // results up to here came before the state that was restored
}

// Tally counts what became of the records of a source partition: Read = Decoded + Bad. Tables has
// what became of the decoded rows, by table: Decoded = Applied + Filtered + Late + Failed.
type Tally struct {
	Read, Decoded, Bad int64
	Tables             map[string]TableTally
}

// TableTally is what became of the decoded rows in one table.
type TableTally struct{ Applied, Filtered, Late, Failed int64 }

// Reject is a record that was not counted, or not in every table.
type Reject struct {
	Stream    string
	Partition int32
	Record    format.Record
	Kind      string   // bad, future, late or failed: the first of them that happened to it
	Column    string   // of a bad row, where one is to blame
	Reason    string   // in words
	Tables    []string // late and failed: the tables that did not count it
}

// New prepares to evaluate a plan. An error is one of the options.
func New(p *plan.Plan, opts Options) (*Evaluator, error) {
	e := &Evaluator{plan: p}
	for _, ps := range p.Streams {
		s := &stream{plan: ps, timeColumn: ps.TimeColumn, partitions: map[int32]*partition{}, resume: noTime}
		if name, given := opts.Timestamp[ps.Name]; given {
			if err := s.setTimestamp(name); err != nil {
				return nil, err
			}
		}
		var err error
		if s.decoder, err = format.NewDecoder(ps, nil); err != nil {
			return nil, err
		}
		for _, pt := range p.Tables {
			if pt.Stream == ps {
				s.tables = append(s.tables, newTable(pt))
			}
		}
		for n := range opts.Partitions[ps.Name] {
			s.partition(int32(n))
		}
		e.streams = append(e.streams, s)
	}
	for name := range opts.Timestamp {
		if _, err := e.stream(name); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// setTimestamp takes the time of rows from a column.
func (s *stream) setTimestamp(name string) error {
	i := slices.IndexFunc(s.plan.Columns, func(c row.Column) bool { return c.Name == name })
	if i < 0 {
		var names []string
		for _, c := range s.plan.Columns {
			names = append(names, c.Name)
		}
		return fmt.Errorf("no column %q in stream %s; columns: %s", name, s.plan.Name, strings.Join(names, ", "))
	}
	if typ := s.plan.Columns[i].Type; typ.Kind != row.Timestamp {
		return fmt.Errorf("column %s of stream %s is %s; expected a TIMESTAMP", name, s.plan.Name, typ)
	}
	s.timeColumn = i
	return nil
}

func (e *Evaluator) stream(name string) (*stream, error) {
	for _, s := range e.streams {
		if s.plan.Name == name {
			return s, nil
		}
	}
	var names []string
	for _, s := range e.streams {
		names = append(names, s.plan.Name)
	}
	return nil, fmt.Errorf("no stream %q; streams: %s", name, strings.Join(names, ", "))
}

// partition returns a source partition, a new one when it was not named before.
func (s *stream) partition(number int32) *partition {
	p := s.partitions[number]
	if p == nil {
		p = &partition{tally: Tally{Tables: map[string]TableTally{}}, refused: map[int64]string{}}
		s.partitions[number] = p
	}
	return p
}

// numbers lists the source partitions in order.
func (s *stream) numbers() []int32 {
	var list []int32
	for n := range s.partitions {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// Add reads records of a source partition, in the order of their offsets. Nothing of them is kept
// but what rejects show.
func (e *Evaluator) Add(stream string, partition int32, recs []format.Record) error {
	s, err := e.stream(stream)
	if err != nil {
		return err
	}
	p := s.partition(partition)
	for i := range recs {
		if recs[i].Offset < p.next {
			return fmt.Errorf("stream %s, partition %d: offset %d behind %d", stream, partition, recs[i].Offset, p.next-1)
		}
		p.next = recs[i].Offset + 1
	}
	for len(recs) > 0 {
		n := min(len(recs), row.MaxBatch)
		e.read(s, partition, p, recs[:n])
		recs = recs[n:]
	}
	return nil
}

// MoveClock moves a partition's clock (microseconds) by a decision that holds from an offset on:
// records before it have to be added before, others after. It never moves back.
func (e *Evaluator) MoveClock(stream string, partition int32, offset, clock int64) error {
	s, err := e.stream(stream)
	if err != nil {
		return err
	}
	p := s.partition(partition)
	if offset < p.next {
		return fmt.Errorf("stream %s, partition %d: a decision at offset %d after offset %d was read", stream, partition, offset, p.next-1)
	}
	p.next = offset
	p.move(clock, offset)
	return nil
}

// Refuse makes the record at an offset bad, as a decision does when its Kafka timestamp was past the
// wall clock at its first reading. It has to come before the record.
func (e *Evaluator) Refuse(stream string, partition int32, offset int64) error {
	return e.RefuseAs(stream, partition, offset, "future")
}

// RefuseAs is Refuse with the kind of the rejected row: one that was bad by an earlier query file is
// no row of this one either. It has to come before the record.
func (e *Evaluator) RefuseAs(stream string, partition int32, offset int64, kind string) error {
	s, err := e.stream(stream)
	if err != nil {
		return err
	}
	s.partition(partition).refused[offset] = kind
	return nil
}

// Follow says of a partition that only decisions move its clock, which nothing waits for and no
// result quotes: the one of replayed rows. It has to come before its records.
func (e *Evaluator) Follow(stream string, partition int32) error {
	s, err := e.stream(stream)
	if err != nil {
		return err
	}
	s.partition(partition).follows = true
	return nil
}

// End ends the input: all clocks of a stream move to the end of the last window or interval, of any
// metric on it, that holds an applied row. A stream without such a row stays as it is.
func (e *Evaluator) End() {
	if e.ended {
		return
	}
	e.ended = true
	for _, s := range e.streams {
		end := int64(noTime)
		for _, m := range e.plan.Metrics {
			t := e.table(m.Read.Table)
			if t == nil || !slices.Contains(s.tables, t) {
				continue
			}
			for i := range t.rows {
				at := t.rows[i].time
				if s.partition(t.rows[i].partition).follows {
					at = t.rows[i].enter
				}
				end = max(end, lastEnd(m, at))
			}
		}
		if end == noTime {
			continue
		}
		for _, p := range s.timed() {
			p.move(end, p.next)
		}
	}
}

func (e *Evaluator) table(p *plan.Table) *table {
	for _, s := range e.streams {
		for _, t := range s.tables {
			if t.plan == p {
				return t
			}
		}
	}
	return nil
}

// Tally returns the counters of a source partition.
func (e *Evaluator) Tally(stream string, partition int32) Tally {
	s, err := e.stream(stream)
	if err != nil {
		return Tally{}
	}
	return s.partition(partition).tally
}

// Rejects lists the records that were not counted, or not in every table, in the order in which
// they were read.
func (e *Evaluator) Rejects() []Reject { return e.rejects }
