// Package audit checks what an application has published against what it has read: it reads the
// source topics and the recorded decisions again, computes every result with the plain evaluator
// of engine/reference, and compares.
//
// The order of an audit, which is what lets it look at an application that still runs:
//
//   - position.go: how far route has come in every source partition. All that follows is about
//     the records before that.
//   - replay.go: those records and the decisions, in the order of their offsets, into the
//     evaluator. Replayed rows are among them, as partition -1 of their stream; rows that were bad
//     by an earlier query file are refused again, whatever this one makes of them.
//   - published.go: what is on the metrics topics. It is read last, after fold was given time to
//     publish what follows from those positions; what it had not by then is reported as pending,
//     and as missing when fold had read everything.
//   - compare.go: the two, interval by interval. A run of equal results counts as its intervals.
//   - changes.go: EMIT CHANGES, where only the last value of a key counts.
//   - tables.go: the tables, recovered from their changelog.
//   - rejects.go: the rejected rows, and the account of each source partition.
//   - checkpoint.go: where an audit ended, for the next one to begin.
//   - retention.go: which intervals cannot be checked, because what they were made of is gone.
//
// What it trusts: the source topics, the decisions topic, and where the group says that it is.
// What it does not: frames, shares, changelog and results. With engine/core it shares the form of
// a committed position and, for tables only, the reader of the state.
package audit
