// Package format turns bytes into rows and results into bytes.
//
// A Decoder takes a run of Kafka records of one stream and fills a row.Batch, column by column,
// without allocating per row. It is strict: each column of each record is checked, also those that
// no query reads, so that a record is good or bad whatever queries run beside it. A bad record is
// a value, a BadRow with its reason in words, and never an error: nothing in a topic can stop a
// stream. Columns that nobody reads are checked and not stored.
//
// csv.go splits RFC 4180 lines, json.go reads one object per record; both hand the text of a field to
// the same column (column.go), so that one type reads the same in every format.
//
// In the other direction, a Result is what a metric publishes for one interval, as JSON (result.go)
// or in the List(...) form of the book Spark in Action (list.go).
package format
