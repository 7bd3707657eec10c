package read

import (
	"penstock/query/row"
)

// sink takes a batch of rows. values gives the whole row at a position; faults lists the
// positions at which a value is an error value, which the vectors cannot hold. It returns false
// when it wants no more.
type sink func(b *row.Batch, values func(i int) []row.Value, faults []int32) bool

// filler makes batches of single rows for a sink.
type filler struct {
	used   []bool
	to     sink
	batch  row.Batch
	rows   [][]row.Value
	faults []int32
	over   bool
}

func newFiller(cols []row.Column, used []bool, to sink) *filler {
	f := &filler{used: used, to: to}
	for i, c := range cols {
		var v *row.Vector
		if used[i] {
			v = newVector(c.Type)
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
		if v != nil && setCell(v, f.batch.N, vals[n]) {
			fault = true
		}
	}
	if fault {
		f.faults = append(f.faults, int32(f.batch.N))
	}
	f.rows = append(f.rows, vals)
	if f.batch.N++; f.batch.N == row.MaxBatch {
		f.flush()
	}
	return !f.over
}

func (f *filler) flush() {
	if f.batch.N > 0 && !f.over {
		f.over = !f.to(&f.batch, func(i int) []row.Value { return f.rows[i] }, f.faults)
	}
	f.batch.N, f.rows, f.faults = 0, f.rows[:0], f.faults[:0]
}

func newVector(t row.Type) *row.Vector {
	v := &row.Vector{Type: t, Null: make([]bool, row.MaxBatch)}
	switch t.Physical() {
	case row.F64:
		v.F64 = make([]float64, row.MaxBatch)
	case row.Dec:
		v.Dec = make([]row.Int128, row.MaxBatch)
	case row.Str:
		v.Str = make([]string, row.MaxBatch)
	default:
		v.I64 = make([]int64, row.MaxBatch)
	}
	return v
}

// setCell writes a value into a vector; an error value is NULL there, and reported.
func setCell(v *row.Vector, i int, x row.Value) (fault bool) {
	v.Null[i] = x.State != row.Valid
	if v.Null[i] {
		return x.State == row.Error
	}
	switch v.Type.Physical() {
	case row.F64:
		v.F64[i] = x.F
	case row.Dec:
		v.Dec[i] = x.D
	case row.Str:
		v.Str[i] = x.S
	default:
		v.I64[i] = x.I
	}
	return false
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
