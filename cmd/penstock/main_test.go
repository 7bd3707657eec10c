package main

import (
	"flag"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"penstock/engine/broker"
)

// TestMain makes the test binary stand in for penstock itself when a script runs it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"penstock": main, "watch": fakeWatch, "prompt": fakePrompt})
}

// rewrite is the flag of `make golden`, the same as in packages that use datadriven.
var rewrite = flag.Bool("rewrite", false, "write what the scripts printed into them")

// TestScripts runs every script of testdata against the real binary. A script finds an embedded
// broker of its own at $PENSTOCK_BROKERS, and an address nobody listens on in $FREE.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       *rewrite,
		Setup: func(env *testscript.Env) error {
			b, err := broker.Start(broker.Options{})
			if err != nil {
				return err
			}
			env.Defer(func() { b.Close() })
			free, err := freeAddress()
			if err != nil {
				return err
			}
			env.Setenv("PENSTOCK_BROKERS", b.Addr())
			env.Setenv("FREE", free)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"lines": lineCount,
		},
	})
}

// freeAddress returns an address on loopback that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// exits runs a command and requires an exit code: exits 2 penstock tial.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command [argument...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("%s: exit code %s, expected %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// lineCount requires a file, or stdout, to have so many lines: lines stdout 10.
func lineCount(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines FILE COUNT")
	}
	text := ts.ReadFile(args[0])
	if got := fmt.Sprint(strings.Count(text, "\n")); got != args[1] {
		ts.Fatalf("%s has %s lines, expected %s", args[0], got, args[1])
	}
}

// TestExamplesInHelp: every command has a help text with two examples at least, and each example
// names a command and flags that exist.
func TestExamplesInHelp(t *testing.T) {
	root := newRoot(newApp())
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			continue
		}
		if n := strings.Count(cmd.Example, "penstock "); n < 2 {
			t.Errorf("%s: %d examples, expected two", cmd.Name(), n)
		}
		if cmd.Short == "" {
			t.Errorf("%s: no short help", cmd.Name())
		}
		for _, line := range strings.Split(cmd.Example, "\n") {
			for _, part := range strings.Split(line, "|") {
				words := strings.Fields(part)
				if len(words) < 2 || words[0] != "penstock" {
					continue
				}
				checkExample(t, words[1:])
			}
		}
	}
}

func checkExample(t *testing.T, words []string) {
	t.Helper()
	cmd, _, err := newRoot(newApp()).Find(words)
	if err != nil || cmd.Name() == "penstock" {
		t.Errorf("example %q: no such command", words)
		return
	}
	for i, w := range words {
		if cmd.Name() == "config" && i > 0 && !strings.HasPrefix(w, "-") && w != ">" {
			checkExample(t, words[i:]) // what it is asked about
			return
		}
		name, isFlag := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && cmd.Flag(name) == nil {
			t.Errorf("example %q: no flag --%s", words, name)
		}
	}
}
