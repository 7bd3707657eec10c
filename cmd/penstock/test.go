package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"penstock/engine/script"
)

type testOptions struct {
	run      string
	verbose  bool
	json     bool
	junit    string
	update   bool
	fuzz     int
	seed     uint64
	brokers  []string
	embedded bool
	security securityFlags
}

//go:embed test_help.txt
var testHelp string

func newTest(a *app) *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test [FILE|DIR|DIR/...]",
		Short: "Run the tests of query files, in milliseconds and without a broker",
		Long:  testHelp,
		Example: `  penstock test examples/orders/orders.sqltest
  penstock test --run 'late' -v ./...
  penstock test --fuzz 100 examples/...`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.test(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "run only tests whose names match this regular expression")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "name the tests that passed, too")
	f.BoolVar(&o.json, "json", false, "print a line of JSON for each test")
	f.StringVar(&o.junit, "junit", "", "also write a JUnit report to this file")
	f.BoolVar(&o.update, "update", false, "write what was got into the files, for review as a diff")
	f.IntVar(&o.fuzz, "fuzz", 0, "run each test so many times more, with flushes cut and partitions interleaved at random")
	f.Uint64Var(&o.seed, "seed", 0, "where --fuzz begins, to run the same again; default: anywhere")
	f.StringSliceVarP(&o.brokers, "brokers", "b", nil, "run through this Kafka instead of in the process")
	o.security.add(f)
	f.BoolVar(&o.embedded, "embedded", false, "run through a broker inside this process")
	return cmd
}

// tested counts what happened to the tests of a run.
type tested struct {
	results []*script.Result
	failed  int
	faulty  bool
}

func (a *app) test(ctx context.Context, args []string, o testOptions) error {
	files, err := script.Find(args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return usage("no test files here").hint("they are named like the query file they test: orders.sqltest tests orders.sql").
			hint("with folders below: penstock test ./...")
	}
	opts := script.Options{}
	if o.run != "" {
		if opts.Run, err = regexp.Compile(o.run); err != nil {
			return usage("--run: %v", err)
		}
	}
	if o.fuzz > 0 && o.seed == 0 {
		o.seed = rand.Uint64N(1<<31) + 1
	}
	stop, err := a.testKafka(ctx, &opts, o)
	if err != nil {
		return err
	}
	defer stop()
	var all tested
	for _, file := range files {
		if err := a.testFile(ctx, file, opts, o, &all); err != nil {
			return err
		}
	}
	if o.junit != "" {
		var b bytes.Buffer
		if err := script.WriteJUnit(&b, all.results); err != nil {
			return err
		}
		if err := os.WriteFile(o.junit, b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", o.junit, plainPathError(err))
		}
	}
	return a.testSummary(&all, o)
}

// testFile runs the tests of a file, and those of a fuzz again and again.
func (a *app) testFile(ctx context.Context, file string, opts script.Options, o testOptions, all *tested) error {
	text, err := a.readFile(file)
	if err != nil {
		return err
	}
	var here []*script.Result
	each := func(r *script.Result) {
		here = append(here, r)
		a.testResult(r, o, all, "")
	}
	err = script.RunFile(ctx, file, text, opts, each)
	var fault *script.Fault
	if errors.As(err, &fault) {
		all.faulty = true
		a.showDiagnostics(fault.File, fault.Text, fault.Diagnostics)
		return nil
	}
	if err != nil {
		return err
	}
	if o.update {
		if now := script.Update(text, here); now != text {
			if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
				return fmt.Errorf("write %s: %w", file, plainPathError(err))
			}
			a.say("updated %s", file)
		}
	}
	for n := range uint64(max(0, o.fuzz)) {
		seed := o.seed + n
		around := script.Circumstances{Folds: 1 + int(seed%4), Processes: 1 + int(seed%2), Seed: seed, CrashShare: 0.05, Tiny: seed%5 == 0}
		fuzzed := opts
		fuzzed.Circumstances = around
		note := fmt.Sprintf("with --fuzz 1 --seed %d", seed)
		if err := script.RunFile(ctx, file, text, fuzzed, func(r *script.Result) { a.testResult(r, o, all, note) }); err != nil {
			return err
		}
	}
	return nil
}

// testResult shows how a test went. Of a fuzz, only what failed.
func (a *app) testResult(r *script.Result, o testOptions, all *tested, note string) {
	if note != "" && r.Passed() {
		return
	}
	all.results = append(all.results, r)
	if r.Fault != nil {
		all.faulty = true
	} else if !r.Passed() {
		all.failed++
	}
	switch {
	case o.json:
		_, _ = a.stdout.Write(r.JSON())
	case o.update && r.Fault == nil:
	default:
		fmt.Fprint(a.stdout, r.Text(o.verbose))
		if note != "" {
			fmt.Fprintf(a.stdout, "    %s\n", note)
		}
	}
}

// testSummary prints the last line and decides on the exit code.
func (a *app) testSummary(all *tested, o testOptions) error {
	if !o.json && !o.update {
		word := "ok"
		if all.failed > 0 || all.faulty {
			word = "FAIL"
		}
		fmt.Fprintf(a.stdout, "%s  %d of %d tests passed\n", word, len(all.results)-all.failed-faults(all.results), len(all.results))
		if o.fuzz > 0 {
			fmt.Fprintf(a.stdout, "    each again %d times at random, --seed %d\n", o.fuzz, o.seed)
		}
	}
	switch {
	case all.faulty:
		return errSilent(exitInvalid)
	case all.failed > 0 && !o.update:
		return errSilent(exitFailed)
	}
	return nil
}

func faults(results []*script.Result) int {
	n := 0
	for _, r := range results {
		if r.Fault != nil {
			n++
		}
	}
	return n
}
