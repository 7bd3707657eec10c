package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// faults holds the first error that makes a store useless, and tells everybody.
//
// A store does not mend itself: a flush that failed may have been half written,
// pages that an fsync refused are marked clean by the kernel, and an Apply that
// was refused would leave a hole if the next one went through. So the first
// fault is the last word until the store is opened again, which is cheap.
type faults struct {
	dir string
	log *slog.Logger
	on  func(error)

	failed chan struct{} // closed with the first fault
	dead   chan struct{} // closed when a goroutine of Pebble's was ended: it cannot be closed
	once   sync.Once
	ended  sync.Once
	err    atomic.Pointer[error]

	// progress is signalled when a flush or a compaction ended.
	progress signal
}

func newFaults(dir string, opts Options) *faults {
	return &faults{
		dir: dir, log: opts.Logger, on: opts.OnFault,
		failed: make(chan struct{}), dead: make(chan struct{}),
	}
}

// fault returns the first fault, or nil.
func (f *faults) fault() error {
	if p := f.err.Load(); p != nil {
		return *p
	}
	return nil
}

// fail records a fault, unless there was one, and returns the one that counts.
func (f *faults) fail(err error) error {
	f.once.Do(func() {
		err := fault(f.dir, err)
		f.err.Store(&err)
		close(f.failed)
		f.log.Error("state failed", "dir", f.dir, "err", err)
		if f.on != nil {
			// Pebble may hold its locks here, and the callee may call Close.
			go f.on(err)
		}
	})
	<-f.failed
	return f.fault()
}

// read classifies the error of a read. One that names damage or the disk ends
// the store; it could be read again, but not trusted.
func (f *faults) read(err error) error {
	if err == nil {
		return nil
	}
	return f.fail(err)
}

func (f *faults) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { _ = f.fail(fmt.Errorf("write in the background: %w", err)) },
		// The default is to end the process.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			_ = f.fail(fmt.Errorf("%w of %s: %w", pebble.ErrCorruption, info.Path, info.Details))
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			f.log.Warn("disk is slow", "path", info.Path, "op", info.OpType.String(), "took", info.Duration)
		},
		FlushEnd: func(info pebble.FlushInfo) {
			if info.Err == nil {
				f.log.Debug("state flushed", "took", info.TotalDuration, "bytes", info.InputBytes)
			}
			f.progress.notify()
		},
		CompactionEnd: func(info pebble.CompactionInfo) {
			if info.Err == nil {
				f.log.Debug("state compacted", "took", info.TotalDuration)
			}
			f.progress.notify()
		},
	}
}

// pebbleLog takes Pebble's own log lines. What it calls informative is our
// debug: normal running is quiet.
type pebbleLog struct{ *faults }

// Infof logs at debug level.
func (l pebbleLog) Infof(format string, args ...any) { logAt(l.log, slog.LevelDebug, format, args) }

// Errorf logs at warning level: an error that matters also comes as an event.
func (l pebbleLog) Errorf(format string, args ...any) { logAt(l.log, slog.LevelWarn, format, args) }

// fatal is what Fatalf panics with where a call of ours is below it.
type fatal struct{ error }

// Fatalf must not return, and must not end the process, which Pebble's own does
// (a MANIFEST that cannot be written, for one).
func (l pebbleLog) Fatalf(format string, args ...any) {
	err := error(&worded{text: fmt.Sprintf(format, args...)})
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			err = &worded{text: err.Error(), err: cause} // %s is no %w
		}
	}
	l.die(err)
}

// die does not return. In a call that came from us it panics, and caught makes an
// error of it. In a goroutine of Pebble's it ends that goroutine; its deferred
// calls release its locks, so that others can go on to find the fault, but Pebble
// will wait for it in Open and Close: see there.
func (f *faults) die(err error) {
	err = f.fail(err)
	f.ended.Do(func() { close(f.dead) })
	if calledFromUs() {
		panic(fatal{err})
	}
	runtime.Goexit()
}

// worded is an error with the text it was reported in, and what caused it.
type worded struct {
	text string
	err  error
}

// Error returns the text.
func (w *worded) Error() string { return w.text }

// Unwrap returns the cause.
func (w *worded) Unwrap() error { return w.err }

// calledFromUs looks for a function of this package below the ones that are
// called back from Pebble.
func calledFromUs() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "penstock/storage.(*Store)") ||
			strings.HasPrefix(frame.Function, "penstock/storage.(*Partition)") ||
			strings.HasPrefix(frame.Function, "penstock/storage.(*Snapshot)") ||
			strings.HasPrefix(frame.Function, "penstock/storage.(*Iterator)") {
			return true
		}
		if !more {
			return false
		}
	}
}

func isFatal(p any) bool { _, ok := p.(fatal); return ok }

// caught is deferred by every call into Pebble. A panic that is not Fatalf's is
// a bug and passes.
func (f *faults) caught(err *error) {
	if p := recover(); p != nil {
		if !isFatal(p) {
			panic(p)
		}
		*err = f.fault()
	}
}

// fence stands between Pebble and the file system. Once the store is closed or
// abandoned, what is left of Pebble can change nothing any more: a compaction
// that still runs would delete files which the next Open is reading.
type fence struct {
	vfs.FS
	*faults
	down atomic.Bool
}

var errFenced = errors.New("state was closed")

func newFence(fs vfs.FS, f *faults) *fence {
	g := &fence{faults: f}
	g.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(g.check))
	return g
}

func (g *fence) close() { g.down.Store(true) }

// retryPause slows Pebble down once the store has failed. Its flush tries again
// at once and for ever, which on a full disk takes a whole core.
const retryPause = 20 * time.Millisecond

func (g *fence) check(op errorfs.Op) error {
	if g.err.Load() == nil && !g.down.Load() {
		return nil
	}
	if op.Kind == errorfs.OpFileClose || op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	if g.down.Load() {
		return errFenced
	}
	time.Sleep(retryPause)
	return nil
}

// Lock gives Pebble a lock that is none: the state directory is locked already,
// and what an abandoned database holds must not keep the next one out.
func (g *fence) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// OpenDir wraps the directory, see dirFile.
func (g *fence) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return dirFile{f, g}, nil
}

// dirFile keeps a failed sync of a directory from Pebble, which panics on it
// wherever it is, and so would end the process.
type dirFile struct {
	vfs.File
	fence *fence
}

// Sync does not return when it fails.
func (d dirFile) Sync() error {
	if err := d.File.Sync(); err != nil {
		d.fence.die(fmt.Errorf("sync the directory: %w", err))
	}
	return nil
}
