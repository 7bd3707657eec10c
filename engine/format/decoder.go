package format

import (
	"fmt"
	"unsafe"

	"penstock/query/plan"
	"penstock/query/row"
)

// Record is a Kafka record as far as decoding goes.
type Record struct {
	Offset int64
	Time   int64 // Kafka's timestamp, milliseconds since the epoch
	Key    []byte
	Value  []byte
}

// BadRow is a record that is no row of its stream.
type BadRow struct {
	Index  int    // in the records given to Decode
	Column string // the column at fault, empty when it is the record as a whole
	Reason string // in words, with the column's name in front when there is one
}

// Decoder reads the records of one stream. It belongs to one goroutine.
type Decoder interface {
	// Decode fills b with the rows of recs, at most row.MaxBatch of them. Good rows stand one behind
	// the other: b.N counts them, and the position in recs of each is appended to index. Bad ones are
	// appended to bad. A record that repeats a csv header is in neither. The vectors are the
	// decoder's and good until the next call; text in them points into recs. The column
	// behind the last, rowtime, is left to the caller.
	Decode(recs []Record, b *row.Batch, index []int32, bad []BadRow) ([]int32, []BadRow)
}

// MaxRecord is the largest value that is decoded; anything beyond is bad.
const MaxRecord = 1 << 20

// NewDecoder returns the decoder of a stream. used tells by column whether to store it; nil stores all.
func NewDecoder(s *plan.Stream, used []bool) (Decoder, error) {
	o := &s.Options
	times, err := row.CompileTimeFormat(o.TimestampFormat, o.Timezone)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", s.Name, err)
	}
	t := &table{cols: make([]column, len(s.Columns))}
	for i, c := range s.Columns {
		t.cols[i] = column{name: c.Name, typ: c.Type, times: times}
		if used == nil || i < len(used) && used[i] {
			t.cols[i].store()
		}
	}
	switch o.Format {
	case "", "csv":
		d, err := newCSV(t, o)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.Name, err)
		}
		return d, nil
	case "json":
		return newJSON(t), nil
	}
	return nil, fmt.Errorf("stream %s: unknown format %q, expected csv or json", s.Name, o.Format)
}

// table is the part of decoding that all formats share: columns, and where the rows go.
type table struct {
	cols  []column
	n     int    // good rows so far
	why   BadRow // set by whoever refuses the record in hand
	arena []byte // room for text that had to be rewritten; never reused, because batches point into it
}

// begin makes b ready for a new run of records.
func (t *table) begin(b *row.Batch) {
	for len(b.Cols) <= len(t.cols) {
		b.Cols = append(b.Cols, nil)
	}
	for i := range t.cols {
		c := &t.cols[i]
		c.begin()
		b.Cols[i] = c.vec
	}
	t.n = 0
}

// refuse notes why the record in hand is bad. The column's name goes in front of the reason.
func (t *table) refuse(column, reason string) bool {
	if column != "" {
		reason = column + ": " + reason
	}
	t.why = BadRow{Column: column, Reason: reason}
	return false
}

func (t *table) refusef(form string, args ...any) bool {
	return t.refuse("", fmt.Sprintf(form, args...))
}

// room returns an empty slice with room for n bytes that stay as long as a batch points to them.
func (t *table) room(n int) []byte {
	if cap(t.arena)-len(t.arena) < n {
		t.arena = make([]byte, 0, max(16<<10, n))
	}
	return t.arena[len(t.arena):len(t.arena)]
}

// keep makes what was written into room's slice a string.
func (t *table) keep(b []byte) string {
	t.arena = t.arena[:len(t.arena)+len(b)]
	return asString(b)
}

// asString looks at bytes that nobody changes any more as a string.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
