// Package read answers a SELECT over tables as they are now: filter, group again, order, limit. The
// prompt and HTTP share it. It knows nothing of Kafka, disk or processes; a table comes as a
// core.Reader over a snapshot of one fold partition.
//
// # The way of a row
//
// A read has two halves. Scan does what one partition can do alone and gives a Part: filtered
// rows in front of the limit, or the partials of its groups. Merge makes the answer of the parts
// of all partitions, which may have come from other processes (Part.Append, ParsePart).
//
//	core.Reader ─batches─> filter ─> order key, bounded heap ─> output        a Part of rows
//	                            └─> group key, accumulators                   a Part of groups
//	Parts ─> merge ─> (groups: HAVING, output) ─> DISTINCT, ORDER BY, OFFSET, LIMIT
//
// The expressions of a read are over the columns of its table, and those are expressions over the
// group row that the store keeps; they are put into each other once (inline.go), so that a column
// that is not asked for is never computed. Batches go through vector programs; the few rows that
// hold an error value, which a vector cannot, are evaluated one by one.
//
// Rows that are kept are kept encoded, behind a key that orders them: ORDER BY first, then the
// group key, so that the same state always gives the same answer in the same order.
//
// A sub-query is answered first and then read like a table (Over), and so is the latest result of
// a metric.
//
// # What fails
//
// As in a metric: a cell that cannot be computed is an error value, and a row whose condition
// cannot be computed is left out. Here it is counted and the first reason kept, because a person
// is asking.
//
// # Limits
//
// A Budget bounds the rows and the memory of one query over all its parts, and of all queries that
// run together: rows and groups that are kept, the vectors of compiled expressions, which are counted
// before they are made, and the text that functions make of one batch. The context is looked at with
// every batch. Nothing in here waits.
package read
