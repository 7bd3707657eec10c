package syntax

// Span is a stretch of the parsed text in bytes, from Start up to but not including End.
// Every node embeds one.
type Span struct {
	Start, End int
}

// At returns the span itself; embedding Span makes a struct a Node with it.
func (s Span) At() Span { return s }

// To returns the span from the start of s to the end of t.
func (s Span) To(t Span) Span { return Span{s.Start, t.End} }

// Node is anything with a place in the text that can be printed. String prints it on one line
// in canonical form, which parses to an equal tree again.
type Node interface {
	At() Span
	String() string
}

// Statement is one of *CreateStream, *CreateTable, *CreateMetric, *Select, *Show, *Describe and
// *Explain.
type Statement interface {
	Node
	statement()
}

// From is what a SELECT reads: *TableName, *WindowCall or *SubSelect.
type From interface {
	Node
	from()
}

// Ident is a name. Two names are the same when their Name is.
type Ident struct {
	Span
	Name   string // folded to lower case, or exactly what stood in double quotes
	Raw    string // as the user wrote it, without quotes: what a metric is called outside
	Quoted bool
}

// CreateStream declares a topic with columns. Columns and table checks are kept apart, each in
// the order they were written.
type CreateStream struct {
	Span
	Name    *Ident
	Columns []*Column
	Checks  []*Check // those that stand on their own between commas
	Options []*Option
}

// Column of a stream.
type Column struct {
	Span
	Name    *Ident
	Type    *Type
	NotNull bool
	Checks  []*Check
}

// Check is CHECK (Cond). Cond.At() is the text inside the parentheses.
type Check struct {
	Span
	Cond Expr
}

// Type is a type as written. Name is canonical: BOOLEAN, INTEGER, BIGINT, DOUBLE PRECISION,
// DECIMAL, VARCHAR, TEXT, TIMESTAMP, DATE or INTERVAL; other spellings such as INT8 or NUMERIC
// are mapped to these by the parser, and a name that is none of them is reported by it.
type Type struct {
	Span
	Name string
	Args []int // precision and scale of DECIMAL, the length of VARCHAR; nil when left out
}

// Option is one key = value of WITH. Value is a *String, *Number, *Bool or *Interval.
type Option struct {
	Span
	Key   *Ident
	Value Expr
}

// CreateTable keeps the result of a SELECT. CREATE MATERIALIZED VIEW is the same statement;
// View only remembers the spelling.
type CreateTable struct {
	Span
	Name    *Ident
	Options []*Option
	Query   *Select
	View    bool
}

// CreateMetric publishes the result of a SELECT; its EMIT clause is Query.Emit.
type CreateMetric struct {
	Span
	Name    *Ident
	Options []*Option
	Query   *Select
}

// Select is a query, as a statement, behind AS, in WITH or in FROM. Clauses that were not
// written are nil.
type Select struct {
	Span
	With     []*With
	Distinct bool
	Items    []*Item
	From     From // nil: one row without columns, as in SELECT 1
	Window   *Window
	Where    Expr
	GroupBy  []Expr // a *Number is an ordinal, a *ColumnRef may be an output name
	Having   Expr
	OrderBy  []*Order
	Limit    *Number // a whole number
	Offset   *Number // a whole number
	Emit     *Emit
}

// With is one common table expression: Name AS (Query).
type With struct {
	Span
	Name  *Ident
	Query *Select
}

// Item is one term of the select list. Star is `*`, or `t.*` with Table set; then Expr is nil.
type Item struct {
	Span
	Expr  Expr
	Alias *Ident // nil: none
	Star  bool
	Table *Ident // of t.*
}

// TableName reads a stream, a table, a metric or a common table expression.
type TableName struct {
	Span
	Name  *Ident
	Alias *Ident
}

// WindowCall is TUMBLE(stream, column, size) or, when Slide is set, HOP(stream, column, slide, size).
type WindowCall struct {
	Span
	Stream *Ident
	Column *Ident
	Slide  *Interval
	Size   *Interval
	Alias  *Ident
}

// SubSelect is (Query) Alias.
type SubSelect struct {
	Span
	Query *Select
	Alias *Ident
}

// WindowKind is how a WINDOW clause cuts time.
type WindowKind uint8

// The kinds of windows.
const (
	Tumbling WindowKind = iota
	Hopping
	Sliding
)

// Window is WINDOW TUMBLING (SIZE d) | HOPPING (SIZE d, ADVANCE BY d) | SLIDING (SIZE d).
type Window struct {
	Span
	Kind    WindowKind
	Size    *Interval
	Advance *Interval // Hopping only
}

// Order is one term of ORDER BY.
type Order struct {
	Span
	Expr  Expr // a *Number is an ordinal
	Desc  bool
	Nulls Nulls
}

// Nulls is where ORDER BY puts NULL.
type Nulls uint8

// NullsDefault was not written: last for ASC, first for DESC.
const (
	NullsDefault Nulls = iota
	NullsFirst
	NullsLast
)

// EmitKind is when a metric publishes.
type EmitKind uint8

// The kinds of EMIT.
const (
	EmitFinal EmitKind = iota
	EmitEvery
	EmitChanges
)

// Emit is EMIT FINAL | EMIT EVERY d | EMIT CHANGES.
type Emit struct {
	Span
	Kind  EmitKind
	Every *Interval // EmitEvery only
}

// Show lists what there is. What is STREAMS, TABLES, METRICS, FUNCTIONS or MEMORY.
type Show struct {
	Span
	What string
}

// Describe shows one stream, table or metric.
type Describe struct {
	Span
	Name *Ident
}

// Explain shows how something runs: either Name or Statement is set.
type Explain struct {
	Span
	Why       bool
	Name      *Ident
	Statement Statement // never another *Explain
}

func (*CreateStream) statement() {}
func (*CreateTable) statement()  {}
func (*CreateMetric) statement() {}
func (*Select) statement()       {}
func (*Show) statement()         {}
func (*Describe) statement()     {}
func (*Explain) statement()      {}

func (*TableName) from()  {}
func (*WindowCall) from() {}
func (*SubSelect) from()  {}
