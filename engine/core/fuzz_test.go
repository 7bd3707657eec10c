package core

import (
	"bytes"
	"math"
	"testing"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
	"penstock/query/syntax"
)

// What the core reads back of its own: frames, shares, state, positions. All of it comes from Kafka
// or from a disk, so damage is possible and has to be an error, not a panic, nor memory without end.

const fuzzFile = `
CREATE STREAM s (t TIMESTAMP, k BIGINT, v DECIMAL(12,2), f DOUBLE PRECISION) WITH (topic = 's', timestamp = 't', delay = '2 seconds');
CREATE TABLE totals AS SELECT k, SUM(v) AS total, COUNT(DISTINCT f) AS fs FROM s GROUP BY k;
CREATE METRIC TOPK AS SELECT k, total FROM totals ORDER BY total DESC LIMIT 3 EMIT EVERY 5 SECONDS;
CREATE METRIC TUMBLE AS SELECT k, COUNT(*), AVG(v), window_start FROM s WINDOW TUMBLING (SIZE 5 SECONDS) GROUP BY k EMIT FINAL;
CREATE METRIC SLIDE AS SELECT MIN(v), MAX(f), SUM(f), COUNT(DISTINCT k) FROM s WINDOW SLIDING (SIZE 20 SECONDS) EMIT EVERY 5 SECONDS;
CREATE METRIC AGAIN AS SELECT fs, COUNT(*) AS n FROM totals GROUP BY fs EMIT EVERY 10 SECONDS;`

func fuzzPlan(t testing.TB) *plan.Plan {
	t.Helper()
	p, diags := plan.Bind("fuzz.sql", fuzzFile)
	for _, d := range diags {
		if d.Severity == syntax.Error {
			t.Fatal(syntax.Render("fuzz.sql", fuzzFile, diags))
		}
	}
	return p
}

// memory is a store for the few rows of a fuzz run.
type memory map[string][]byte

func (m memory) Get(key []byte) ([]byte, error) { return bytes.Clone(m[string(key)]), nil }

func (m memory) Scan(lower, upper []byte, fn func(k, v []byte) bool) error {
	for k, v := range m {
		if k >= string(lower) && (upper == nil || k < string(upper)) && !fn([]byte(k), v) {
			break
		}
	}
	return nil
}

func (m memory) apply(writes []Write) {
	for _, w := range writes {
		switch {
		case w.To != nil:
			for k := range m {
				if k >= string(w.Key) && k < string(w.To) {
					delete(m, k)
				}
			}
		case w.Value == nil:
			delete(m, string(w.Key))
		default:
			m[string(w.Key)] = w.Value
		}
	}
}

