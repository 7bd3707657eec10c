package storage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// panicEnv makes the test binary a process that ends in a panic with an open store: "pebble" in a
// goroutine of Pebble's, anything else in one of its own. The directory is in holdEnv.
const panicEnv = "PENSTOCK_TEST_PANIC"

// panicWithStore never returns.
func panicWithStore(dir, where string) {
	var armed atomic.Bool
	o := real()
	o.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			panic("an assertion in a flush")
		}
		return nil
	}))
	s, err := Open(dir, o)
	if err != nil {
		panic(err)
	}
	if err := s.Partition("t", 0).Apply(func(b *Batch) error { b.Set([]byte("k"), []byte("v")); return nil }, 7); err != nil {
		panic(err)
	}
	if where != "pebble" {
		if err := s.Flush(); err != nil {
			panic(err)
		}
		panic("a mistake of the program")
	}
	armed.Store(true)
	_ = s.Flush()
	select {} // the flush is in another goroutine, which ends the process
}

func panicIn(t *testing.T, dir, where, say string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holdEnv+"="+dir, panicEnv+"="+where)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "panic: "+say) {
		t.Fatalf("the other process ended with %v:\n%s", err, out)
	}
}

// TestPanicInPebble: a panic in a goroutine of Pebble's ends the process, and nobody can prevent that.
// The next one does not go on with what made it panic.
func TestPanicInPebble(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	panicIn(t, dir, "pebble", "an assertion in a flush")
	_, err := Open(dir, real())
	expect(t, err, ErrCorrupt, dir, "the last process with the state in D ended in a panic of its store (panic: an assertion in a flush), which may be damaged: set it aside, it is recovered from the changelog")
	if _, err := SetAside(dir, real()); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir, real())
	if _, ok := s.Partition("t", 0).Offset(); ok {
		t.Error("state set aside is still there")
	}
	if words, err := os.ReadFile(filepath.Join(dir, panicFile+".last")); err != nil || !strings.Contains(string(words), "an assertion in a flush") {
		t.Errorf("the last words were not kept: %q, %v", words, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, panicFile)); !isNotExist(err) {
		t.Errorf("a clean end left last words: %v", err)
	}
}

// TestPanicElsewhere: a panic of the program itself is no damage.
func TestPanicElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for range 2 {
		panicIn(t, dir, "own", "a mistake of the program")
	}
	s := mustOpen(t, dir, real())
	if at, ok := s.Partition("t", 0).Offset(); !ok || at != 7 {
		t.Errorf("the offset is %d, %t", at, ok)
	}
	if _, err := os.Stat(filepath.Join(dir, panicFile+".last")); err != nil {
		t.Errorf("the last words were not kept: %v", err)
	}
}

// A file of the name of the description in somebody else's directory is nothing to be set aside.
func TestNothingOfOthersIsSetAside(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{metaFile, "main.tf"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir, real()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("open: %v", err)
	}
	_, err := SetAside(dir, real())
	expect(t, err, ErrDirectory, dir, "the state directory D holds files that are not state (main.tf): name another one with --state-dir")
	if data, err := os.ReadFile(filepath.Join(dir, metaFile)); err != nil || string(data) != "{}" {
		t.Errorf("it was touched: %q, %v", data, err)
	}
}
