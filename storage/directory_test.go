package storage

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// holdEnv makes the test binary a process that holds a store; see TestMain.
const holdEnv = "PENSTOCK_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdEnv); dir != "" {
		if where := os.Getenv(panicEnv); where != "" {
			panicWithStore(dir, where)
		}
		s, err := Open(dir, Options{MinFreeBytes: -1})
		fmt.Println("open:", err)
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the parent lets go
		if s != nil {
			_ = s.Close()
		}
		return
	}
	os.Exit(m.Run())
}

func real() Options { return Options{App: "trades", Version: "v0.8", MinFreeBytes: -1} }

// expect checks the kind of an error and its whole text, with the directory as D.
func expect(t *testing.T, err, kind error, dir, want string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got %v, want kind %v", err, kind)
		return
	}
	if got := strings.ReplaceAll(err.Error(), dir, "D"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSecondOpenerIsToldOfTheFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holdEnv+"="+dir)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "open: <nil>\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	pid := child.Process.Pid
	_, err = Open(dir, real())
	expect(t, err, ErrInUse, dir, fmt.Sprintf("the state in D is in use by process %d: stop it with kill %d, or name another directory with --state-dir", pid, pid))
	var e *Error
	if !errors.As(err, &e) || e.PID != pid {
		t.Errorf("PID = %+v", e)
	}
	_ = in.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}

	s := mustOpen(t, dir, real())
	_, err = Open(dir, real())
	expect(t, err, ErrInUse, dir, fmt.Sprintf("the state in D is in use by this process (pid %d): open it once, or name another directory with --state-dir", os.Getpid()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, real())
}

func TestDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	mustOpen(t, dir, real())
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
}

func TestDirectoryThatIsNotOurs(t *testing.T) {
	base := t.TempDir()
	path := func(name string) string { return filepath.Join(base, name) }
	write := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path(name), []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("file")
	_, err := Open(path("file"), real())
	expect(t, err, ErrDirectory, path("file"), "the state directory D is a file: name another one with --state-dir")

	for _, name := range []string{"e.txt", "a.txt", "c.txt", "b.txt"} {
		write("home/" + name)
	}
	_, err = Open(path("home"), real())
	expect(t, err, ErrDirectory, path("home"), "the state directory D holds files that are not state (a.txt, b.txt, c.txt and 1 more): name another one with --state-dir")
	if names, err := os.ReadDir(path("home")); err != nil || len(names) != 4 {
		t.Errorf("the refused directory was touched: %v, %v", names, err)
	}

	if err := os.Symlink(path("elsewhere"), path("link")); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path("link"), real())
	expect(t, err, ErrDirectory, path("link"), "the state directory D is a symbolic link: name the directory it points to, "+path("elsewhere"))

	refuse := func(with error) Options {
		o := real()
		o.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpLock {
				return &os.PathError{Op: "open", Path: op.Path, Err: with}
			}
			return nil
		}))
		return o
	}
	_, err = Open(path("readonly"), refuse(syscall.EROFS))
	expect(t, err, ErrDirectory, path("readonly"), "the state directory D is on a read-only file system: name another one with --state-dir: open D/LOCK: read-only file system")
	_, err = Open(path("theirs"), refuse(syscall.EACCES))
	expect(t, err, ErrDirectory, path("theirs"), "the state directory D cannot be written to by this user: name another one with --state-dir: open D/LOCK: permission denied")
}

func TestStateOfSomebodyElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := mustOpen(t, dir, real())
	mustApply(t, s.Partition("t", 0), 1, func(b *Batch) { b.Set([]byte("k"), []byte("v")) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other := real()
	other.App = "clicks"
	_, err := Open(dir, other)
	expect(t, err, ErrOtherApp, dir, `the state in D belongs to application "trades", this is "clicks": run it with --app trades, or name another directory with --state-dir`)

	file := filepath.Join(dir, metaFile)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.NewReplacer(`"format": 2`, `"format": 7`, `"v0.8"`, `"v0.9"`).Replace(string(data))
	sum, _ := metaSum([]byte(newer))
	at := strings.LastIndex(newer, `"sum": "`) + len(`"sum": "`)
	newer = newer[:at] + sum + newer[at+len(sum):]
	if err := os.WriteFile(file, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, real())
	expect(t, err, ErrNewerFormat, dir, "the state in D was written by penstock v0.9 (format 7), this is v0.8 (format 2): use that version, or name another directory with --state-dir")
	if _, err := SetAside(dir, real()); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("SetAside of newer state: %v", err)
	}

	if err := os.WriteFile(file, data[:20], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(dir, real()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a cut description: %v", err)
	}
	if _, err := SetAside(dir, real()); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, real())
	if _, ok := s.Partition("t", 0).Offset(); ok {
		t.Error("state set aside is still there")
	}
}

// Every bit of the description counts: one that changed must not make it somebody else's, whose
// state nobody sets aside.
func TestEveryBitOfTheDescription(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs)
	o.App = "trades"
	s := mustOpen(t, "state", o)
	if err := s.SetMeta("instance", "4f"); err != nil {
		t.Fatal(err)
	}
	mustApply(t, s.Partition("t", 0), 1, func(b *Batch) { b.Set([]byte("k"), []byte("v")) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := "state/" + metaFile
	data := readFile(t, fs, path)
	for bit := range len(data) * 8 {
		data[bit/8] ^= 1 << (bit % 8)
		writeFile(t, fs, path, data)
		if _, err := readMeta(fs, "state"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("bit %d of %q: %v", bit%8, data[max(0, bit/8-10):min(len(data), bit/8+10)], err)
		}
		data[bit/8] ^= 1 << (bit % 8)
	}
}
