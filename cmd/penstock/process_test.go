package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/engine/broker"
)

// patience is how long tests wait for what takes a second, on machines with other things to do.
const patience = 2 * time.Minute

// process is the binary running beside a test, with its stderr read line by line.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(self, args...), lines: make(chan string, 10_000)}
	p.cmd.Args[0] = "penstock"
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// await returns the next line on stderr that contains what.
func (p *process) await(what string) string {
	p.t.Helper()
	limit := time.After(patience)
	var seen []string
	for {
		select {
		case l, ok := <-p.lines:
			if seen = append(seen, l); strings.Contains(l, what) {
				return l
			}
			if !ok {
				p.t.Fatalf("the process ended without %q on stderr:\n%s", what, strings.Join(seen, "\n"))
			}
		case <-limit:
			p.t.Fatalf("waited in vain for %q on stderr:\n%s", what, strings.Join(seen, "\n"))
		}
	}
}

// stop sends a signal and requires the exit code, within a few seconds.
func (p *process) stop(s os.Signal, code int) {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	p.leave(code)
	if d := time.Since(began); d > patience/2 {
		p.t.Errorf("stopping took %v", d)
	}
}

// leave waits for the end of the process and requires the exit code.
func (p *process) leave(code int) {
	p.t.Helper()
	for range p.lines {
		// the rest of stderr, to its end
	}
	err := p.cmd.Wait()
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d (%v), expected %d", got, err, code)
	}
}

const clicksSQL = `CREATE STREAM clicks (page VARCHAR) WITH (topic = 'clicks');
CREATE METRIC VIEWS AS SELECT COUNT(*) FROM clicks WINDOW TUMBLING (SIZE 1 SECOND) EMIT FINAL;
`

// TestRunUntilSignal: SIGINT and SIGTERM stop a run cleanly, with exit code 0; a second process on
// the same state is told so; the broker inside the process keeps its topics.
func TestRunUntilSignal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clicks.sql")
	if err := os.WriteFile(file, []byte(clicksSQL), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", file, "--state-dir", filepath.Join(dir, "state"), "--broker-listen", "127.0.0.1:0"}
	p := startProcess(t, args...)
	ready := p.await("ready in")
	if !strings.Contains(ready, "1 stream, 1 metric, 1 source partition here, broker in this process at 127.0.0.1:") {
		t.Error(ready)
	}
	other := startProcess(t, args...)
	other.await("error[P5002]")
	other.leave(exitState)
	p.stop(os.Interrupt, exitDone)

	p = startProcess(t, args...)
	p.await("ready in")
	p.stop(syscall.SIGTERM, exitDone)
}

// TestStateInUse: two engines on one broker, one state directory.
func TestStateInUse(t *testing.T) {
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "clicks.sql")
	if err := os.WriteFile(file, []byte(clicksSQL), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", file, "--state-dir", filepath.Join(dir, "state"), "--brokers", b.Addr(), "--create-topics"}
	p := startProcess(t, args...)
	p.await("ready in")
	other := startProcess(t, args...)
	if l := other.await("error["); !strings.Contains(l, "error[P5002]") {
		t.Error(l)
	}
	other.leave(exitState)
	p.stop(os.Interrupt, exitDone)
}
