package reference

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

// Eval evaluates a query file over whole inputs and writes every result to w, one JSON object a
// line. Each input is the one source partition of the stream it is named for: its lines are records
// with offsets from 0 and without a Kafka timestamp, so a stream that says no column for its time is
// refused. A stream without an input has no rows.
//
// The evaluator is returned for its tallies, rejects and tables.
func Eval(p *plan.Plan, opts Options, inputs map[string]io.Reader, w io.Writer) (*Evaluator, error) {
	e, err := New(p, opts)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		if err := e.input(name, inputs[name]); err != nil {
			return nil, err
		}
	}
	e.End()
	return e, e.WriteResults(w)
}

// WriteResults writes every result, one JSON object a line.
func (e *Evaluator) WriteResults(w io.Writer) error {
	out := bufio.NewWriter(w)
	var line []byte
	for _, o := range e.Results() {
		line = append(format.AppendJSON(line[:0], &o.Result), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// input adds the lines of r.
func (e *Evaluator) input(name string, r io.Reader) error {
	s, err := e.stream(name)
	if err != nil {
		return err
	}
	if s.timeColumn < 0 {
		return NoTime(s.plan)
	}
	s.partition(0)
	lines := bufio.NewReaderSize(r, 1<<20)
	var recs []format.Record
	for offset := int64(0); ; offset++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read input of stream %s: %w", name, err)
		}
		if len(line) > 0 {
			recs = append(recs, format.Record{Offset: offset, Time: -1, Value: bytes.TrimSuffix(line, []byte("\n"))})
		}
		if err != nil || len(recs) == row.MaxBatch {
			if added := e.Add(name, 0, recs); added != nil {
				return added
			}
			recs = recs[:0]
		}
		if err != nil {
			return nil
		}
	}
}

// NoTime says that lines of a stream have no time, and how to give them one.
func NoTime(s *plan.Stream) error {
	column := "column"
	if i := slices.IndexFunc(s.Columns, func(c row.Column) bool { return c.Type.Kind == row.Timestamp }); i >= 0 {
		column = s.Columns[i].Name
	}
	return fmt.Errorf("stream %s takes the time of its rows from Kafka, and lines of a file have none: "+
		"declare it WITH (timestamp = 'column'), or name the column with --timestamp %s=%s", s.Name, s.Name, column)
}
