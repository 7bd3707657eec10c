// Command bench prints what engine/bench measures: for each profile a table of reading alone, a
// program written by hand, the engine, its recoveries and its latency, on Apache Kafka where Java and
// Maven are there and else on the embedded broker.
//
// It is no part of the penstock binary, which it runs: it needs what tests need to start a Kafka.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/cmd/penstock/gen"
	"penstock/engine/bench"
	"penstock/engine/broker/kafkatest"
	"penstock/examples"
)

func main() {
	bench.Child(lines)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		stop()
		os.Exit(1)
	}
}

func lines(p bench.Profile) (func([]byte) []byte, error) {
	g, err := gen.New(gen.Options{Seed: 1, Clients: p.Clients, Symbols: p.Symbols})
	if err != nil {
		return nil, err
	}
	return g.Next, nil
}

type options struct {
	binary, kafka, profiles, live string
	liveFor                       time.Duration
	memory                        string
	keep                          bool
}

func run(ctx context.Context, args []string) error {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "bin/penstock", "the binary that is measured")
	f.StringVar(&o.kafka, "kafka", "auto", "broker: auto, apache or embedded")
	f.StringVar(&o.profiles, "profiles", "small:4000000 large:2000000", "what to measure: small, large, wide, and fat (a state of a gigabyte), each with or without :ROWS")
	f.StringVar(&o.live, "live", "10000 100000", "orders per second for the latency, measured beside the first profile; empty leaves it out")
	f.DurationVar(&o.liveFor, "live-for", 16*time.Second, "how long the latency is measured at each rate; each second is four results")
	f.StringVar(&o.memory, "memory", "512MiB", "--memory of the engine")
	f.BoolVar(&o.keep, "keep", false, "keep the states, and say where they are")
	if err := f.Parse(args); err != nil {
		return err
	}
	profiles, err := parseProfiles(o.profiles)
	if err != nil {
		return err
	}
	rates, err := parseRates(o.live)
	if err != nil {
		return err
	}
	if err := o.startTimes(ctx); err != nil {
		return err
	}
	for _, p := range profiles {
		if err := o.measure(ctx, p, rates); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		rates = nil
	}
	return nil
}

func parseProfiles(text string) ([]bench.Profile, error) {
	var list []bench.Profile
	for _, word := range strings.Fields(text) {
		name, rows, given := strings.Cut(word, ":")
		i := slices.IndexFunc(bench.Profiles, func(p bench.Profile) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no profile %q, expected small, large, wide or fat", name)
		}
		p := bench.Profiles[i]
		if given {
			n, err := strconv.Atoi(rows)
			if err != nil || n < 1000 {
				return nil, fmt.Errorf("profile %q: expected at least 1000 rows behind the colon", word)
			}
			p.Rows = n
		}
		list = append(list, p)
	}
	return list, nil
}

func parseRates(text string) ([]int, error) {
	var list []int
	for _, word := range strings.Fields(text) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 100 {
			return nil, fmt.Errorf("live rate %q, expected orders per second, 100 or more", word)
		}
		list = append(list, n)
	}
	return list, nil
}

// startTimes prints how long the binary takes to check a file, and to do nothing.
func (o options) startTimes(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "penstock-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "orders.sql")
	if err := os.WriteFile(file, []byte(examples.Orders), 0o600); err != nil {
		return err
	}
	check, err := bench.StartTime(ctx, 20, o.binary, "check", file)
	if err != nil {
		return err
	}
	version, err := bench.StartTime(ctx, 20, o.binary, "version")
	if err != nil {
		return err
	}
	fmt.Printf("%d cores, %s\nexec to exit, median of 20: check of the orders example %s, version %s\n",
		runtime.NumCPU(), runtime.Version(), check.Round(100*time.Microsecond), version.Round(100*time.Microsecond))
	return nil
}

// measure runs one profile on a broker of its own.
func (o options) measure(ctx context.Context, p bench.Profile, rates []int) (err error) {
	dir, err := os.MkdirTemp("", "penstock-bench-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Println("states are in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	addr, name, stop, err := o.broker(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	shape := fmt.Sprintf("%d clients, %d symbols, %d orders", p.Clients, p.Symbols, p.Rows)
	if p.Fat {
		shape = fmt.Sprintf("%d rows with a key each", p.Rows)
	}
	fmt.Printf("\n%s: %s in 4 partitions, on %s, --memory %s\n", p.Name, shape, name, o.memory)
	bench.Header(os.Stdout)
	_, err = bench.Run(ctx, bench.Options{
		Profile: p, Query: examples.Orders, Binary: o.binary, Brokers: []string{addr}, Dir: dir,
		Flags: []string{"--memory", o.memory}, Live: rates, LiveFor: o.liveFor, Out: os.Stdout,
	})
	return err
}

// broker starts an Apache Kafka with room to breathe, or the embedded broker in a process of its own.
func (o options) broker(ctx context.Context) (addr, name string, stop func() error, err error) {
	switch o.kafka {
	case "auto", "apache":
		c, err := kafkatest.Start(ctx, kafkatest.Options{Java: []string{"-Xmx1g", "-XX:+UseG1GC"}})
		if err == nil {
			return c.Addrs()[0], "Apache Kafka " + kafkatest.Version, c.Stop, nil
		}
		var missing *kafkatest.Unavailable
		if o.kafka == "apache" || !errors.As(err, &missing) {
			return "", "", nil, err
		}
		fmt.Fprintln(os.Stderr, err)
	case "embedded":
	default:
		return "", "", nil, fmt.Errorf("-kafka %q, expected auto, apache or embedded", o.kafka)
	}
	return o.embedded(ctx)
}

// embedded starts `penstock broker`, which prints its address when it listens.
func (o options) embedded(ctx context.Context) (addr, name string, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, o.binary, "broker", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", "", nil, err
	}
	stop = func() error {
		err := cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		return err
	}
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		return "", "", nil, errors.Join(fmt.Errorf("the broker names no address: %w", err), stop())
	}
	return addr, "the embedded broker", stop, nil
}
