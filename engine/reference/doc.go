// Package reference computes the results of a query file the plain way: it keeps every row in
// memory and makes each result from its definition. It is what the engine is compared with, in
// tests and by the audit, and what `penstock eval` runs.
//
// It shares the language with the engine (plan, expressions row by row, values, decoders, the
// form of results) and nothing of how the engine computes: no panes, no partials, no frames, no
// accumulators of query/expr. Sums are math/big. One goroutine, one pass, no disk.
//
// The definition, in the order of the files:
//
//   - clock.go: a source partition's clock is the highest time of its good rows, less the
//     stream's delay. Its cut at t is the offset of the row that moved the clock to t or beyond.
//   - judge.go: what becomes of a record: bad, or a row with a time; and in each table filtered,
//     late, failed or applied.
//   - table.go: an applied row enters at the higher of its time and its partition's clock before
//     it. A result as of t holds the rows that entered before t and whose time is in the window.
//   - contents.go: which rows that is, for one t after another. Rows enter in the order in which
//     they enter; only a sliding window is ever left.
//   - aggregate.go, read.go: what the rows of a group add up to; the SELECT over the groups.
//   - grid.go, emit.go: for which t there are results, and which long runs of equal ones are one
//     record. changes.go is EMIT CHANGES, and a table as a reader sees it.
//   - state.go: what has to be remembered to go on without the rows so far.
//   - eval.go: the lines of files as records.
//
// Where a choice was possible between short and fast, it is short. The exceptions: results are
// computed only where contents change, so that a gap of ten years costs nothing, and a group that
// did not change is not evaluated again.
package reference
