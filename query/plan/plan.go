package plan

import (
	"time"

	"penstock/query/expr"
	"penstock/query/row"
)

// Plan is a bound query file: what to run. It is immutable once Bind has returned it, and the
// same text always gives the same Plan.
type Plan struct {
	File    string // the name Bind was given, for people
	Streams []*Stream
	Tables  []*Table // with the hidden ones that the planner made for metrics on streams
	Metrics []*Metric
	Queries []*Query // SELECT statements of the file, in order
}

// Stream is a topic with columns.
type Stream struct {
	Name    string
	Text    string       // the statement, in canonical form
	Columns []row.Column // in the order of the declaration; rowtime is not among them
	Checks  []Check      // CHECK constraints and NOT NULL; a row for which one is false is bad
	Options Options
	// TimeColumn is the index of the column that holds the row's time, -1 for the Kafka timestamp.
	// It is a TIMESTAMP; numbers in the records become one by timestamp_format = 'epoch_ms'.
	TimeColumn int
}

// RowTime is the index of rowtime in the stream's batches: the column behind the last.
func (s *Stream) RowTime() int { return len(s.Columns) }

// Check is a condition that every row of a stream has to satisfy (or leave NULL).
type Check struct {
	Column  string // the column it stands at, empty for a table constraint
	Text    string // as written, for the reason of a bad row
	Cond    expr.Node
	NotNull bool // made from NOT NULL: NULL is bad too
}

// Options are the WITH options of a stream.
type Options struct {
	Topic           string
	Format          string        // csv (default) or json
	Delimiter       rune          // csv: ',' by default
	Header          bool          // csv: records that repeat the column names are no rows
	Null            string        // csv: an unquoted field with this text is NULL; default the empty field
	TimestampFormat string        // how text becomes TIMESTAMP; empty: ISO 8601 and 'yyyy-MM-dd HH:mm:ss[.SSS]'
	Timezone        string        // zone of timestamps that name none; default UTC
	Delay           time.Duration // how far out of order rows may be
	IdleSlack       time.Duration
	MaxAhead        time.Duration // default 1 h
	MaxDrift        time.Duration // how far a source partition may run ahead of the slowest; default 10 min or 20 panes
	Start           string        // earliest (default) or latest
	Partitions      int           // 0: as the topic has; otherwise used when the engine makes the topic
	BadData         string        // reject (default), drop, fail
	LateData        string        // reject (default), drop, fail
}

// WindowKind is how a table cuts time.
type WindowKind uint8

// Without a window a table holds everything since the beginning.
const (
	NoWindow WindowKind = iota
	Tumbling
	Hopping
	Sliding
)

// Window of a table. Tumbling has Advance == Size; Sliding has Advance 0 (it is read as of each emission).
type Window struct {
	Kind    WindowKind
	Size    time.Duration
	Advance time.Duration
}

// Table is state: rows by key, folded from a stream.
//
// Its group values are a row of the schema Group(): the key columns, then one column per
// aggregate, then window_start and window_end (TIMESTAMP, NULL without a window). Having and
// Output are expressions over that row.
type Table struct {
	Name   string // hidden: the metric's name with a leading "$"
	Text   string // the statement, in canonical form; hidden: that of the metric
	Hidden bool
	Stream *Stream
	Where  expr.Node // over the stream's batch; nil: all rows
	Keys   []Named   // GROUP BY; none: one row that is always there
	Aggs   []*expr.Aggregate
	Window Window
	Having expr.Node // nil: all
	Output []Named
	// Pane is the greatest common divisor of window size, advance and the EMIT intervals of the
	// metrics on the table, or a divisor of it, small enough that one open pane stays small.
	Pane time.Duration

	fingerprint string // empty until the plan is finished
}

