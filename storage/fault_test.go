package storage

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var faultEvery = flag.Int("fault.every", 7, "fail every n-th file-system operation of the workload, one run each")

// tooLong is the longest any call may take on a disk that fails.
const tooLong = patience * 5 * time.Second

// inTime runs f and fails the test, with all stacks, when it hangs.
func inTime(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(tooLong):
		buf := make([]byte, 1<<20)
		t.Fatalf("%s takes more than %v\n%s", what, tooLong, buf[:runtime.Stack(buf, true)])
	}
}

// failing is a file system of which one operation fails, or all from there on.
type failing struct {
	vfs.FS
	ops   atomic.Int64
	from  int64 // first operation that fails; 0: none does
	until int64 // last one
	err   error
	reads bool // count reads, not writes
	what  atomic.Value
}

func newFailing(fs vfs.FS) *failing {
	f := &failing{}
	f.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(f.check))
	return f
}

func (f *failing) check(op errorfs.Op) error {
	if (op.Kind.ReadOrWrite() == errorfs.OpIsRead) != f.reads || op.Kind == errorfs.OpFileClose {
		return nil
	}
	n := f.ops.Add(1)
	if f.from == 0 || n < f.from || n > f.until {
		return nil
	}
	f.what.CompareAndSwap(nil, fmt.Sprintf("operation %d, kind %d on %s", n, op.Kind, op.Path))
	return f.err
}

