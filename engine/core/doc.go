// Package core is the dataflow as plain state machines: what route, fold and emit compute, without
// Kafka, disk, goroutines or wall clock. Records go in, and out come the records that one
// transaction has to hold. The engine's Goka processors are a shell around it; query tests and
// the simulator run the same code (package local).
//
// # The way of a row
//
// A RoutePartition (route_partition.go) decodes the records of one source partition in batches,
// refuses bad ones, moves the partition's clock, and folds the rows into the partials of every
// table that reads the stream (route_table.go, groups.go). Router.Take turns the partials of all
// its partitions into frames (frame.go), one for each fold partition, together with how far each
// source partition came.
//
// A Fold (fold.go) is one fold partition. It adds a frame's partials to the open panes of its
// tables (table.go) and its advances to the sources (sources.go). When the clocks of all source
// partitions have passed the end of a pane, the pane closes: its partials enter the rows of the
// table (rows.go), the panes that fall out of a trailing window leave them (trailing.go), and for
// each metric with an end there a share is made (metric.go, top.go) and sent to the partition
// that owns the metric (share.go). The owner (emit.go) waits for the shares of all partitions,
// merges them and makes the interval's one result.
//
// # Time
//
// Every source partition has a clock: its highest row time less the stream's delay. A row enters
// with the pane of max(its time, its partition's clock before it) and leaves with the pane of its
// time. A result as of t of a window [t-size, t) is made of the rows that entered before t and whose
// time is in the window. Both are functions of the log of the row's partition alone, so results
// do not depend on how partitions were interleaved, where flushes were cut, or who crashed when.
//
// Cuts (frame.go) are the offsets at which a clock passed an end; each result quotes them. A
// stretch of more than a thousand ends that one step of the clocks closed is published as runs of
// equal results. Which ends are in such a stretch follows from the cuts, so it is the same on
// every run.
//
// Replayed rows are a source partition of their own (route_replayed.go), whose clock follows the
// others' and closes nothing.
//
// # What is kept where
//
// See state.go for the keys. The changelog holds what cannot be computed again: rows of tables
// without a window, the entries of closed panes that a window still needs, entries of open panes,
// offsets and clocks, shares that wait. Rows of windows are sums of pane entries: they are local,
// and added up again when the partition was recovered from the changelog.
package core