// Group returns the schema that Having and Output are bound to.
func (t *Table) Group() []row.Column {
	cols := make([]row.Column, 0, len(t.Keys)+len(t.Aggs)+2)
	for _, k := range t.Keys {
		cols = append(cols, row.Column{Name: k.Name, Type: k.Expr.Type()})
	}
	for _, a := range t.Aggs {
		cols = append(cols, row.Column{Name: a.String(), Type: a.Type})
	}
	ts := row.Of(row.Timestamp)
	return append(cols, row.Column{Name: "window_start", Type: ts}, row.Column{Name: "window_end", Type: ts})
}

// Columns returns the schema of the table's rows as a reader sees them: that of Output.
func (t *Table) Columns() []row.Column { return namedColumns(t.Output) }

// Inline replaces the table's columns in an expression by what they are made of. nil stays nil.
func (t *Table) Inline(n expr.Node) expr.Node {
	if n == nil {
		return nil
	}
	return expr.Rewrite(n, func(n expr.Node) expr.Node {
		if i, ok := expr.AsColumn(n); ok {
			return t.Output[i].Expr
		}
		return n
	})
}

// Named is an expression with the name of the column it makes.
type Named struct {
	Name string
	Expr expr.Node
}

func namedColumns(list []Named) []row.Column {
	cols := make([]row.Column, len(list))
	for i, n := range list {
		cols[i] = row.Column{Name: n.Name, Type: n.Expr.Type()}
	}
	return cols
}

// EmitKind is when a metric publishes.
type EmitKind uint8

// Final: each window once, when it closes. Every: the whole result at every multiple of
// Interval. Changes: a keyed row for every change.
const (
	EmitNone EmitKind = iota // a query at the prompt: once, now
	EmitFinal
	EmitEvery
	EmitChanges
)

// Read is a SELECT over the rows of a table or of a metric: filter, group again if asked to,
// project, order, limit. Prompt, HTTP and metrics share it.
//
// With neither Table, Metric nor Input there is exactly one row, without columns: SELECT 1.
type Read struct {
	Table  *Table // the rows read; nil when Metric or Input is set
	Metric *Metric
	Input  *Read     // the rows of another SELECT, a sub-query; only of a SELECT that is answered once
	Where  expr.Node // over the columns of what is read (Table.Columns(), Metric.Columns() or Input.Columns()); nil: all rows
	// Keys and Aggs group the rows a second time; Grouped tells whether that happens (Aggs or
	// GROUP BY present). Output, Having and Order are then over keys ++ aggregates, otherwise over the columns of what is read.
	Grouped  bool
	Keys     []Named
	Aggs     []*expr.Aggregate
	Having   expr.Node
	Output   []Named
	Distinct bool
	Order    []Order
	Limit    int // -1: none
	Offset   int
}

// Columns returns the schema of the result.
func (r *Read) Columns() []row.Column { return namedColumns(r.Output) }

// Order is one term of ORDER BY, over the same row as Output.
type Order struct {
	Expr       expr.Node
	Desc       bool
	NullsFirst bool // resolved: PostgreSQL's default is NULLS LAST for ASC, NULLS FIRST for DESC
}

// Metric is a read on a schedule, emitted under its name.
type Metric struct {
	Name     string // as written; names that differ only in case are duplicates
	Text     string // the statement, in canonical form
	Read     Read
	Emit     EmitKind
	Interval time.Duration // Every
	Topic    string        // default "metrics"
	Format   string        // json (default) or list

	fingerprint string // empty until the plan is finished
}

// Columns returns the schema of the metric's results as a reader sees them: what it selects, then
// the bounds of the interval, unless it selects columns of these names itself.
func (m *Metric) Columns() []row.Column {
	cols := m.Read.Columns()
	for _, name := range []string{windowStartName, windowEndName} {
		if columnNamed(cols, name) < 0 {
			cols = append(cols, row.Column{Name: name, Type: row.Of(row.Timestamp)})
		}
	}
	return cols
}

// Query is a SELECT statement.
type Query struct {
	Text string
	Read Read
}