// work opens, writes, reads, flushes and closes. It returns what was refused,
// and tells m what was taken.
func work(dir string, opts Options, m *model) (err error) {
	s, err := Open(dir, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	p := s.Partition("table", 0)
	if m.has, _ = p.Offset(); m.at[m.has] != nil {
		m.now = m.at[m.has]
	}
	for i := range 60 {
		m.last++
		rows := map[string]string{}
		for k, v := range m.now {
			rows[k] = v
		}
		err := p.Apply(func(b *Batch) error {
			for j := range 20 {
				k, v := fmt.Sprintf("k%03d", (i*7+j)%100), fmt.Sprintf("%0200d", m.last)
				b.Set([]byte(k), []byte(v))
				rows[k] = v
			}
			return nil
		}, m.last)
		if err != nil {
			return err
		}
		m.now, m.has, m.at[m.last] = rows, m.last, rows
		if i%20 == 19 {
			if err := s.Flush(); err != nil {
				return err
			}
			m.flushed()
		}
		if v, err := p.Get([]byte("k050")); err != nil {
			return err
		} else if string(v) != rows["k050"] {
			return fmt.Errorf("wrong: k050 is %q, want %q", v, rows["k050"])
		}
	}
	n := 0
	err = p.Scan(nil, nil, func(_, _ []byte) bool { n++; return true })
	if err == nil && n != len(m.now) {
		err = fmt.Errorf("wrong: %d rows, want %d", n, len(m.now))
	}
	return err
}

// TestErrorAtEveryOperation lets one operation of the workload fail, each in its
// turn, and then all from there on: the workload ends in time, with an error in
// words or none, and what is on disk is still a prefix.
func TestErrorAtEveryOperation(t *testing.T) {
	for _, reads := range []bool{false, true} {
		for _, rest := range []bool{false, true} {
			t.Run(fmt.Sprintf("reads=%v/rest=%v", reads, rest), func(t *testing.T) {
				count := newFailing(vfs.NewMem())
				count.reads = reads
				if err := work("state", small(count), newModel()); err != nil {
					t.Fatal(err)
				}
				total := count.ops.Load()
				t.Logf("%d operations", total)
				for at := int64(1); at <= total; at += int64(*faultEvery) {
					for _, err := range []error{syscall.ENOSPC, syscall.EIO} {
						errorAt(t, at, rest, reads, err)
					}
				}
			})
		}
	}
}

func errorAt(t *testing.T, at int64, rest, reads bool, injected error) {
	t.Helper()
	mem, m := vfs.NewMem(), newModel()
	// There is state from before.
	if err := work("state", small(mem), m); err != nil {
		t.Fatal(err)
	}
	m.flushed()
	f := newFailing(mem)
	f.from, f.until, f.err, f.reads = at, at, injected, reads
	if rest {
		f.until = 1 << 60
	}
	name := fmt.Sprintf("error %v at %d", injected, at)
	var err error
	inTime(t, name, func() { err = work("state", small(f), m) })
	var ours *Error
	switch {
	case err == nil: // what failed did not matter
	case strings.Contains(err.Error(), "wrong:"):
		t.Fatalf("%s (%v): %v", name, f.what.Load(), err)
	case !errors.As(err, &ours):
		t.Fatalf("%s (%v): not in words: %v", name, f.what.Load(), err)
	case ours.Kind == ErrCorrupt || ours.Kind == ErrInUse || ours.Kind == ErrNewerFormat || ours.Kind == ErrOtherApp:
		t.Fatalf("%s (%v): blamed on the wrong thing: %v", name, f.what.Load(), err)
	}
	inTime(t, name+", open again", func() {
		s, err := Open("state", small(mem))
		if err != nil {
			t.Errorf("%s (%v): open again: %v", name, f.what.Load(), err)
			return
		}
		defer s.Close()
		if err := m.check(s.Partition("table", 0)); err != nil {
			t.Errorf("%s (%v): %v", name, f.what.Load(), err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

// TestTooManyOpenFiles: a process that may open no more files is told so; its state is not damaged, and
// is not set aside.
func TestTooManyOpenFiles(t *testing.T) {
	mem := vfs.NewMem()
	if err := mustOpen(t, "state", small(mem)).Close(); err != nil {
		t.Fatal(err)
	}
	f := newFailing(mem)
	f.from, f.until, f.err, f.reads = 1, 1<<60, syscall.EMFILE, true
	_, err := Open("state", small(f))
	if n, _ := OpenFiles(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("needs more open files than this process may have (%d): raise the limit", n)) {
		t.Errorf("got %v", err)
	}
}

// TestFullDisk: a disk that fills up while writers write. Pebble left alone
// would block them, and Close, for ever.
func TestFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	f := newFailing(mem)
	f.err = syscall.ENOSPC
	told := make(chan error, 1)
	opts := small(f)
	opts.OnFault = func(err error) { told <- err }
	s := mustOpen(t, "state", opts)
	p := s.Partition("table", 0)
	m := newModel()
	f.until = 1 << 60
	f.from = f.ops.Load() + 1
	var err error
	inTime(t, "writing to a full disk", func() {
		for err == nil {
			m.last++
			err = p.Apply(func(b *Batch) error { b.Set([]byte("k"), make([]byte, 4<<10)); return nil }, m.last)
		}
	})
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "free some space") {
		t.Fatalf("err = %v", err)
	}
	if err := <-told; !errors.Is(err, ErrFull) {
		t.Fatalf("OnFault got %v", err)
	}
	if _, err := p.Get([]byte("k")); !errors.Is(err, ErrFull) {
		t.Fatalf("Get on a failed store: %v", err)
	}
	inTime(t, "closing on a full disk", func() { err = s.Close() })
	if !errors.Is(err, ErrFull) {
		t.Fatalf("Close = %v", err)
	}
	f.until = 0 // there is room again
	s = mustOpen(t, "state", small(f))
	mustApply(t, s.Partition("table", 0), m.last+1, func(b *Batch) { b.Set([]byte("k"), []byte("v")) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNearlyFullDisk is told before the disk has to refuse.
func TestNearlyFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10 << 20, TotalBytes: 100 << 20})
	opts := small(mem)
	opts.MinFreeBytes = 5 << 20
	s := mustOpen(t, "state", opts)
	p := s.Partition("table", 0)
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 4 << 20, TotalBytes: 100 << 20})
	var err error
	for offset := int64(1); err == nil && offset < 1000; offset++ {
		err = p.Apply(func(b *Batch) error { b.Set([]byte("k"), make([]byte, 4<<10)); return nil }, offset)
	}
	want := "the disk of state is nearly full: 4.0 MiB free, at least 5.0 MiB needed; free some space and start again, it goes on from there"
	if !errors.Is(err, ErrFull) || err.Error() != want {
		t.Fatalf("got  %v\nwant %s", err, want)
	}
	inTime(t, "closing", func() { _ = s.Close() })
	if _, err := Open("state", opts); !errors.Is(err, ErrFull) {
		t.Fatalf("Open = %v", err)
	}
}
