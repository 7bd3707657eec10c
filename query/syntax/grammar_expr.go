package syntax

// Expressions, loosest operator first. Levels that hold operators of several precedences
// (predicateRule, arithRule) are flat lists here; build_expr.go groups them.

type exprRule struct {
	at
	Terms []*andRule `parser:"@@ ( 'OR' @@ )*"`
}

type andRule struct {
	at
	Terms []*notRule `parser:"@@ ( 'AND' @@ )*"`
}

type notRule struct {
	at
	Nots []string       `parser:"@'NOT'*"`
	X    *predicateRule `parser:"@@"`
}

type predicateRule struct {
	at
	X     *arithRule  `parser:"@@"`
	Tails []*tailRule `parser:"@@*"`
}

type tailRule struct {
	at
	Compare  string     `parser:"  @( '=' | '<>' | '!=' | '<=' | '<' | '>=' | '>' )"`
	Right    *arithRule `parser:"  @@"`
	Is       *isRule    `parser:"| 'IS' @@"`
	NotMatch *matchRule `parser:"| 'NOT' @@"`
	Match    *matchRule `parser:"| @@"`
}

type isRule struct {
	at
	Not      string     `parser:"@'NOT'?"`
	What     string     `parser:"( @( 'NULL' | 'TRUE' | 'FALSE' | 'UNKNOWN' )"`
	Distinct *arithRule `parser:"| 'DISTINCT' 'FROM' @@ )"`
}

type matchRule struct {
	at
	Like    string      `parser:"  @( 'LIKE' | 'ILIKE' )"`
	Pattern *arithRule  `parser:"  @@"`
	In      []*exprRule `parser:"| 'IN' '(' @@ ( ',' @@ )* ')'"`
	Lo      *arithRule  `parser:"| 'BETWEEN' @@"`
	Hi      *arithRule  `parser:"  'AND' @@"`
}

type arithRule struct {
	at
	First *operandRule     `parser:"@@"`
	Rest  []*arithTailRule `parser:"@@*"`
}

type arithTailRule struct {
	at
	Op string       `parser:"@( '||' | '+' | '-' | '*' | '/' | '%' )"`
	X  *operandRule `parser:"@@"`
}

type operandRule struct {
	at
	Signs []string     `parser:"@( '-' | '+' )*"`
	X     *primaryRule `parser:"@@"`
	Casts []*typeRule  `parser:"( '::' @@ )*"`
}

type primaryRule struct {
	at
	Number    string         `parser:"  @Number"`
	String    string         `parser:"| @String"`
	Bool      string         `parser:"| @( 'TRUE' | 'FALSE' )"`
	Null      bool           `parser:"| @'NULL'"`
	Case      *caseRule      `parser:"| @@"`
	Cast      *castRule      `parser:"| @@"`
	Interval  string         `parser:"| (?= 'INTERVAL' String ) 'INTERVAL' @String"`
	Time      string         `parser:"| (?= ( 'TIMESTAMP' | 'DATE' ) String ) @( 'TIMESTAMP' | 'DATE' )"`
	TimeText  string         `parser:"  @String"`
	Extract   *extractRule   `parser:"| (?= 'EXTRACT' '(' ) @@"`
	Substring *substringRule `parser:"| (?= 'SUBSTRING' '(' ) @@"`
	Trim      *trimRule      `parser:"| (?= 'TRIM' '(' ) @@"`
	Position  *positionRule  `parser:"| (?= 'POSITION' '(' ) @@"`
	Ref       *refRule       `parser:"| @@"`
	Paren     *exprRule      `parser:"| '(' @@ ')'"`
}

type refRule struct {
	at
	Name   *nameRule `parser:"@@"`
	Member *nameRule `parser:"( '.' @@"`
	Args   *argsRule `parser:"| @@ )?"`
}

type argsRule struct {
	at
	Star     bool        `parser:"'(' @'*'?"`
	Distinct bool        `parser:"@'DISTINCT'?"`
	Args     []*exprRule `parser:"( @@ ( ',' @@ )* )? ')'"`
	Filter   *exprRule   `parser:"( 'FILTER' '(' 'WHERE' @@ ')' )?"`
}

type caseRule struct {
	at
	Operand *exprRule   `parser:"'CASE' @@?"`
	Whens   []*whenRule `parser:"@@+"`
	Else    *exprRule   `parser:"( 'ELSE' @@ )? 'END'"`
}

type whenRule struct {
	at
	Cond *exprRule `parser:"'WHEN' @@"`
	Then *exprRule `parser:"'THEN' @@"`
}

type castRule struct {
	at
	X    *exprRule `parser:"'CAST' '(' @@"`
	Type *typeRule `parser:"'AS' @@ ')'"`
}

type extractRule struct {
	at
	Name  *nameRule `parser:"@@ '('"`
	Field string    `parser:"@( Ident | Quoted | Word | Label | String )"`
	X     *exprRule `parser:"'FROM' @@ ')'"`
}

type substringRule struct {
	at
	Name *nameRule   `parser:"@@ '('"`
	X    *exprRule   `parser:"@@"`
	From *exprRule   `parser:"( 'FROM' @@"`
	For  *exprRule   `parser:"  ( 'FOR' @@ )?"`
	For2 *exprRule   `parser:"| 'FOR' @@"`
	More []*exprRule `parser:"| ( ',' @@ )+ )? ')'"`
}

type trimRule struct {
	at
	Name  *nameRule   `parser:"@@ '('"`
	Side  string      `parser:"( @( 'LEADING' | 'TRAILING' | 'BOTH' )"`
	Chars *exprRule   `parser:"  @@?"`
	Of    *exprRule   `parser:"  'FROM' @@"`
	X     *exprRule   `parser:"| @@"`
	From  *exprRule   `parser:"  ( 'FROM' @@"`
	More  []*exprRule `parser:"  | ( ',' @@ )+ )? ) ')'"`
}

type positionRule struct {
	at
	Name *nameRule  `parser:"@@ '('"`
	What *arithRule `parser:"@@ 'IN'"`
	In   *arithRule `parser:"@@ ')'"`
}
