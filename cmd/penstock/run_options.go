package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"penstock/cmd/penstock/internal/human"
	"penstock/engine"
	"penstock/query/plan"
)

// runOptions are the flags of `run`, and what `demo` sets in their place.
type runOptions struct {
	kafkaFlags
	file         string
	app          string
	stateDir     string
	brokerListen string
	prompt       bool // -i
	dryRun       bool
	engine       engine.Options
	http         httpFlags
}

func (o *runOptions) add(f *pflag.FlagSet) {
	f.StringSliceVarP(&o.brokers, "brokers", "b", nil, "host:port of one or more Kafka brokers (default: a broker inside this process)")
	f.DurationVar(&o.timeout, "kafka-timeout", 5*time.Second, "how long to try to reach a broker at the start")
	f.StringVar(&o.brokerListen, "broker-listen", defaultBroker, "where the broker inside this process listens, host:port; port 0 takes a free one")
	f.StringVar(&o.app, "app", "", "name of the application; processes with the same name share its work (default the file's name)")
	f.StringVar(&o.stateDir, "state-dir", "", "directory of this process's tables (default $XDG_STATE_HOME/penstock/APP)")
	f.BoolVar(&o.engine.ExitWhenCaughtUp, "exit-when-caught-up", false, "end when everything that was in the topics at the start is in the results")
	f.IntVar(&o.engine.FoldPartitions, "fold-partitions", 0, "number of table partitions, fixed for the life of the application (default 8)")
	f.IntVar(&o.engine.ReplicationFactor, "replication-factor", 0, "of the topics that are made (default the cluster's)")
	f.BoolVar(&o.engine.CreateSources, "create-topics", false, "make source topics that are missing (always so on the broker inside this process)")
	f.DurationVar(&o.engine.FlushInterval, "flush-interval", 0, "how often a stage writes what it has (default 100ms)")
	f.DurationVar(&o.engine.SessionTimeout, "session-timeout", 0, "how long a process may be silent before others take over (default 6s)")
	o.security.add(f)
	size := memory{&o.engine.Memory}
	o.http.add(f)
	f.Var(size, "memory", "bound of the process, without a broker inside it: such as 512MiB, at least 64MiB (default 512MiB)")
}

// complete fills in what follows from the file and the environment.
func (o *runOptions) complete(a *app, p *plan.Plan) (err error) {
	if err := nameApp(&o.app, o.file); err != nil {
		return err
	}
	if o.stateDir == "" {
		dir, err := stateHome()
		if err != nil {
			return usage("--state-dir is missing, and there is no place for it: %v", err)
		}
		o.stateDir = filepath.Join(dir, "penstock", o.app)
	}
	if o.engine.Security, err = o.secure(a); err != nil {
		return err
	}
	if o.engine.Security != nil && len(o.brokers) == 0 {
		return usage("how to connect to Kafka is given, but no --brokers: the broker inside this process has neither TLS nor SASL")
	}
	o.engine.Brokers = o.brokers
	o.engine.App = o.app
	o.engine.StateDir = filepath.Join(o.stateDir, "tables")
	o.engine.Plan = p
	return nil
}

// nameApp names an application after its file where --app names none, and refuses a name that none
// can have: it becomes part of a path and of the names of topics.
func nameApp(app *string, file string) error {
	if *app == "" {
		*app = appName(file)
	}
	if *app == "" {
		return usage("--app is missing, and %s makes no name for an application", file)
	}
	if err := engine.CheckApp(*app); err != nil {
		return usage("--app: %v", err)
	}
	return nil
}

// appName makes a name from a file's: orders of examples/orders.sql.
func appName(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	name = regexp.MustCompile(`[^a-zA-Z0-9._-]+`).ReplaceAllString(name, "-")
	return strings.Trim(name, "-._")
}

// stateHome is where programs keep state, by the XDG convention.
func stateHome() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state"), nil
}

// memory is a flag for a size such as 512MiB.
type memory struct{ bytes *int64 }

// String, Set and Type make memory a flag.
func (m memory) String() string {
	if m.bytes == nil || *m.bytes == 0 {
		return ""
	}
	return human.Bytes(*m.bytes)
}

// Set reads a number of bytes with a unit: KiB, MiB, GiB or nothing.
func (m memory) Set(text string) error {
	for unit, size := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		number, ok := strings.CutSuffix(strings.TrimSpace(text), unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n > 0) || n > 1<<20 {
			break
		}
		*m.bytes = int64(n * float64(size))
		return nil
	}
	return fmt.Errorf("%q is no size, expected one such as 512MiB", text)
}

// Type is the word that help shows for the value.
func (memory) Type() string { return "size" }
