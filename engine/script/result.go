package script

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

// published is what a metric published for one interval or one run of them; for EMIT CHANGES, the
// last record of one key.
type published struct {
	key        string
	text       string // the record's value; of several parts the first's
	start, end int64
	intervals  int64
	offsets    map[string][]format.PartitionOffset
	rows       [][]row.Value // of the types of the metric's columns; none in the list form
}

// resultsOf reads the records of one metric, in the order in which they were published.
func resultsOf(m *plan.Metric, records []core.Output) ([]published, error) {
	var list []published
	last := map[string]int{} // EMIT CHANGES: place in list by key
	for _, r := range records {
		key := string(r.Key)
		if key != m.Name && !(m.Emit == plan.EmitChanges && strings.HasPrefix(key, m.Name+"/")) || r.Topic != m.Topic {
			continue
		}
		if m.Emit == plan.EmitChanges {
			if at, known := last[key]; known {
				list[at].text = ""
				delete(last, key)
			}
			if r.Value == nil {
				continue
			}
		}
		p, part, err := parsePublished(m, key, r.Value)
		if err != nil {
			return nil, fmt.Errorf("record of metric %s: %w: %s", m.Name, err, r.Value)
		}
		if part > 1 && len(list) > 0 {
			list[len(list)-1].rows = append(list[len(list)-1].rows, p.rows...)
			continue
		}
		last[key] = len(list)
		list = append(list, p)
	}
	if m.Emit == plan.EmitChanges {
		list = compacted(list)
	}
	return list, nil
}

// compacted drops what a later record of the key replaced, and orders the rest by key.
func compacted(list []published) []published {
	var kept []published
	for _, p := range list {
		if p.text != "" {
			kept = append(kept, p)
		}
	}
	sort.SliceStable(kept, func(i, j int) bool { return kept[i].key < kept[j].key })
	return kept
}

func parsePublished(m *plan.Metric, key string, value []byte) (p published, part int, err error) {
	p = published{key: key, text: string(value), intervals: 1}
	if m.Format == "list" {
		return p, 1, nil
	}
	r, err := format.ParseResult(value)
	if err != nil {
		return p, 0, err
	}
	p.start, p.end, p.offsets = r.Start, r.End, r.Offsets
	if r.Intervals > 1 {
		p.intervals = r.Intervals
	}
	var raw struct {
		Rows []json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(value, &raw); err != nil {
		return p, 0, err
	}
	cols := m.Read.Columns()
	for _, line := range raw.Rows {
		vals, err := parseRow(cols, line)
		if err != nil {
			return p, 0, err
		}
		p.rows = append(p.rows, vals)
	}
	return p, r.Part, nil
}

// parseRow reads a row of a result with the types of the metric's columns.
func parseRow(cols []row.Column, line json.RawMessage) ([]row.Value, error) {
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var vals []row.Value
	for _, c := range cols {
		name, err := dec.Token()
		if err != nil || name != c.Name {
			return nil, fmt.Errorf("field %v where %s belongs: %w", name, c.Name, err)
		}
		var cell any
		if err := dec.Decode(&cell); err != nil {
			return nil, err
		}
		v, err := cellValue(cell, c.Type)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", c.Name, err)
		}
		vals = append(vals, v)
	}
	return vals, nil
}

func cellValue(cell any, t row.Type) (row.Value, error) {
	switch v := cell.(type) {
	case nil:
		return row.NullValue, nil
	case bool:
		return row.Bool(v), nil
	case json.Number:
		return row.ParseValue(v.String(), t)
	case map[string]any:
		return row.Value{State: row.Error, S: fmt.Sprint(v["error"])}, nil
	case string:
		if t.Kind == row.Varchar {
			return row.Text(v), nil
		}
		return row.ParseValue(v, t)
	}
	return row.Value{}, fmt.Errorf("unexpected %v", cell)
}

