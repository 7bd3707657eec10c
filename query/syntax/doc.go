// Package syntax turns the text of a query file into syntax trees, and trees back into text.
//
// It knows how the language is written and nothing of what it means: no catalog, no types of
// columns, no functions. The planner binds the trees that come out of here.
//
// # The tree
//
// [Parse] gives one [Statement] for each statement of the text:
//
//	CreateStream   CREATE STREAM name (columns, checks) WITH (options)
//	CreateTable    CREATE TABLE | MATERIALIZED VIEW name WITH (options) AS select
//	CreateMetric   CREATE METRIC name WITH (options) AS select
//	Select         WITH ctes SELECT items FROM from WINDOW .. WHERE .. GROUP BY .. HAVING ..
//	               ORDER BY .. LIMIT .. OFFSET .. EMIT ..
//	Show           SHOW STREAMS | TABLES | METRICS | FUNCTIONS | MEMORY
//	Describe       DESCRIBE name
//	Explain        EXPLAIN [WHY] name | statement
//
// What is read from is a [From]: TableName, WindowCall (TUMBLE and HOP) or SubSelect. Values are
// an [Expr]: ColumnRef, String, Number, Bool, Null, Interval, TimeLiteral, Unary, Binary, Is, In,
// Between, Case, Cast, Call. Forms with words inside the parentheses, such as
// EXTRACT(hour FROM x), are a Call like any other, so a planner has one case for them all;
// Call.Form remembers how it was written.
//
// Every node embeds a [Span]: byte offsets into the text that was parsed. Parentheses leave no
// node behind, the shape of the tree says what they said. Names are an [Ident], which keeps both
// the folded form that names are compared by and the form the user wrote. [Walk] visits a tree,
// [Equal] compares two without their spans. Nobody changes a tree after the parser made it.
//
// # From text to tree
//
//	lexer.go     text -> tokens; keywords.go says which words are names too
//	split.go     tokens -> statements at each `;`, and what a prompt needs: [Complete]
//	grammar.go   the rules: participle's struct tags are the grammar (and grammar_expr.go)
//	parse.go     runs the rules over one statement after the other
//	build.go     rules -> tree, with precedence (build_expr.go) and what a grammar cannot say
//	print.go     tree -> text, the inverse of all that; format.go lays out whole files
//
// The grammar decides by the next token and never goes back. That keeps parsing linear, and puts
// every fault on the token where no rule can go on.
//
// # From fault to message
//
// A [Diagnostic] is one thing wrong with a text. The parser and the planner make them alike;
// [Render] shows them with the source line, [JSON] to programs. explain.go finds out what was
// meant by changing the statement a little and parsing it again; an obvious repair is kept, so
// that the faults behind it are reported as well. expected.go words what the grammar wanted,
// foreign.go knows the SQL of other systems. The codes are in codes.go. [Defined] tells the planner
// which names the faulty statements would have defined.
package syntax
