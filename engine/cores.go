package engine

import (
	"os"
	"runtime"
)

// scansAtOnce is how many partitions are read from end to end at the same time, by all queries:
// one fewer than the Go scheduler has processors.
//
// The scheduler looks for what came over the network when one of its processors has nothing to do,
// and otherwise every 10 ms or so. A scan of a large table keeps a processor busy for tens of
// milliseconds; with one on each, a lookup that takes a fraction of one waited four times for the
// next look at the network: 40 ms from request to answer.
func scansAtOnce() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// ShareCores makes the Go scheduler use one processor more than there are cores, unless GOMAXPROCS
// is set: scans of tables, which leave one of them to everybody else, then have all cores
// nevertheless, and the operating system sees to it that who has waited for the network goes first.
// It is for the program that runs the engine, whose process it is, before it makes the engine.
func ShareCores() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) <= runtime.NumCPU() {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
