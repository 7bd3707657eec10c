package syntax

// Expr is a value: *ColumnRef, *String, *Number, *Bool, *Null, *Interval, *TimeLiteral, *Unary,
// *Binary, *Is, *In, *Between, *Case, *Cast or *Call.
type Expr interface {
	Node
	expr()
}

// ColumnRef is a column, with the table's name or alias before it when Table is set.
type ColumnRef struct {
	Span
	Table *Ident
	Name  *Ident
}

// String is a text literal; Value is what it stands for, without quotes and escapes.
type String struct {
	Span
	Value string
}

// NumberKind is the type a number has by its spelling.
type NumberKind uint8

// Integer is digits only, Decimal has a point, Double an exponent.
const (
	Integer NumberKind = iota
	Decimal
	Double
)

// Number is a literal without sign; Text is what was written.
type Number struct {
	Span
	Text string
	Kind NumberKind
}

// Bool is TRUE or FALSE.
type Bool struct {
	Span
	Value bool
}

// Null is NULL.
type Null struct {
	Span
}

// Interval is a length of time. Text is for row.ParseInterval in both spellings: what stands
// in the quotes of INTERVAL '5 seconds', or `5 SECONDS` as one number, one space and an
// upper-case unit (MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, each also with S). The
// short form without quotes is possible only where nothing but a length of time can stand.
type Interval struct {
	Span
	Text  string
	Short bool // written as 5 SECONDS
}

// TimeLiteral is TIMESTAMP '...' or DATE '...'. Whether the text is a time is for the planner
// to find out.
type TimeLiteral struct {
	Span
	Type string // TIMESTAMP or DATE
	Text string
}

// Unary is -X, +X or NOT X; Op is "-", "+" or "NOT".
type Unary struct {
	Span
	Op string
	X  Expr
}

// Binary is L Op R. Op is one of + - * / % || = <> < <= > >= AND OR LIKE ILIKE "NOT LIKE"
// "NOT ILIKE" "IS DISTINCT FROM" "IS NOT DISTINCT FROM"; != was turned into <>.
type Binary struct {
	Span
	Op   string
	OpAt Span // where the operator stands
	L, R Expr
}

// Is is X IS [NOT] What; What is NULL, TRUE, FALSE or UNKNOWN.
type Is struct {
	Span
	X    Expr
	Not  bool
	What string
}

// In is X [NOT] IN (List).
type In struct {
	Span
	X    Expr
	Not  bool
	List []Expr
}

// Between is X [NOT] BETWEEN Lo AND Hi.
type Between struct {
	Span
	X      Expr
	Not    bool
	Lo, Hi Expr
}

// Case is CASE [Operand] WHEN .. THEN .. [ELSE Else] END.
type Case struct {
	Span
	Operand Expr // nil: the conditions stand for themselves
	Whens   []*When
	Else    Expr // nil: NULL
}

// When is one branch of CASE.
type When struct {
	Span
	Cond, Then Expr
}

// Cast is CAST(X AS Type) or, when Short, X::Type.
type Cast struct {
	Span
	X     Expr
	Type  *Type
	Short bool
}

// CallForm is how a call was written.
type CallForm uint8

// The forms of calls, with the Func and Args that they stand for.
const (
	// CallPlain is name(arg, ...).
	CallPlain CallForm = iota
	// CallExtract is EXTRACT(field FROM x): EXTRACT with a *String of the field in lower case, x.
	CallExtract
	// CallSubstring is SUBSTRING(x FROM a FOR b): SUBSTRING with x, a and, when written, b.
	CallSubstring
	// CallTrim is TRIM(LEADING|TRAILING|BOTH c FROM x): LTRIM, RTRIM or TRIM with x and, when
	// written, c.
	CallTrim
	// CallPosition is POSITION(a IN b): POSITION with a, b.
	CallPosition
)

// Call is a function or an aggregate.
type Call struct {
	Span
	Name     *Ident // as written: TRIM for TRIM(LEADING ...)
	Func     string // upper case, what to look up: LTRIM for TRIM(LEADING ...)
	Args     []Expr
	Star     bool // COUNT(*): Args is empty
	Distinct bool
	Filter   Expr // FILTER (WHERE ...), nil: none
	Form     CallForm
}

func (*ColumnRef) expr()   {}
func (*String) expr()      {}
func (*Number) expr()      {}
func (*Bool) expr()        {}
func (*Null) expr()        {}
func (*Interval) expr()    {}
func (*TimeLiteral) expr() {}
func (*Unary) expr()       {}
func (*Binary) expr()      {}
func (*Is) expr()          {}
func (*In) expr()          {}
func (*Between) expr()     {}
func (*Case) expr()        {}
func (*Cast) expr()        {}
func (*Call) expr()        {}
