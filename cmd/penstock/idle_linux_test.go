package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"penstock/engine/broker"
	"penstock/examples"
)

// What an engine with nothing to do may take. A machine that is busy makes every waking dearer, so the
// share of a core has room, and the wakings are counted beside it: its threads sleep and wake 150 to 200
// times a second. One that looks around every tenth of a second does so 800 times.
const (
	idleShare    = 0.02
	idleSwitches = 400
	idleResident = 80 << 20
)

// TestIdle: an engine whose topics are drained sleeps, but for the results of its idle clocks.
func TestIdle(t *testing.T) {
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	dir := t.TempDir()
	file, rows := filepath.Join(dir, "orders.sql"), filepath.Join(dir, "orders.csv")
	var text bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&text, "2026-11-22 10:00:00,%d,%d,EPE,710,51.00,B\n", i, i%7)
	}
	for name, content := range map[string][]byte{file: []byte(examples.Orders), rows: text.Bytes()} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	startProcess(t, "produce", "orders", rows, "--partitions", "4", "--brokers", b.Addr()).leave(exitDone)
	p := startProcess(t, "run", file, "--brokers", b.Addr(), "--state-dir", filepath.Join(dir, "state"), "--http", "127.0.0.1:0")
	p.await("ready in")

	// It may take a while until it has nothing to do, and something else may disturb the machine.
	const span, spans = 6 * time.Second, 4
	var seen []string
	for range spans {
		before, slept, began := cpuTime(t, p.cmd.Process.Pid), switches(t, p.cmd.Process.Pid), time.Now()
		<-time.After(span) // what is measured is what happens in this time, not an event
		took := time.Since(began).Seconds()
		share := (cpuTime(t, p.cmd.Process.Pid) - before).Seconds() / took
		often := float64(switches(t, p.cmd.Process.Pid)-slept) / took
		resident := residentBytes(t, p.cmd.Process.Pid)
		seen = append(seen, fmt.Sprintf("%.2f %% of a core, %.0f switches/s, %d MiB", 100*share, often, resident>>20))
		if share <= idleShare && often <= idleSwitches && resident <= idleResident {
			t.Log(seen)
			p.stop(os.Interrupt, exitDone)
			return
		}
	}
	t.Errorf("never in %d times %v within %.1f %%, %d switches/s and %d MiB: %q", spans, span, 100*idleShare, idleSwitches, idleResident>>20, seen)
}

// cpuTime is what a process has used of all cores.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go runs on
	_, rest, _ := bytes.Cut(readProc(t, pid, "stat"), []byte(") "))
	f := bytes.Fields(rest)
	const utime, stime = 11, 12 // fields 14 and 15 of all
	if len(f) <= stime {
		t.Fatalf("/proc/%d/stat has %d fields", pid, len(f))
	}
	return time.Duration(number(t, f[utime])+number(t, f[stime])) * tick
}

// switches is how often the threads of a process have gone to sleep.
func switches(t *testing.T, pid int) (n int64) {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	const field = "voluntary_ctxt_switches:"
	for _, thread := range threads {
		for line := range bytes.Lines(readProc(t, pid, filepath.Join("task", thread.Name(), "status"))) {
			if count, ok := bytes.CutPrefix(line, []byte(field)); ok {
				n += number(t, bytes.TrimSpace(count))
			}
		}
	}
	return n
}

// residentBytes is what a process has of the machine's memory.
func residentBytes(t *testing.T, pid int) int64 {
	t.Helper()
	f := bytes.Fields(readProc(t, pid, "statm"))
	if len(f) < 2 {
		t.Fatalf("/proc/%d/statm has %d fields", pid, len(f))
	}
	return number(t, f[1]) * int64(os.Getpagesize())
}

func readProc(t *testing.T, pid int, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t *testing.T, text []byte) int64 {
	t.Helper()
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
