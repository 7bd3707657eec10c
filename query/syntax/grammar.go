package syntax

import "github.com/alecthomas/participle/v2/lexer"

// The rules of the language: the tags are the grammar. What participle fills in here is turned
// into the exported tree by build.go.
//
// Every choice is made by the next token, with a (?= ..) where it takes two. The parser runs
// with no other lookahead, so a rule that has taken a token is committed to: faults are blamed on
// the token where no rule can go on, and no text is read twice. (With participle's larger
// lookahead settings a mistake inside an optional clause is blamed on the clause's first word.)
// A new rule has to keep this shape.

// at takes the tokens of a rule.
type at struct{ Tokens []lexer.Token }

type statementRule struct {
	at
	Create   *createRule   `parser:"  @@"`
	Select   *selectRule   `parser:"| @@"`
	Show     *showRule     `parser:"| @@"`
	Describe *describeRule `parser:"| @@"`
	Explain  *explainRule  `parser:"| @@"`
}

type createRule struct {
	at
	Stream *createStreamRule `parser:"'CREATE' (  'STREAM' @@"`
	Table  *createAsRule     `parser:"          | 'TABLE' @@"`
	View   *createAsRule     `parser:"          | 'MATERIALIZED' 'VIEW' @@"`
	Metric *createAsRule     `parser:"          | 'METRIC' @@ )"`
}

type createStreamRule struct {
	at
	Name     *nameRule      `parser:"@@"`
	Elements []*elementRule `parser:"'(' @@ ( ',' @@ )* ')'"`
	Options  []*optionRule  `parser:"( 'WITH' '(' @@ ( ',' @@ )* ')' )?"`
}

type elementRule struct {
	at
	Check  *checkRule  `parser:"  @@"`
	Column *columnRule `parser:"| @@"`
}

type columnRule struct {
	at
	Name        *nameRule         `parser:"@@"`
	Type        *typeRule         `parser:"@@"`
	Constraints []*constraintRule `parser:"@@*"`
}

type constraintRule struct {
	at
	NotNull bool       `parser:"  @( 'NOT' 'NULL' )"`
	Check   *checkRule `parser:"| @@"`
}

type checkRule struct {
	at
	Cond *exprRule `parser:"'CHECK' '(' @@ ')'"`
}

type typeRule struct {
	at
	Name   *nameRule `parser:"@@"`
	Second string    `parser:"@( 'PRECISION' | 'VARYING' )?"`
	Args   []string  `parser:"( '(' @Number ( ',' @Number )* ')' )?"`
	Zone   string    `parser:"( @'WITHOUT' 'TIME' 'ZONE' | (?= 'WITH' 'TIME' ) @'WITH' 'TIME' 'ZONE' )?"`
}

type optionRule struct {
	at
	Key   *nameRule        `parser:"@@ '='"`
	Value *optionValueRule `parser:"@@"`
}

type optionValueRule struct {
	at
	Interval string    `parser:"  'INTERVAL' @String"`
	Number   string    `parser:"| @Number"`
	Unit     string    `parser:"  @( Ident | Word | Label )?"`
	String   string    `parser:"| @String"`
	Bool     string    `parser:"| @( 'TRUE' | 'FALSE' )"`
	Word     *nameRule `parser:"| @@"`
}

type createAsRule struct {
	at
	Name    *nameRule     `parser:"@@"`
	Options []*optionRule `parser:"( 'WITH' '(' @@ ( ',' @@ )* ')' )?"`
	Query   *selectRule   `parser:"'AS' ( '(' @@ ')' | @@ )"`
}

