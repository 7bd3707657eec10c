package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Result is one published result of a metric, or a run of equal ones.
type Result struct {
	Metric     string
	Start, End time.Time
	Intervals  int // how many intervals the result stands for, 1 or more
	Part       int // of Parts, when the result was too large for one record; 0 otherwise
	Parts      int
	Columns    []string
	Rows       [][]Cell
}

// Cell is a value as it is shown, and as a number when it is one.
type Cell struct {
	Text     string
	Number   float64
	IsNumber bool
}

// ParseResult reads a result as it is published in the format json.
func ParseResult(data []byte) (Result, error) {
	var raw struct {
		Metric      string
		Start, End  time.Time
		From, To    time.Time
		Intervals   int
		Part, Parts int
		Rows        []json.RawMessage
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return Result{}, fmt.Errorf("no result: %w", err)
	}
	if raw.Metric == "" {
		return Result{}, fmt.Errorf("no result: it names no metric")
	}
	r := Result{
		Metric: raw.Metric, Start: raw.Start, End: raw.End, Intervals: max(raw.Intervals, 1),
		Part: raw.Part, Parts: raw.Parts,
	}
	if !raw.From.IsZero() || !raw.To.IsZero() {
		r.Start, r.End = raw.From, raw.To
	}
	for _, object := range raw.Rows {
		columns, cells, err := parseRow(object)
		if err != nil {
			return Result{}, fmt.Errorf("result of %s: %w", raw.Metric, err)
		}
		r.Columns = columns
		r.Rows = append(r.Rows, cells)
	}
	return r, nil
}

// parseRow reads an object without losing the order of its members, as a map would.
func parseRow(object []byte) (columns []string, cells []Cell, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, fmt.Errorf("a row is no object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		columns = append(columns, fmt.Sprint(name))
		cells = append(cells, cellOf(value))
	}
	return columns, cells, nil
}

func cellOf(value any) Cell {
	switch v := value.(type) {
	case nil:
		return Cell{Text: "-"}
	case json.Number:
		return numberCell(v.String())
	case string:
		return numberCell(v) // exact decimals are published as text
	case map[string]any:
		return Cell{Text: fmt.Sprint(v["error"])}
	default:
		return Cell{Text: fmt.Sprint(v)}
	}
}

func numberCell(text string) Cell {
	n, err := strconv.ParseFloat(text, 64)
	return Cell{Text: text, Number: n, IsNumber: err == nil}
}
