// Package bench measures the engine beside what it cannot beat: on one topic and in one run it reads
// only (a), reads, parses and aggregates into plain Go maps (b, with sarama and with franz-go), and
// runs the engine with the metrics of the orders example (c), then recovers its tables from the
// changelog (d) and from local state (e). Absolute figures belong to a machine; the ratios to (b)
// are what is worth quoting.
package bench
