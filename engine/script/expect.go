package script

import (
	"fmt"
	"slices"
	"strings"

	"penstock/engine/core"
	"penstock/query/plan"
	"penstock/query/row"
)

// looked is what an expectation looks at: all columns, and those that are shown where it names none.
type looked struct {
	table   *table
	columns []string
}

var (
	rejectColumns = []string{"stream", "partition", "offset", "kind", "column", "reason", "tables", "key", "value"}
	countColumns  = []string{"stream", "read", "bad", "table", "applied", "filtered", "late", "failed"}
)

// look makes the table that a command looks at.
func (r *run) look(st *state, c *command) (*looked, error) {
	switch c.kind {
	case expectMetric:
		m := metricOf(r.plan, c.name)
		list, err := resultsOf(m, st.results)
		if err != nil {
			return nil, err
		}
		if m.Emit != plan.EmitChanges {
			list = list[min(r.taken[m.Name], len(list)):]
		}
		return &looked{metricTable(m, list, r.test.settings.day, c.wantsWhole(m)), metricDefault(m, list)}, nil
	case expectTable:
		t := tableOf(r.plan, c.name)
		rows, err := st.table(t)
		if err != nil {
			return nil, err
		}
		cells := ranked(&plan.Read{Output: named(t.Columns()), Limit: -1}, rows)
		return rowsTable(t.Columns(), cells, r.test.settings.day), nil
	case expectSelect:
		return r.selected(st, c)
	case expectRejected:
		return r.rejected(st, c), nil
	}
	return r.counts(st, c), nil
}

// wantsWhole tells whether an expectation names columns, and none of the metric's own: then it is
// about results as a whole.
func (c *command) wantsWhole(m *plan.Metric) bool {
	if c.want == nil || len(c.want.header) == 0 {
		return false
	}
	return !slices.ContainsFunc(m.Read.Columns(), func(col row.Column) bool { return slices.Contains(c.want.header, col.Name) })
}

// take notes what an expectation has looked at: the next one of its kind goes on behind.
func (r *run) take(c *command, st *state) {
	switch c.kind {
	case expectMetric:
		m := metricOf(r.plan, c.name)
		if list, err := resultsOf(m, st.results); err == nil {
			r.taken[m.Name] = len(list)
		}
	case expectRejected:
		for _, x := range r.rejectsOf(st, c) {
			r.seen[rejectID(x)] = true
		}
	}
}

// selected answers a query.
func (r *run) selected(st *state, c *command) (*looked, error) {
	q, _ := bindSelect(r.plan, c)
	rows, err := answer(&q.Read, func(read *plan.Read) ([]keyed, error) {
		if read.Table != nil {
			return st.table(read.Table)
		}
		list, err := resultsOf(read.Metric, st.results)
		return latestRows(read.Metric, list), err
	})
	if err != nil {
		return nil, err
	}
	return rowsTable(q.Read.Columns(), rows, r.test.settings.day), nil
}

// named makes columns read themselves.
func named(cols []row.Column) []plan.Named {
	list := make([]plan.Named, len(cols))
	for i, c := range cols {
		list[i] = plan.Named{Name: c.Name, Expr: columnNode(i, c)}
	}
	return list
}

func rowsTable(cols []row.Column, rows [][]row.Value, day string) *looked {
	t := &table{}
	for _, c := range cols {
		t.header = append(t.header, c.Name)
	}
	for _, vals := range rows {
		var cells []string
		for i, v := range vals {
			cells = append(cells, valueCell(v, cols[i].Type, day))
		}
		t.rows = append(t.rows, cells)
	}
	return &looked{t, t.header}
}

func rejectID(x core.Reject) string {
	return fmt.Sprintf("%s/%d/%d", x.Stream, x.Partition, x.Record.Offset)
}

// rejectsOf lists the rejects that no expectation has looked at, in the order of their places.
func (r *run) rejectsOf(st *state, c *command) []core.Reject {
	var list []core.Reject
	for _, x := range st.rejects {
		if !r.seen[rejectID(x)] && (c.name == "" || strings.EqualFold(c.name, x.Stream)) {
			list = append(list, x)
		}
	}
	slices.SortStableFunc(list, func(a, b core.Reject) int {
		if n := strings.Compare(a.Stream, b.Stream); n != 0 {
			return n
		}
		if a.Partition != b.Partition {
			return int(a.Partition - b.Partition)
		}
		return int(a.Record.Offset - b.Record.Offset)
	})
	return list
}

