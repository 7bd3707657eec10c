package engine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"time"

	"penstock/engine/rejects"
	"penstock/query/plan"
)

// Options say what an engine runs and how. The zero value of every field but Brokers, App,
// StateDir and Plan works.
type Options struct {
	// Brokers to begin with, host:port; the others are found through them (bootstrap.servers).
	Brokers []string
	// Security says how connections to them are encrypted, and as whom they are made. It has to be
	// loaded. Default: plaintext, as nobody.
	Security *Security
	// App is the application's name. Everything it owns in Kafka begins with it, and two
	// processes with the same name share one application's work: letters, digits, '.', '_', '-'.
	App string
	// StateDir is the directory of this process's tables. No two processes may share one.
	StateDir string
	// Plan is what to run.
	Plan *plan.Plan

	// FoldPartitions is the number of partitions of the tables, default 8. It is fixed when the
	// application first starts; make it at least the number of cores of all processes together.
	FoldPartitions int
	// ReplicationFactor of the topics that the engine makes (replication.factor); 0 takes the
	// cluster's default, but never more than there are brokers.
	ReplicationFactor int
	// FlushInterval is how often a stage writes what it has, default 100 ms. A shorter one makes
	// tables fresher and results a little earlier, at the cost of more transactions.
	FlushInterval time.Duration
	// FlushBytes is how much a stage may hold before it writes without waiting for the interval,
	// default a 64th of Memory, at most 8 MiB. At twice that the input waits.
	FlushBytes int
	// SessionTimeout is how long a process may be silent before others take its partitions
	// (session.timeout.ms), default 6 s, which is also what brokers accept as the least.
	SessionTimeout time.Duration
	// TransactionTimeout is after what time Kafka ends a transaction that nobody ends
	// (transaction.timeout.ms), default 10 s.
	TransactionTimeout time.Duration
	// Memory bounds what the process takes, in bytes, default 512 MiB: the store's caches, rows and
	// panes in memory, and everything on its way from and to Kafka have a share each. A program that
	// runs an engine calls LimitProcess too, so that what is garbage stays within it.
	Memory int64
	// InstanceID names this process in its groups (group.instance.id). Default: a random one
	// that is kept in StateDir, so that a restarted process is the same member.
	InstanceID string
	// CreateSources makes source topics that do not exist, with the number of partitions their
	// stream names, or 1. Without it a missing source topic is an error: a misspelt name would
	// otherwise be an empty stream.
	CreateSources bool
	// ExitWhenCaughtUp ends Run when everything that was readable at the start is in the results.
	ExitWhenCaughtUp bool

	// HoldClocks leaves the clocks of source partitions to their rows and to MoveClock: none counts
	// as idle, and none waits for a slower one. For tests of query files.
	HoldClocks bool

	// OnRejects, when set, is told of the rows that this process has put on the rejects topic, once
	// they are committed: the first few of a flush, and how many there are. It is called by the
	// goroutine that flushes a stream, which it must not keep waiting; streams flush at the same
	// time. It owns the rows.
	OnRejects func(first []rejects.Row, total int)

	// Clock is where time comes from, default the machine's.
	Clock Clock
	// Logger takes the engine's log lines and those of its libraries; default: none.
	Logger *slog.Logger
}

// Clock tells the time and wakes after some of it. Tests move it by hand.
type Clock interface {
	Now() time.Time
	After(time.Duration) <-chan time.Time
}

type wallClock struct{}

func (wallClock) Now() time.Time                         { return time.Now() }
func (wallClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

const defaultMemory = 512 << 20

// withDefaults returns the options with every default filled in.
func (o Options) withDefaults() Options {
	def := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	def(&o.FoldPartitions, 8)
	after := func(v *time.Duration, to time.Duration) {
		if *v == 0 {
			*v = to
		}
	}
	after(&o.FlushInterval, 100*time.Millisecond)
	after(&o.SessionTimeout, 6*time.Second)
	after(&o.TransactionTimeout, 10*time.Second)
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	def(&o.FlushBytes, sharesOf(o.Memory).flush)
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	}
	return o
}

// appName is what Kafka takes in topic names, less what would make two names collide in its
// metrics, and short enough for the longest name derived from it.
var appName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$`)

// CheckApp tells what is wrong with the name of an application.
func CheckApp(name string) error {
	if appName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("application name %q: expected letters, digits, '.', '_' or '-', at most 100, beginning with a letter or digit", name)
}

// Validate reports everything that is wrong with the options at once.
func (o Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.Brokers) == 0 {
		bad("no brokers: name at least one as host:port")
	}
	if err := CheckApp(o.App); err != nil {
		errs = append(errs, err)
	}
	if o.StateDir == "" {
		bad("no state directory")
	}
	if o.Plan == nil {
		bad("no plan")
	} else if err := o.Plan.CheckApp(o.App); err != nil {
		errs = append(errs, err)
	}
	if o.FoldPartitions < 0 || o.FoldPartitions > 1024 {
		bad("fold partitions: %d, expected 1 to 1024", o.FoldPartitions)
	}
	if o.ReplicationFactor < 0 || o.ReplicationFactor > 1<<15-1 {
		bad("replication factor: %d, expected 1 or more, or 0 for the cluster's", o.ReplicationFactor)
	}
	if o.FlushInterval < 0 || o.FlushInterval > 10*time.Second {
		bad("flush interval: %v, expected up to 10s", o.FlushInterval)
	}
	if o.TransactionTimeout != 0 && (o.TransactionTimeout < time.Second || o.TransactionTimeout > 15*time.Minute) {
		bad("transaction timeout: %v, expected 1s to 15m", o.TransactionTimeout)
	}
	if o.SessionTimeout != 0 && o.SessionTimeout < time.Second {
		bad("session timeout: %v, expected 1s or more", o.SessionTimeout)
	}
	if o.FlushBytes < 0 {
		bad("flush bytes: %d, expected a positive number", o.FlushBytes)
	}
	if o.Memory != 0 && o.Memory < LeastMemory {
		bad("memory: %d MiB, expected %d MiB or more: what the clients of Kafka, the store and the runtime take leaves nothing for rows below that", o.Memory>>20, LeastMemory>>20)
	}
	return errors.Join(errs...)
}
