package read

import (
	"fmt"

	"penstock/query/row"
)

// Rows are rows, each encoded; what a query answers and what a sub-query hands on. Goroutines may
// share them once they are complete.
type Rows struct {
	Columns []row.Column
	list    [][]byte
	arena   arena
}

// NewRows returns an empty list.
func NewRows(cols []row.Column) *Rows { return &Rows{Columns: cols} }

// Add appends a row.
func (r *Rows) Add(vals []row.Value) {
	r.list = append(r.list, r.arena.keep(appendRow(nil, r.Columns, vals)))
}

// Len returns how many there are.
func (r *Rows) Len() int { return len(r.list) }

// Row decodes row i into vals, which may be nil and is returned.
func (r *Rows) Row(i int, vals []row.Value) ([]row.Value, error) {
	return decodeRow(vals[:0], r.Columns, r.list[i])
}

// All decodes every row.
func (r *Rows) All() ([][]row.Value, error) {
	all := make([][]row.Value, len(r.list))
	for i := range r.list {
		vals, err := r.Row(i, nil)
		if err != nil {
			return nil, err
		}
		all[i] = vals
	}
	return all, nil
}

func appendRow(dst []byte, cols []row.Column, vals []row.Value) []byte {
	for i, c := range cols {
		dst = row.AppendValue(dst, vals[i], c.Type)
	}
	return dst
}

func decodeRow(vals []row.Value, cols []row.Column, b []byte) ([]row.Value, error) {
	for _, c := range cols {
		v, rest, err := row.DecodeValue(b, c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s of a row: %w", c.Name, err)
		}
		vals, b = append(vals, v), rest
	}
	return vals, nil
}

// arena keeps small byte slices in few large ones. The zero value is ready.
type arena struct {
	chunk []byte
	taken int
}

const arenaChunk = 64 << 10

// keep returns a copy of b.
func (a *arena) keep(b []byte) []byte {
	if cap(a.chunk)-len(a.chunk) < len(b) {
		size := max(min(arenaChunk, 2*cap(a.chunk)+512), len(b))
		a.chunk = make([]byte, 0, size)
		a.taken += size
	}
	from := len(a.chunk)
	a.chunk = append(a.chunk, b...)
	return a.chunk[from:len(a.chunk):len(a.chunk)]
}
