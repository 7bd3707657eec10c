// Package bench measures the engine beside what it cannot beat. On one topic and in one run it reads
// only (a); reads, parses and aggregates into plain Go maps, with sarama and with franz-go (b); runs
// the engine with the metrics of the orders example to the last result and the last committed offset
// (c); recovers its tables from the changelog (d) and from local state (e); and measures the time
// from an interval's end to its result on the topic while orders come live (f). What the maps hold
// is what the engine's results are compared with: a run whose results differ is an error.
//
// Each step is a process of its own, so that none pays for the memory of the one before: (c) to (f)
// are the penstock binary from exec to exit, or to "ready"; the others are this program again
// (child.go). The broker is a process too, Apache Kafka or `penstock broker`, and its CPU time is told
// apart.
//
// Absolute figures belong to a machine; the ratios to (b) are what is worth quoting. cmd/bench is the
// command, `make bench` runs it.
package bench
