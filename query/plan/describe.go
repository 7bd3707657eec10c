package plan

import (
	"strconv"
	"strings"

	"penstock/query/expr"
	"penstock/query/row"
)

// Listing is what SHOW and DESCRIBE answer: rows as any SELECT gives, with lines of text around
// them for people.
type Listing struct {
	Title   string
	Columns []row.Column
	Rows    [][]row.Value
	Notes   []string
}

func listing(title string, columns ...string) *Listing {
	l := &Listing{Title: title}
	for _, c := range columns {
		l.Columns = append(l.Columns, row.Column{Name: c, Type: row.Of(row.Varchar)})
	}
	return l
}

func (l *Listing) add(cells ...string) {
	values := make([]row.Value, len(cells))
	for i, c := range cells {
		values[i] = row.Text(c)
	}
	l.Rows = append(l.Rows, values)
}

// Show answers SHOW STREAMS, TABLES, METRICS or FUNCTIONS; nil for anything else.
func (p *Plan) Show(what string) *Listing {
	switch strings.ToUpper(what) {
	case "STREAMS":
		l := listing("streams", "name", "topic", "format", "time", "columns")
		for _, s := range p.Streams {
			l.add(s.Name, s.Options.Topic, s.Options.Format, timeName(s), columnNames(s.Columns))
		}
		return l
	case "TABLES":
		l := listing("tables", "name", "stream", "key", "window", "columns")
		for _, t := range p.Tables {
			if !t.Hidden {
				l.add(t.Name, t.Stream.Name, keyNames(t), windowText(t.Window), columnNames(t.Columns()))
			}
		}
		return l
	case "METRICS":
		l := listing("metrics", "name", "reads", "emits", "topic", "format", "columns")
		for _, m := range p.Metrics {
			l.add(m.Name, sourceName(m), emitText(m), m.Topic, m.Format, columnNames(m.Read.Columns()))
		}
		return l
	case "FUNCTIONS":
		l := listing("functions", "name", "signature", "kind", "help")
		for _, f := range expr.Aggregates() {
			l.add(f.Name, f.Signature, "aggregate", f.Help)
		}
		for _, f := range expr.Functions() {
			l.add(f.Name, f.Signature, "function", f.Help)
		}
		return l
	}
	return nil
}

func timeName(s *Stream) string {
	if s.TimeColumn < 0 {
		return rowTimeName
	}
	return s.Columns[s.TimeColumn].Name
}

func columnNames(cols []row.Column) string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

func keyNames(t *Table) string {
	names := make([]string, len(t.Keys))
	for i, k := range t.Keys {
		names[i] = k.Name
	}
	return strings.Join(names, ", ")
}

// Describe answers DESCRIBE: the columns of a stream, table or metric and what is to be known
// about each; nil for an unknown name.
func (p *Plan) Describe(name string) *Listing {
	if s := p.Stream(name); s != nil {
		return p.describeStream(s)
	}
	if m := p.Metric(name); m != nil {
		return describeMetric(m)
	}
	if t := p.Table(name); t != nil {
		return p.describeTable(t)
	}
	return nil
}

func (p *Plan) describeStream(s *Stream) *Listing {
	l := listing("stream "+s.Name, "column", "type", "notes")
	for i, c := range s.Columns {
		var notes []string
		if i == s.TimeColumn {
			notes = append(notes, "the row's time")
		}
		for _, check := range s.Checks {
			switch {
			case check.Column == c.Name && check.NotNull:
				notes = append(notes, "NOT NULL")
			case check.Column == c.Name:
				notes = append(notes, "CHECK ("+check.Text+")")
			}
		}
		l.add(c.Name, c.Type.String(), strings.Join(notes, ", "))
	}
	l.add(rowTimeName, row.Of(row.Timestamp).String(), rowTimeNote(s))
	l.Notes = append(l.Notes, "topic "+s.Options.Topic+", "+s.Options.Format)
	for _, check := range s.Checks {
		if check.Column == "" {
			l.Notes = append(l.Notes, "CHECK ("+check.Text+")")
		}
	}
	for _, t := range p.TablesOf(s) {
		l.Notes = append(l.Notes, "read by "+strings.TrimPrefix(t.Name, hiddenPrefix))
	}
	return l
}

func rowTimeNote(s *Stream) string {
	if s.TimeColumn >= 0 {
		return "made from " + s.Columns[s.TimeColumn].Name
	}
	return "the Kafka timestamp"
}

func (p *Plan) describeTable(t *Table) *Listing {
	l := listing("table "+t.Name, "column", "type", "notes")
	for _, out := range t.Output {
		note := ""
		if i, ok := expr.AsColumn(out.Expr); ok && i < len(t.Keys) {
			note = "key"
		} else if out.Expr.String() != out.Name {
			note = out.Expr.String()
		}
		l.add(out.Name, out.Expr.Type().String(), note)
	}
	l.Notes = append(l.Notes, "stream "+t.Stream.Name, "window "+windowText(t.Window))
	for _, m := range p.MetricsOf(t) {
		l.Notes = append(l.Notes, "read by metric "+m.Name+", "+emitText(m))
	}
	return l
}

func describeMetric(m *Metric) *Listing {
	l := listing("metric "+m.Name, "column", "type")
	for _, c := range m.Read.Columns() {
		l.add(c.Name, c.Type.String())
	}
	l.Notes = append(l.Notes, "reads "+sourceName(m), "emits "+emitText(m), "to topic "+m.Topic+" as "+m.Format)
	if m.Read.Limit >= 0 {
		l.Notes = append(l.Notes, "at most "+strconv.Itoa(m.Read.Limit)+" rows")
	}
	return l
}
