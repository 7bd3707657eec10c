package script

import (
	"context"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/plan"
)

// target is what a test runs on: an application with its topics.
type target interface {
	// Insert appends a record to a source partition. When it is read is the target's choice.
	Insert(ctx context.Context, stream string, partition int, r format.Record) error
	// Settle returns when everything that was inserted is in what State shows.
	Settle(ctx context.Context) error
	// Advance moves the clock of a source partition that has no more rows before a time.
	Advance(ctx context.Context, stream string, partition int, to int64) error
	// End ends the input, as --exit-when-caught-up does.
	End(ctx context.Context) error
	// Fault lets happen what a command says.
	Fault(ctx context.Context, c *command) error
	// State is what can be seen now.
	State(ctx context.Context) (*state, error)
	Close() error
}

// state is what a user can see of an application.
type state struct {
	results   []core.Output // by metric in the order of publishing
	rejects   []core.Reject
	decisions []core.Decision
	tally     map[string]core.Tally                     // by stream
	table     func(t *plan.Table) ([]keyed, error)      // rows as of everything read
	clock     func(stream string) (us int64, some bool) // the highest of the stream's clocks
}

// Circumstances are what a test must not depend on. The zero value is the plainest.
type Circumstances struct {
	Folds      int     // partitions of the tables, default 1
	Spread     int     // deal the rows over so many source partitions, where a test allows it
	Processes  int     // that share the work
	Tiny       bool    // flushes of one record, caches of next to nothing
	After      string  // what happens after every command: restart, crash, lose or rebalance
	Seed       uint64  // not 0: flushes are cut and partitions interleaved at random
	CrashShare float64 // chance of a crash at each of those random steps
}