func (r *run) rejected(st *state, c *command) *looked {
	t := &table{header: rejectColumns}
	for _, x := range r.rejectsOf(st, c) {
		key, value := "NULL", "NULL"
		if x.Record.Key != nil {
			key = cell(string(x.Record.Key))
		}
		if x.Record.Value != nil {
			value = cell(string(x.Record.Value))
		}
		column := "NULL"
		if x.Column != "" {
			column = cell(x.Column)
		}
		t.rows = append(t.rows, []string{x.Stream, fmt.Sprint(x.Partition), fmt.Sprint(x.Record.Offset), x.Kind, column,
			cell(x.Reason), cell(shownTables(x.Tables)), key, value})
	}
	names := []string{"offset", "kind", "reason"}
	if len(r.plan.Streams) > 1 && c.name == "" {
		names = append([]string{"stream"}, names...)
	}
	for _, p := range r.log {
		if len(p) > 1 && !slices.Contains(names, "partition") {
			names = slices.Insert(names, slices.Index(names, "offset"), "partition")
		}
	}
	return &looked{t, names}
}

// shownTables lists tables; a hidden one under the name of its metric.
func shownTables(names []string) string {
	var list []string
	for _, n := range names {
		list = append(list, strings.TrimPrefix(n, "$"))
	}
	return strings.Join(list, ", ")
}

func (r *run) counts(st *state, c *command) *looked {
	t := &table{header: countColumns}
	for _, s := range r.plan.Streams {
		if c.name != "" && !strings.EqualFold(c.name, s.Name) {
			continue
		}
		sum := st.tally[s.Name]
		for i, tab := range core.TablesOf(r.plan, s) {
			var n core.TableTally
			if i < len(sum.Tables) {
				n = sum.Tables[i]
			}
			row := []string{s.Name, fmt.Sprint(sum.Read), fmt.Sprint(sum.Bad), shownTables([]string{tab.Name})}
			for _, x := range []int64{n.Applied, n.Filtered, n.Late, n.Failed} {
				row = append(row, fmt.Sprint(x))
			}
			t.rows = append(t.rows, row)
		}
	}
	names := countColumns[1:]
	if len(r.plan.Streams) > 1 && c.name == "" {
		names = countColumns
	}
	return &looked{t, names}
}

// notes tells what a failing expectation does not show: what else was published, and what became
// of the input.
func (r *run) notes(st *state, c *command) []string {
	var notes, parts []string
	for _, m := range r.plan.Metrics {
		list, err := resultsOf(m, st.results)
		if err != nil {
			continue
		}
		own := c.kind == expectMetric && metricOf(r.plan, c.name) == m
		switch {
		case own && r.taken[m.Name] > 0 && m.Emit != plan.EmitChanges:
			notes = append(notes, fmt.Sprintf("%s before that: %d results, expected above", m.Name, r.taken[m.Name]))
		case own:
		case len(list) == 0:
			parts = append(parts, m.Name+" nothing")
		default:
			parts = append(parts, lastResult(m, list, r.test.settings.day))
		}
	}
	if len(parts) > 0 {
		notes = append(notes, "also published: "+strings.Join(parts, "; "))
	}
	for _, s := range r.plan.Streams {
		notes = append(notes, r.inputNote(st, s)...)
	}
	return notes
}

func lastResult(m *plan.Metric, list []published, day string) string {
	last := list[len(list)-1]
	text := fmt.Sprintf("%s %d", m.Name, len(list))
	if len(list) > 1 {
		text += ", the last"
	}
	if last.end != last.start {
		text += " of " + timeCell(last.end, day)
	}
	var rows []string
	for _, l := range metricTable(m, list[len(list)-1:], day, false).columns(metricDefault(m, nil)).rows {
		rows = append(rows, "("+strings.Join(l, ", ")+")")
	}
	return text + " " + clip(strings.Join(rows, " "), 100)
}

// clip shortens a text for a note.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-3]) + "..."
	}
	return s
}

// maxRejectNotes is how many rejects a failing test lists.
const maxRejectNotes = 5

func (r *run) inputNote(st *state, s *plan.Stream) []string {
	sum := st.tally[s.Name]
	head := fmt.Sprintf("input: %s %d read, %d bad", s.Name, sum.Read, sum.Bad)
	if us, some := st.clock(s.Name); some {
		head += ", clock " + timeCell(us, r.test.settings.day)
	}
	notes := []string{head}
	for i, t := range core.TablesOf(r.plan, s) {
		if i < len(sum.Tables) {
			n := sum.Tables[i]
			notes = append(notes, fmt.Sprintf("  %s: %d counted, %d filtered, %d late, %d failed", shownTables([]string{t.Name}), n.Applied, n.Filtered, n.Late, n.Failed))
		}
	}
	shown := 0
	for _, x := range st.rejects {
		if x.Stream != s.Name {
			continue
		}
		if shown++; shown > maxRejectNotes {
			notes = append(notes, "  ... and more: EXPECT REJECTED shows all")
			break
		}
		notes = append(notes, fmt.Sprintf("  %s/%d @ %d %s: %s: %s", s.Name, x.Partition, x.Record.Offset, x.Kind, x.Reason, clip(cell(string(x.Record.Value)), 80)))
	}
	return notes
}
