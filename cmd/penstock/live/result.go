package live

import (
	"strconv"
	"time"

	"penstock/engine/format"
	"penstock/query/row"
)

// Result is one published result of a metric, or a run of equal ones, as text to show.
type Result struct {
	Metric    string
	End       time.Time
	Intervals int // how many intervals the result stands for, 1 or more
	Part      int // which part of a result that was too large for one record; 0 or 1: the first
	Columns   []string
	Rows      [][]Cell
}

// Cell is a value as it is shown, and as a number when it is one.
type Cell struct {
	Text     string
	Number   float64
	IsNumber bool
}

// ParseResult reads a result as it is published in the format json.
func ParseResult(data []byte) (Result, error) {
	f, err := format.ParseResult(data)
	if err != nil {
		return Result{}, err
	}
	r := Result{
		Metric:    f.Metric,
		End:       time.UnixMicro(f.End),
		Intervals: int(max(f.Intervals, 1)),
		Part:      f.Part,
	}
	for _, c := range f.Columns {
		r.Columns = append(r.Columns, c.Name)
	}
	for _, values := range f.Rows {
		cells := make([]Cell, len(values))
		for i, v := range values {
			cells[i] = cellOf(v, f.Columns[i].Type)
		}
		r.Rows = append(r.Rows, cells)
	}
	return r, nil
}

func cellOf(v row.Value, t row.Type) Cell {
	switch v.State {
	case row.Null:
		return Cell{Text: "-"}
	case row.Error:
		return Cell{Text: v.S}
	}
	return textCell(string(row.FormatValue(nil, v, t)))
}

// textCell takes text that reads as a number for one: exact decimals are published as text.
func textCell(text string) Cell {
	n, err := strconv.ParseFloat(text, 64)
	return Cell{Text: text, Number: n, IsNumber: err == nil}
}
