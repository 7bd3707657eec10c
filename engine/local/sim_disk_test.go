package local

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"penstock/storage"
)

// Disks that fail, in the simulator: an error at any operation of the file system, a disk that is
// full from there on, files that are not what was written. A process whose store failed closes it,
// opens it again, sets it aside when it is damaged, and catches up from the changelog; the results
// are those of the definition, as in every run.

// diskFaults is what goes wrong with the disks of a run.
type diskFaults struct {
	ops     atomic.Int64
	at      int64 // the operation that fails; 0: none
	rest    bool  // and all behind it, until the process begins again
	err     error
	damage  *rand.Rand // not nil: files change while a process is down
	mended  atomic.Bool
	hit     atomic.Bool
	errors  []string // in words
	asides  int
	damaged int
}

func (f *diskFaults) wrap(fs vfs.FS) vfs.FS { return errorfs.Wrap(fs, errorfs.InjectorFunc(f.check)) }

func (f *diskFaults) check(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileClose {
		return nil
	}
	n := f.ops.Add(1)
	if f.at == 0 || n < f.at || n > f.at && !f.rest || f.mended.Load() {
		return nil
	}
	f.hit.Store(true)
	return f.err
}

// reopen is what a process does with its store when it begins again.
func (f *diskFaults) reopen(d *pebbleDisk) error {
	if d.store != nil {
		_ = d.store.Close() // a store that failed says so again
	}
	d.store = nil
	if f.damage != nil && f.damage.IntN(3) == 0 {
		f.change(d.fs)
	}
	for range 5 {
		err := d.open()
		if err == nil {
			return nil
		}
		var e *storage.Error
		if !errors.As(err, &e) {
			return fmt.Errorf("open: not in words: %w", err)
		}
		f.errors = append(f.errors, err.Error())
		if errors.Is(err, storage.ErrCorrupt) {
			f.asides++
			_, err = storage.SetAside("state", d.options())
			if err == nil {
				continue
			}
		}
		f.mended.Store(true) // there is room again, the disk was changed
	}
	return errors.New("the store cannot be opened again")
}

// change does to the files what broken disks do.
func (f *diskFaults) change(fs *vfs.MemFS) {
	var paths []string
	for _, dir := range []string{"state", "state/db"} {
		names, err := fs.List(dir)
		if err != nil {
			continue
		}
		for _, n := range names {
			if info, err := fs.Stat(dir + "/" + n); err == nil && !info.IsDir() && n != "LOCK" {
				paths = append(paths, dir+"/"+n)
			}
		}
	}
	if len(paths) == 0 {
		return
	}
	f.damaged++
	r := f.damage
	a, b := paths[r.IntN(len(paths))], paths[r.IntN(len(paths))]
	data := contentsOf(fs, a)
	switch r.IntN(6) {
	case 0, 1:
		for range 1 + r.IntN(4) {
			if len(data) > 0 {
				data[r.IntN(len(data))] ^= 1 << r.IntN(8)
			}
		}
	case 2:
		data = data[:r.IntN(len(data)+1)]
	case 3:
		if len(data) > 0 {
			from := r.IntN(len(data))
			clear(data[from:min(len(data), from+512)])
		}
	case 4:
		_ = fs.Remove(a)
		return
	case 5:
		other := contentsOf(fs, b)
		replace(fs, b, data)
		data = other
	}
	replace(fs, a, data)
}

func contentsOf(fs vfs.FS, path string) []byte {
	file, err := fs.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	data, _ := io.ReadAll(file)
	return data
}

func replace(fs vfs.FS, path string, data []byte) {
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return
	}
	defer file.Close()
	if len(data) > 0 {
		_, _ = file.Write(append([]byte{}, data...)) // Write may change what it gets
	}
	_ = file.Sync()
}