type selectRule struct {
	at
	With     []*withRule   `parser:"( 'WITH' @@ ( ',' @@ )* )?"`
	Distinct string        `parser:"'SELECT' @( 'DISTINCT' | 'ALL' )?"`
	Items    []*itemRule   `parser:"@@ ( ',' @@ )*"`
	From     *fromRule     `parser:"( 'FROM' @@ )?"`
	Window   []*windowRule `parser:"@@?"`
	Where    *exprRule     `parser:"( 'WHERE' @@ )?"`
	Window2  []*windowRule `parser:"@@?"`
	GroupBy  []*exprRule   `parser:"( 'GROUP' 'BY' @@ ( ',' @@ )* )?"`
	Having   *exprRule     `parser:"( 'HAVING' @@ )?"`
	Emit     []*emitRule   `parser:"@@?"`
	OrderBy  []*orderRule  `parser:"( 'ORDER' 'BY' @@ ( ',' @@ )* )?"`
	Emit2    []*emitRule   `parser:"@@?"`
	Limits   []*limitRule  `parser:"@@*"`
	Emit3    []*emitRule   `parser:"@@?"`
}

type withRule struct {
	at
	Name  *nameRule   `parser:"@@ 'AS'"`
	Query *selectRule `parser:"'(' @@ ')'"`
}

type itemRule struct {
	at
	Star      bool       `parser:"  @'*'"`
	TableStar *nameRule  `parser:"| (?= ( Ident | Quoted | Word | Label ) '.' '*' ) @@ '.' '*'"`
	Expr      *exprRule  `parser:"| @@"`
	Alias     *aliasRule `parser:"  @@?"`
}

type aliasRule struct {
	at
	Name *nameRule      `parser:"  'AS' @@"`
	Bare *bareAliasRule `parser:"| @@"`
}

type fromRule struct {
	at
	Table *nameRule       `parser:"( @@"`
	Args  *windowArgsRule `parser:"  @@?"`
	Query *selectRule     `parser:"| '(' @@ ')' )"`
	Alias *aliasRule      `parser:"@@?"`
}

// windowArgsRule is behind TUMBLE with one length of time and behind HOP with two.
type windowArgsRule struct {
	at
	Stream  *nameRule       `parser:"'(' @@"`
	Column  *nameRule       `parser:"',' @@"`
	Lengths []*durationRule `parser:"( ',' @@ )+ ')'"`
}

type windowRule struct {
	at
	Kind    string        `parser:"'WINDOW' @( 'TUMBLING' | 'HOPPING' | 'SLIDING' )"`
	Size    *durationRule `parser:"'(' 'SIZE' @@"`
	Advance *durationRule `parser:"( ',' 'ADVANCE' 'BY' @@ )? ')'"`
}

type durationRule struct {
	at
	Interval string `parser:"  'INTERVAL' @String"`
	Count    string `parser:"| @Number"`
	Unit     string `parser:"  @( Ident | Word | Label )"`
}

type orderRule struct {
	at
	Expr  *exprRule `parser:"@@"`
	Dir   string    `parser:"@( 'ASC' | 'DESC' )?"`
	Nulls string    `parser:"( 'NULLS' @( 'FIRST' | 'LAST' ) )?"`
}

type limitRule struct {
	at
	Limit  string `parser:"  'LIMIT' @Number"`
	Offset string `parser:"| 'OFFSET' @Number"`
}

type emitRule struct {
	at
	Kind  string        `parser:"'EMIT' ( @( 'FINAL' | 'CHANGES' )"`
	Every *durationRule `parser:"       | 'EVERY' @@ )"`
}

type showRule struct {
	at
	What string `parser:"'SHOW' @( 'STREAMS' | 'TABLES' | 'METRICS' | 'FUNCTIONS' | 'MEMORY' )"`
}

type describeRule struct {
	at
	Name *nameRule `parser:"'DESCRIBE' @@"`
}

type explainRule struct {
	at
	Why    bool        `parser:"'EXPLAIN' ( (?= 'WHY' ( Ident | Quoted | Word | Label | Reserved ) ) @'WHY' )?"`
	Create *createRule `parser:"( @@"`
	Select *selectRule `parser:"| @@"`
	Name   *nameRule   `parser:"| @@ )"`
}

type nameRule struct {
	at
	Text string `parser:"@( Ident | Quoted | Word | Label )"`
}

type bareAliasRule struct {
	at
	Text string `parser:"@( Ident | Quoted | Word )"`
}
