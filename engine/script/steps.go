package script

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"penstock/engine/format"
	"penstock/engine/reference"
	"penstock/query/plan"
	"penstock/query/row"
)

// Steps writes lines of streams as steps of a test: the rows, then the end of the input. timestamps
// names by stream a column whose time is written as Kafka's, for a stream that goes by that.
func Steps(p *plan.Plan, inputs map[string]io.Reader, timestamps map[string]string) (string, error) {
	if _, err := reference.New(p, reference.Options{Timestamp: timestamps}); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		text, err := io.ReadAll(inputs[name])
		if err != nil {
			return "", fmt.Errorf("read input of stream %s: %w", name, err)
		}
		if len(text) == 0 {
			continue
		}
		var recs []format.Record
		for line := range strings.Lines(string(text)) {
			recs = append(recs, format.Record{Time: -1, Value: []byte(strings.TrimSuffix(line, "\n"))})
		}
		s := p.Stream(name)
		switch column, given := timestamps[name]; {
		case given && s.TimeColumn < 0:
			if err := timesFrom(s, column, recs); err != nil {
				return "", err
			}
		case given && s.Columns[s.TimeColumn].Name != column:
			return "", fmt.Errorf("stream %s takes the time of its rows from %s, and so will the test: leave --timestamp out", name, s.Columns[s.TimeColumn].Name)
		case s.TimeColumn < 0:
			return "", reference.NoTime(s)
		}
		writeInsert(&b, name, recs)
	}
	b.WriteString("END\n")
	return b.String(), nil
}

// writeInsert writes records as an INSERT, their times in front where they have any.
func writeInsert(b *strings.Builder, stream string, recs []format.Record) {
	timed := recs[0].Time >= 0
	b.WriteString("INSERT INTO " + stream)
	if timed {
		b.WriteString(" (time, value)")
	}
	b.WriteString("\n")
	for _, r := range recs {
		b.WriteString("  ")
		if timed {
			b.WriteString(timeCell(r.Time*row.Millisecond, "") + " | ")
		}
		b.WriteString(cell(string(r.Value)) + "\n")
	}
}

// timesFrom gives records the times in a column, cut to Kafka's milliseconds. A record without a
// time there, such as a bad one, has that of the one before it; the first ones that of the first
// that has one.
func timesFrom(s *plan.Stream, column string, recs []format.Record) error {
	at := slices.IndexFunc(s.Columns, func(c row.Column) bool { return c.Name == column })
	d, err := format.NewDecoder(s, nil)
	if err != nil {
		return err
	}
	var b row.Batch
	for chunk := range slices.Chunk(recs, row.MaxBatch) {
		index, _ := d.Decode(chunk, &b, nil, nil)
		for n, i := range index {
			v := b.Cols[at].Value(n)
			if v.State == row.Valid && v.I < 0 {
				return fmt.Errorf("stream %s: %s is before 1970, which Kafka's time cannot be: %s", s.Name, column, chunk[i].Value)
			}
			if v.State == row.Valid {
				chunk[i].Time = v.I / row.Millisecond
			}
		}
	}
	last := int64(0)
	if first := slices.IndexFunc(recs, func(r format.Record) bool { return r.Time >= 0 }); first >= 0 {
		last = recs[first].Time
	}
	for i := range recs {
		if recs[i].Time < 0 {
			recs[i].Time = last
		}
		last = recs[i].Time
	}
	return nil
}
