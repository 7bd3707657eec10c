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
//	Show           SHOW STREAMS | TABLES | METRICS | FUNCTIONS
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
// the folded form that names are compared by and the form the user wrote.
//
// A CREATE TABLE and the others are plain structs that nobody changes after the parser made
// them. [Walk] visits a tree, [Equal] compares two without their spans.
package syntax