// recorded is what a short run makes: frames for two fold partitions, and the flushes of the
// first, which has its shares of the second.
func recorded(t testing.TB) (frames [][]byte, loop [][]byte, flushes []*FoldFlush) {
	t.Helper()
	p := fuzzPlan(t)
	r := NewRouter(p, p.Streams[0], 2, 1)
	part, err := r.Assign(0, Start(0))
	if err != nil {
		t.Fatal(err)
	}
	var folds [2]*Fold
	for n := range folds {
		if folds[n], err = NewFold(p, int32(n), 2, memory{}); err != nil {
			t.Fatal(err)
		}
	}
	offset := int64(0)
	for _, lines := range [][]string{
		{"2016-01-01 00:00:01,1,2.50,0.5", "2016-01-01 00:00:03,2,-1,NaN", "x"},
		{"2016-01-01 00:00:11,1,3,1e300", "2016-01-01 00:00:04,3,,"},
		{"2016-01-01 00:00:41,4,12345678.90,-0.25", "2016-01-01 00:03:00,2,1,1"},
	} {
		var recs []format.Record
		for _, l := range lines {
			recs = append(recs, format.Record{Offset: offset, Time: -1, Value: []byte(l)})
			offset++
		}
		if err := part.Rows(recs, 0); err != nil {
			t.Fatal(err)
		}
		for _, m := range r.Take().Frames {
			if m.Partition == 0 {
				frames = append(frames, m.Value)
			}
			if err := folds[m.Partition].Frame(m.Value); err != nil {
				t.Fatal(err)
			}
		}
		for n, f := range folds {
			out, err := f.Take()
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				flushes = append(flushes, out)
			}
			for _, m := range out.Loop {
				if m.Partition == 0 {
					loop = append(loop, m.Value)
				}
			}
			if err := f.Committed(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return frames, loop, flushes
}

// FuzzFrame reads a frame to its end, and what was read is written as it was.
func FuzzFrame(f *testing.F) {
	frames, _, _ := recorded(f)
	for _, b := range frames {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := reader{b: b}
		stream, partitions, err := r.frameHeader()
		if err != nil {
			return
		}
		w := frameWriter{stream: stream, partitions: partitions, limit: math.MaxInt}
		w.begin()
		for r.bool() {
			w.beginTable(string(r.bytes()))
			for range r.entryCount() {
				pair, key, partials := r.entry()
				if r.err != nil {
					return
				}
				w.entry(pair, key, partials)
			}
			w.endTable()
		}
		var advances []advance
		for range r.count() {
			a := r.advance()
			if r.err != nil {
				return
			}
			advances = append(advances, a)
		}
		if r.err != nil {
			return
		}
		w.cutFrame(advances)
		again := reader{b: w.done[0]}
		if _, _, err := again.frameHeader(); err != nil {
			t.Fatalf("written again: %v", err)
		}
		second := frameWriter{stream: stream, partitions: partitions, limit: math.MaxInt}
		second.begin()
		for again.bool() {
			second.beginTable(string(again.bytes()))
			for range again.entryCount() {
				pair, key, partials := again.entry()
				second.entry(pair, key, partials)
			}
			second.endTable()
		}
		var back []advance
		for range again.count() {
			back = append(back, again.advance())
		}
		second.cutFrame(back)
		if again.err != nil || !bytes.Equal(second.done[0], w.done[0]) {
			t.Fatalf("read %x, written %x: %v", w.done[0], second.done[0], again.err)
		}
	})
}

// FuzzFold gives a fold partition a damaged frame after a good one.
func FuzzFold(f *testing.F) {
	frames, _, _ := recorded(f)
	for _, b := range frames {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fold, err := NewFold(fuzzPlan(t), 0, 2, memory{})
		if err != nil {
			t.Fatal(err)
		}
		if err := fold.Frame(frames[0]); err != nil {
			t.Fatal(err)
		}
		if fold.Frame(b) == nil {
			_, _ = fold.Take()
		}
	})
}

// FuzzLoop gives a fold partition a damaged record of shares.
func FuzzLoop(f *testing.F) {
	frames, loop, _ := recorded(f)
	for _, b := range loop {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fold, err := NewFold(fuzzPlan(t), 0, 2, memory{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range frames {
			if err := fold.Frame(b); err != nil {
				t.Fatal(err)
			}
		}
		if fold.Loop(b) == nil {
			_, _ = fold.Take()
		}
	})
}

// FuzzState loads a state of which one record is damaged.
func FuzzState(f *testing.F) {
	_, _, flushes := recorded(f)
	whole := memory{}
	for _, x := range flushes {
		whole.apply(x.Writes)
		for _, w := range x.Writes {
			if w.Value != nil {
				f.Add(w.Key, w.Value)
			}
		}
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 {
			return
		}
		store := memory{}
		for k, v := range whole {
			store[k] = v
		}
		store[string(key)] = value
		p := fuzzPlan(t)
		if fold, err := NewFold(p, 0, 2, store); err == nil {
			_, _ = fold.Take()
		}
		r, err := NewReader(p, 0, 2, store)
		if err != nil {
			return
		}
		for _, tb := range p.Tables {
			_ = r.Rows(tb, Scan{}, nothing)
		}
	})
}

// FuzzPosition reads the metadata of a committed offset; what can be read is written as it was.
func FuzzPosition(f *testing.F) {
	start := Start(5)
	f.Add(int64(5), start.Metadata())
	full := Position{Offset: 7, Clock: -3, Started: true, LastEnd: 10, Ended: true,
		Tally: Tally{Read: 3, Decoded: 2, Bad: 1, Tables: []TableTally{{1, 1, 0, 0}, {0, 0, 1, 1}}}}
	f.Add(int64(7), full.Metadata())
	f.Fuzz(func(t *testing.T, offset int64, metadata string) {
		p, err := ParsePosition(offset, metadata)
		if err != nil {
			return
		}
		m := p.Metadata()
		q, err := ParsePosition(offset, m)
		if err != nil || q.Metadata() != m {
			t.Fatalf("%q is read as %q: %v", metadata, m, err)
		}
		if len(m) > 4096 {
			t.Fatalf("%d bytes", len(m))
		}
	})
}

func nothing(*row.Batch, func(int) []row.Value, []int32) bool { return true }
