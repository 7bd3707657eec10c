// Package plan turns a query file into a Plan: what to read, what to keep and what to publish.
//
// The way of one statement:
//
//	text ──syntax.Parse──> tree ──bind──> Stream, Table, Metric, Query ──Explain──> text
//
// Bind walks the statements of a file once, in their order, with a catalog of what was defined
// so far (catalog.go). Every expression is bound against a scope (scope.go): the columns that
// are visible at that place. Nodes come typed from query/expr; the binder adds the place in
// the text and a suggestion to whatever that package refuses.
//
// Three nouns come out. A Stream is a topic with columns. A Table is state folded from one
// stream. A Metric is a Read on a schedule. A metric straight on a stream is split (metric.go)
// into a hidden table, which keeps keys and aggregates, and a Read with its ORDER BY and
// LIMIT, so that engine knows only tables that fold and reads that look.
//
// A grouped SELECT is bound in two steps (group.go): first over the rows that come in, with a
// marker for every aggregate; then every subtree that equals a GROUP BY expression becomes a
// reference to that key. A column of the input that is left over is the mistake that
// PostgreSQL calls "must appear in the GROUP BY clause".
//
// When all statements are bound, panes are chosen (window.go): for each table one length that
// divides its window and the intervals of every metric on it.
//
// The package is a function: the same text gives the same plan and the same diagnostics, with
// no clock, disk or network. A Plan does not change after Bind returned it.
package plan
