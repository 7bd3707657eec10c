package prompt

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"penstock/query/syntax"
)

// Server is the engine as the prompt sees it: the client of engine/httpapi, or a stand-in of a
// test. Its methods wait for an answer until ctx ends.
type Server interface {
	// Query runs one statement of SQL.
	Query(ctx context.Context, sql string) (*Answer, error)
	// Relations lists streams, tables and metrics with what is known of their size.
	Relations(ctx context.Context) ([]Relation, error)
	// Partitions lists what every partition of every stream stands at.
	Partitions(ctx context.Context) ([]Partition, error)
	// Rejects returns the last n records that were not counted, the newest first.
	Rejects(ctx context.Context, n int) (*Rejects, error)
	// Tail passes on the last n results of a metric and then each new one, until ctx ends.
	Tail(ctx context.Context, metric string, n int, each func(Result) error) error
	// Topics lists the topics that Records reads.
	Topics(ctx context.Context) ([]string, error)
	// Records passes on the last n records of a topic and then each new one, until ctx ends; skipped says
	// how many were left out where a topic brings more than that.
	Records(ctx context.Context, topic string, n int, each func(Record) error, skipped func(int64) error) error
	// Info says who answers.
	Info(ctx context.Context) (*Info, error)
}

// Column of an answer. Type is as SQL writes it: DECIMAL(38,2).
type Column struct{ Name, Type string }

// Answer is what a statement gave. A cell is JSON as /v1/query sends it: decimals and times as
// strings, so that no digit is lost.
type Answer struct {
	Title   string // of SHOW and DESCRIBE
	Columns []Column
	Rows    [][]json.RawMessage
	Notes   []string // lines below the rows
	Text    string   // EXPLAIN: what to print as it is, instead of rows
	Fresh   Fresh
	More    bool // the server's row limit cut the answer
}

// Fresh is how much of the state an answer stands for, and as of when.
type Fresh struct {
	AsOf     time.Time // zero: the answer reads no table
	Lag      int64     // records that the engine had still to read; -1: unknown
	Answered int
	Total    int      // partitions of the tables read; 0: none
	Missing  []string // why partitions are missing: "p1 restoring 61 %"
	Took     time.Duration
}

// Partial tells whether partitions are missing from an answer.
func (f Fresh) Partial() bool { return f.Answered < f.Total || len(f.Missing) > 0 }

// Relation is a stream, a table or a metric.
type Relation struct {
	Name, Kind string // Kind: stream, table or metric
	Key        string
	Columns    []Column
	Keys       int64 // rows of a table, -1: unknown
	Bytes      int64 // size of a table, -1: unknown
	Source     string
}

// Partition is how far one partition of a stream was read.
type Partition struct {
	Stream    string
	Partition int
	Owner     string
	State     string // running, restoring 61 %, ...
	Offset    int64
	Lag       int64
	Behind    time.Duration // lag as time
}

// Rejects are the last records that were not counted.
type Rejects struct {
	Total int64   // since the start
	Share float64 // of all records read, -1: unknown
	List  []Reject
}

// Reject is one of them, with the piece of it that was wrong when that is known.
type Reject struct {
	Source string // orders/2, or orders/replayed
	Offset int64
	Column string
	Reason string
	Line   string
}

// Result is one published result of a metric.
type Result struct {
	Metric string
	Start  time.Time
	End    time.Time
	Columns
	Rows [][]json.RawMessage
}

// Columns are those of a result; results do not carry their types.
type Columns []string

// Record is a record of a topic. Key and Value may be any bytes, or nil.
type Record struct {
	Partition  int32
	Offset     int64
	Time       time.Time
	Key, Value []byte
	Cut        bool // there is more of it than is here
}

// Info is who answers.
type Info struct {
	Version string
	App     string
	Running int // partitions that run
	Total   int
	Lag     int64 // -1: unknown
}

// Problem is an error that the server explained. Reports have a place in the statement.
type Problem struct {
	Code    string
	Message string
	Hints   []string
	Reports []syntax.Report
}

// Error gives the problem in one line.
func (p *Problem) Error() string {
	if p.Message == "" && len(p.Reports) > 0 {
		return p.Reports[0].Message
	}
	return p.Message
}

// Unreachable is an error of the way to the server.
type Unreachable struct {
	URL    string
	Reason string
}

// NewUnreachable makes one of what the HTTP client said.
func NewUnreachable(url string, err error) *Unreachable {
	return &Unreachable{URL: url, Reason: reasonOf(err)}
}

// Error says what could not be reached.
func (e *Unreachable) Error() string {
	return "cannot reach penstock at " + e.URL + " (" + e.Reason + ")"
}

// kind is a column's type without its arguments.
func (c Column) kind() string {
	name, _, _ := strings.Cut(c.Type, "(")
	return strings.ToUpper(strings.TrimSpace(name))
}

func (c Column) numeric() bool {
	switch c.kind() {
	case "INTEGER", "BIGINT", "SMALLINT", "DECIMAL", "NUMERIC", "DOUBLE", "DOUBLE PRECISION", "REAL":
		return true
	}
	return false
}