// The columns of results beside the metric's own.
const (
	startColumn     = "start"
	endColumn       = "end"
	intervalsColumn = "intervals"
	offsetsColumn   = "offsets"
	keyColumn       = "key"
	valueColumn     = "value"
)

// metricColumns lists the columns that an expectation of a metric may name.
func metricColumns(m *plan.Metric) []string {
	list := []string{startColumn, endColumn, intervalsColumn, offsetsColumn, keyColumn, valueColumn}
	if m.Format == "list" {
		return []string{keyColumn, valueColumn}
	}
	for _, c := range m.Read.Columns() {
		list = append(list, c.Name)
	}
	return list
}

// metricDefault lists the columns that are shown where an expectation names none.
func metricDefault(m *plan.Metric, list []published) []string {
	if m.Format == "list" {
		return []string{valueColumn}
	}
	var names []string
	for _, p := range list {
		if p.intervals > 1 {
			names = []string{startColumn, endColumn, intervalsColumn}
			break
		}
		if p.end != p.start {
			names = []string{endColumn}
		}
	}
	for _, c := range m.Read.Columns() {
		names = append(names, c.Name)
	}
	return names
}

// metricTable is results as a table with all columns. A column of the metric hides one of ours of
// the same name. With whole set there is one row for each result, without the metric's columns.
func metricTable(m *plan.Metric, list []published, day string, whole bool) *table {
	t := &table{header: metricColumns(m)}
	cols := m.Read.Columns()
	for _, p := range list {
		if m.Format == "list" {
			t.rows = append(t.rows, []string{cell(p.key), cell(p.text)})
			continue
		}
		head := []string{"", "", fmt.Sprint(p.intervals), cell(offsetText(p.offsets)), cell(p.key), cell(p.text)}
		if p.start != p.end {
			head[0], head[1] = timeCell(p.start, day), timeCell(p.end, day)
		}
		if whole {
			t.rows = append(t.rows, head)
			continue
		}
		for _, vals := range p.rows {
			r := append([]string(nil), head...)
			for i, v := range vals {
				r = append(r, valueCell(v, cols[i].Type, day))
			}
			t.rows = append(t.rows, r)
		}
		if len(p.rows) == 0 {
			t.rows = append(t.rows, append(head, noRows))
		}
	}
	return t.unhidden(len(cols))
}

// unhidden renames our columns where one of the last n has the same name.
func (t *table) unhidden(n int) *table {
	own := t.header[len(t.header)-min(n, len(t.header)):]
	head := t.header[:len(t.header)-len(own)]
	for i, h := range head {
		for _, o := range own {
			if h == o {
				head[i] = "the interval's " + h
			}
		}
	}
	return t
}

// offsetText shows offsets: orders 0:690 1:12.
func offsetText(offsets map[string][]format.PartitionOffset) string {
	var streams []string
	for s := range offsets {
		streams = append(streams, s)
	}
	sort.Strings(streams)
	var parts []string
	for _, s := range streams {
		text := s
		for _, o := range offsets[s] {
			text += fmt.Sprintf(" %d:%d", o.Partition, o.Offset)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// valueCell is a value as it stands in a table.
func valueCell(v row.Value, t row.Type, day string) string {
	switch v.State {
	case row.Null:
		return "NULL"
	case row.Error:
		return "ERROR: " + v.S
	}
	if t.Kind == row.Timestamp {
		return timeCell(v.I, day)
	}
	text := string(row.FormatValue(nil, v, t))
	if t.Kind == row.Boolean {
		text = map[string]string{"t": "true", "f": "false"}[text]
	}
	return cell(text)
}

// timeCell is a time; without its date where that is the day of the test.
func timeCell(us int64, day string) string {
	text := string(row.FormatTimestamp(nil, us))
	if day != "" {
		if clock, ok := strings.CutPrefix(text, day+" "); ok {
			return clock
		}
	}
	return text
}
