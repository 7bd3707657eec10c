package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestResetOfARun: with the broker inside the process, reset refuses while it runs, and afterwards it
// works on the topics that the run has kept; what was produced stays and is read again.
func TestResetOfARun(t *testing.T) {
	dir := t.TempDir()
	file, lines := filepath.Join(dir, "clicks.sql"), filepath.Join(dir, "lines")
	for name, text := range map[string]string{file: clicksSQL, lines: "a\nb\nc\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(dir, "state")
	run := []string{"run", file, "--state-dir", state, "--broker-listen", "127.0.0.1:0", "--http", "off"}
	reset := func(code int, say string, more ...string) {
		t.Helper()
		got, said := command(t, []string{"PENSTOCK_YES=1"}, append([]string{"reset", file, "--state-dir", state}, more...)...)
		if got != code || !strings.Contains(said, say) {
			t.Fatalf("exit code %d, expected %d with %q:\n%s", got, code, say, said)
		}
	}
	p := startProcess(t, run...)
	_, address, _ := strings.Cut(p.await("ready in"), "broker in this process at ")
	if code, said := command(t, nil, "produce", "clicks", lines, "-b", address); code != exitDone {
		t.Fatal(said)
	}
	reset(exitState, "error[P5002]", "--yes")
	reset(exitState, "error[P5002]: the state in "+filepath.Join(state, "tables")+" is in use by process", "--yes", "-b", address)
	reset(exitState, `error[P5002]: application "clicks" is running`, "--yes", "-b", address, "--state-dir", filepath.Join(dir, "other"))
	p.stop(os.Interrupt, exitDone)

	reset(exitDone, "nothing was deleted")
	reset(exitDone, "stream clicks, 3 offsets; read again from its start", "--yes")
	p = startProcess(t, append(run, "--exit-when-caught-up")...)
	p.await("clicks: read 3 = decoded 3 + bad 0")
	p.leave(exitDone)
}
