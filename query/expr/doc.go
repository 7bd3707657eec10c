// Package expr is the expressions of the language: what they mean, how they are typed, and how
// they are computed, over one row or over a batch.
//
// # From the binder's calls to a program
//
// The binder builds an expression from the leaves up with the constructors Col, Const, Null,
// Unary, Binary, Call, Cast, Case, In, Between, IsNull and IsBool. Each checks the types of its
// parts, inserts the casts that PostgreSQL would, and returns a Node, or an error that says what
// was found, what was expected and what to do; the binder adds the place. Nodes are immutable;
// Rewrite returns a new one. Every node prints as SQL.
//
// A Node is computed in two ways that give the same answers:
//
//   - EvalRow takes the values of one row. It walks the tree, and is meant for constants,
//     results and the reference evaluator.
//   - Compile makes a Program, which evaluates a Batch at selected positions. Each node becomes
//     a step with an output vector of its own; nothing is allocated per row by arithmetic,
//     comparison and logic. The row path runs programs.
//
// Both use the same small functions for what happens to one value (an addition that checks for
// overflow, a LIKE match), so they differ only in how they walk; a property test compares them.
//
// # NULL, and rows that fail
//
// Logic is three-valued. Most operations are strict: NULL in, NULL out. A step drops the NULL
// positions of its inputs from the selection before the kernel runs, so a kernel never sees
// them. A row can also fail (overflow, division by zero, text that is no number): its position
// is marked in Errors with the first reason, and its value is undefined from there on. AND, OR,
// CASE, COALESCE and IN evaluate their later parts only at positions that need them, so
// x <> 0 AND 1/x > 2 never fails.
//
// # Functions
//
// The table in functions.go names every function with its signatures. One that is a plain Go
// function over the physical types needs a table line, the function, and a line in
// testdata; the generic adaptors in kernel.go derive both ways of computing it.
//
// # Aggregates
//
// An Aggregate describes SUM(amount) FILTER (WHERE ...); its Acc is the accumulators of many
// groups, in columns indexed by slot. Route and fold run the same Acc: route updates it with rows
// and encodes partials, fold merges and subtracts them. The encoding of a state is canonical:
// equal states give equal bytes whatever order they were built in, and no result depends on the
// order of rows. Sums are exact: 128 bits that spill to 256 for integers and decimals, a
// superaccumulator for doubles.
package expr
