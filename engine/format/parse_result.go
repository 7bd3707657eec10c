package format

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"

	"penstock/query/row"
)

// ParseResult reads what AppendJSON wrote, for those who follow a metrics topic without its query
// file. Types are what JSON tells: a column of whole numbers is BIGINT, one of other numbers DOUBLE
// PRECISION, of strings VARCHAR, of true and false BOOLEAN. Appending the result as JSON again gives
// the same bytes. It is not for a hot path.
func ParseResult(data []byte) (*Result, error) {
	p := &resultParser{dec: stdjson.NewDecoder(bytes.NewReader(data))}
	p.dec.UseNumber()
	r := &Result{Intervals: 1}
	err := p.object(func(field string) error { return p.resultField(r, field) })
	if err == nil {
		if _, end := p.dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("text behind the object")
		}
	}
	if err == nil && r.Metric == "" {
		err = errors.New("no field metric")
	}
	if err != nil {
		return nil, fmt.Errorf("not a result: %w", err)
	}
	return r, p.typed(r)
}

// resultParser reads tokens, because the order of columns is in the text and in no map.
type resultParser struct {
	dec   *stdjson.Decoder
	cells [][]any
}

// object calls field for each field of an object, which reads its value.
func (p *resultParser) object(field func(name string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	for p.dec.More() {
		name, err := p.dec.Token()
		if err != nil {
			return err
		}
		if err := field(name.(string)); err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p *resultParser) delim(want stdjson.Delim) error {
	t, err := p.dec.Token()
	if err == nil && t != want {
		err = fmt.Errorf("found %v, expected %v", t, want)
	}
	return err
}

func (p *resultParser) resultField(r *Result, field string) (err error) {
	var n int64
	switch field {
	case "metric":
		return p.dec.Decode(&r.Metric)
	case "start", "from":
		r.Start, err = p.time()
	case "end", "to":
		r.End, err = p.time()
	case "intervals":
		return p.dec.Decode(&r.Intervals)
	case "part":
		err = p.dec.Decode(&n)
		r.Part = int(n)
	case "parts":
		err = p.dec.Decode(&n)
		r.Parts = int(n)
	case "rows":
		return p.rows(r)
	case "offsets":
		return p.offsets(r)
	default:
		var ignored any
		return p.dec.Decode(&ignored)
	}
	return err
}

func (p *resultParser) time() (int64, error) {
	var s string
	if err := p.dec.Decode(&s); err != nil {
		return 0, err
	}
	return row.ParseTimestamp(s)
}

func (p *resultParser) rows(r *Result) error {
	if err := p.delim('['); err != nil {
		return err
	}
	for p.dec.More() {
		var cells []any
		err := p.object(func(name string) error {
			if n := len(cells); len(p.cells) == 0 {
				r.Columns = append(r.Columns, row.Column{Name: name})
			} else if n >= len(r.Columns) || r.Columns[n].Name != name {
				return fmt.Errorf("row %d has field %q out of place", len(p.cells), name)
			}
			var v any
			err := p.dec.Decode(&v)
			cells = append(cells, v)
			return err
		})
		if err != nil {
			return err
		}
		if len(cells) != len(r.Columns) {
			return fmt.Errorf("row %d has %s, expected %d", len(p.cells), fieldCount(len(cells)), len(r.Columns))
		}
		p.cells = append(p.cells, cells)
	}
	return p.delim(']')
}

func (p *resultParser) offsets(r *Result) error {
	var all map[string]map[string]int64
	if err := p.dec.Decode(&all); err != nil {
		return err
	}
	r.Offsets = make(map[string][]PartitionOffset, len(all))
	for stream, parts := range all {
		list := make([]PartitionOffset, 0, len(parts))
		for name, offset := range parts {
			n, err := strconv.ParseInt(name, 10, 32)
			if err != nil {
				return fmt.Errorf("partition %q of %s", name, stream)
			}
			list = append(list, PartitionOffset{Partition: int32(n), Offset: offset})
		}
		sort.Slice(list, func(i, j int) bool { return list[i].Partition < list[j].Partition })
		r.Offsets[stream] = list
	}
	return nil
}

// typed gives the columns their types and turns the cells into values.
func (p *resultParser) typed(r *Result) error {
	for i := range r.Columns {
		for _, cells := range p.cells {
			r.Columns[i].Type = widen(r.Columns[i].Type, cells[i])
		}
	}
	for _, cells := range p.cells {
		values := make([]row.Value, len(cells))
		for i, cell := range cells {
			v, err := cellValue(cell, r.Columns[i].Type)
			if err != nil {
				return fmt.Errorf("not a result: field %q: %w", r.Columns[i].Name, err)
			}
			values[i] = v
		}
		r.Rows = append(r.Rows, values)
	}
	return nil
}

// widen returns the type that holds what t holds and cell. A string among numbers is a DOUBLE that
// JSON has no number for.
func widen(t row.Type, cell any) row.Type {
	kind := row.Unknown
	switch v := cell.(type) {
	case bool:
		kind = row.Boolean
	case string:
		kind = row.Varchar
	case stdjson.Number:
		kind = row.Double
		if _, err := row.ParseInt(v.String(), row.Of(row.Bigint)); err == nil && v != "-0" {
			kind = row.Bigint
		}
	}
	switch {
	case kind == row.Unknown || kind == t.Kind:
		return t
	case t.Kind == row.Unknown:
		return row.Of(kind)
	}
	return row.Of(row.Double)
}

func cellValue(cell any, t row.Type) (row.Value, error) {
	switch v := cell.(type) {
	case nil:
		return row.NullValue, nil
	case bool:
		if t.Kind == row.Boolean {
			return row.Bool(v), nil
		}
	case string:
		if t.Kind == row.Varchar {
			return row.Text(v), nil
		}
		if f, err := row.ParseDouble(v); err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) && t.Kind == row.Double {
			return row.Float(f), nil
		}
	case stdjson.Number:
		if t.Kind == row.Bigint || t.Kind == row.Double {
			return row.ParseValue(v.String(), t)
		}
	case map[string]any:
		if reason, ok := v["error"].(string); ok && len(v) == 1 {
			return row.Value{State: row.Error, S: reason}, nil
		}
	}
	return row.Value{}, fmt.Errorf("%v among values of type %s", cell, t)
}
