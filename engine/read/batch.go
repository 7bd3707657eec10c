package read

import (
	"penstock/engine/core"
	"penstock/query/row"
)

// sink takes a batch of rows. It returns false when it wants no more.
type sink func(b *core.RowBatch) bool

// filler makes batches of single rows for a sink.
type filler struct {
	to    sink
	batch core.RowBatch
	rows  [][]row.Value
	over  bool
}

func newFiller(cols []row.Column, used []bool, to sink) *filler {
	f := &filler{to: to}
	f.batch.Values = func(i int) []row.Value { return f.rows[i] }
	for i, c := range cols {
		var v *row.Vector
		if used[i] {
			v = row.NewVector(c.Type, row.MaxBatch)
		}
		f.batch.Cols = append(f.batch.Cols, v)
	}
	return f
}

// add adds a row, which it keeps until the batch is full.
func (f *filler) add(vals []row.Value) bool {
	if f.over {
		return false
	}
	fault := false
	for n, v := range f.batch.Cols {
		if v != nil && v.Set(f.batch.N, vals[n]) {
			fault = true
		}
	}
	if fault {
		f.batch.Faults = append(f.batch.Faults, int32(f.batch.N))
	}
	f.rows = append(f.rows, vals)
	if f.batch.N++; f.batch.N == row.MaxBatch {
		f.flush()
	}
	return !f.over
}

func (f *filler) flush() {
	if f.batch.N > 0 && !f.over {
		f.over = !f.to(&f.batch)
	}
	f.batch.N, f.rows, f.batch.Faults = 0, f.rows[:0], f.batch.Faults[:0]
}

// positions returns 0 to n-1 without the faults, which are in order. dst has room for a batch.
func positions(dst []int32, n int, faults []int32) []int32 {
	dst = dst[:0]
	for i := range int32(n) {
		if len(faults) > 0 && faults[0] == i {
			faults = faults[1:]
			continue
		}
		dst = append(dst, i)
	}
	return dst
}