// tolerate ends the processes whose store has failed: their supervisor begins them again.
func (s *sim) tolerate(err error) error {
	var e *storage.Error
	if err == nil || s.disk == nil || !errors.As(err, &e) {
		return err
	}
	s.disk.errors = append(s.disk.errors, err.Error())
	if len(s.disk.errors) > 50 {
		return fmt.Errorf("it fails for ever: %w", err)
	}
	for _, p := range s.procs {
		if d, ok := p.disk.(*pebbleDisk); ok && d.failed != nil {
			if err := s.crash(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// closed forgives a store on a bad disk that says so when it is closed: damage that nothing has
// read until then, found by a compaction.
func (s *sim) closed(err error) error {
	var e *storage.Error
	if s.disk != nil && errors.As(err, &e) {
		s.disk.errors = append(s.disk.errors, err.Error())
		return nil
	}
	return err
}

// diskRun is one run with faults of the disks. None of it may take longer than five seconds.
func diskRun(t *testing.T, seed uint64, f *diskFaults) {
	t.Helper()
	s := newSim(seed)
	s.disk = f
	for i := range steps {
		if name := steps[i].name; name == "sync" || name == "crash" || name == "restart" {
			s.chances.total += 15
			s.chances.weights[i] += 15
		}
	}
	done := make(chan error, 1)
	go func() { done <- s.run(100 + int(f.at/4)) }() // long enough to get there
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("seed %d, operation %d (rest %t, %v), damage %t: %v\nthe disk said %q\n%s", seed, f.at, f.rest, f.err, f.damage != nil, err, f.errors, s.text)
		}
	case <-time.After(60 * time.Second): // many stores are opened in a run; each call has 5 s in package storage's own tests
		buf := make([]byte, 1<<20)
		t.Fatalf("seed %d, operation %d: hangs\n%s", seed, f.at, buf[:runtime.Stack(buf, true)])
	}
	for _, text := range f.errors {
		if !strings.Contains(text, "disk") && !strings.Contains(text, "damaged") && !strings.Contains(text, "state") {
			t.Fatalf("seed %d: not in words: %s", seed, text)
		}
	}
}

// Errors of the disk at one operation after another, from the first on: PENSTOCK_DISK_FAULTS is how
// many operations, of which a run of all tests takes every fiftieth.
func TestErrorAtEveryOperationOfAnApplication(t *testing.T) {
	last, every := int64(2000), int64(50)
	if n := envInt(t, "PENSTOCK_DISK_FAULTS", 0); n > 0 {
		last, every = int64(n), 1
	}
	hit, said := 0, 0
	for at := int64(1); at <= last; at += every {
		f := &diskFaults{at: at, rest: at%3 == 0, err: syscall.EIO}
		if at%2 == 0 {
			f.err = syscall.ENOSPC
		}
		diskRun(t, uint64(at), f)
		if f.hit.Load() {
			hit++
		}
		if len(f.errors) > 0 {
			said++
		}
	}
	t.Logf("%d operations failed, %d stores ended in words, the others went on", hit, said)
	if hit == 0 || said == 0 {
		t.Error("nothing failed")
	}
}

// damageChild makes the test a child that runs seeds, from this one on.
const damageChild = "PENSTOCK_DISK_CHILD"

// Files that changed while a process was down: PENSTOCK_DISK_DAMAGE is how many of them, PENSTOCK_SEED
// runs one seed again. The runs are in a child: damage can make Pebble assert in a goroutine of its own,
// which ends the process. Then the next process sets the state aside, which is storage's
// TestPanicInPebble; here the next child goes on with the next seed. Once in some thousand damages.
func TestDamagedFilesOfAnApplication(t *testing.T) {
	if first := envInt(t, damageChild, 0); first != 0 {
		runDamages(t, uint64(first), envInt(t, "PENSTOCK_DISK_DAMAGE", 0))
		return
	}
	want, first := envInt(t, "PENSTOCK_DISK_DAMAGE", 25), 1+rand.Uint64N(1<<40)
	if one := envInt(t, "PENSTOCK_SEED", 0); one != 0 {
		first, want = uint64(one), 1
	}
	t.Logf("PENSTOCK_SEED=%d is the first; that alone runs one seed again", first)
	damaged, asides, panics := 0, 0, 0
	for damaged < want {
		child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%d", damageChild, first), fmt.Sprintf("PENSTOCK_DISK_DAMAGE=%d", want-damaged))
		out, err := child.CombinedOutput()
		for _, m := range damageLine.FindAllStringSubmatch(string(out), -1) {
			number := func(i int) int { n, _ := strconv.Atoi(m[i]); return n }
			first, damaged, asides = uint64(number(1))+1, damaged+number(2), asides+number(3)
		}
		if err == nil {
			continue
		}
		if !assertedInPebble(string(out)) {
			t.Fatalf("PENSTOCK_SEED=%d: %v\n%s", first, err, out)
		}
		t.Logf("PENSTOCK_SEED=%d ended in an assertion of Pebble's: %s", first, regexp.MustCompile(`(?m)^panic: .*$`).Find(out))
		if panics++; panics > 1+want/500 {
			t.Fatal("too often")
		}
		first++
		damaged++
	}
	t.Logf("%d files changed, %d stores set aside, %d processes ended by an assertion of Pebble's", damaged, asides, panics)
}

var damageLine = regexp.MustCompile(`(?m)^seed (\d+): (\d+) files changed, (\d+) stores set aside$`)

// runDamages runs seeds until so many files have been changed.
func runDamages(t *testing.T, first uint64, want int) {
	for n, damaged := first, 0; damaged < want; n++ {
		f := &diskFaults{damage: rand.New(rand.NewPCG(n, 5))}
		diskRun(t, n, f)
		damaged += f.damaged
		fmt.Printf("seed %d: %d files changed, %d stores set aside\n", n, f.damaged, f.asides)
	}
}

// assertedInPebble tells whether a process ended in a panic in a goroutine that Pebble started.
func assertedInPebble(out string) bool {
	_, stack, panicked := strings.Cut(out, "\npanic: ")
	_, stack, _ = strings.Cut(stack, "\ngoroutine ")
	stack, _, _ = strings.Cut(stack, "\n\n")
	return panicked && strings.Contains(stack, "\ncreated by github.com/cockroachdb/pebble/")
}
