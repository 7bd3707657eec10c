package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pebbleFormat is the newest of Pebble's own formats that this program writes.
// Raising it makes a directory unreadable to older programs: raise
// formatVersion with it.
const pebbleFormat = pebble.FormatTableFormatV6

// Store is one state directory, opened by one process. Goroutines may share it.
type Store struct {
	opts  Options
	dir   *directory
	fence *fence
	db    *pebble.DB
	cache *pebble.Cache
	room  room
	*faults

	// compact lets Pebble compact; see compactions.
	compact atomic.Bool

	// mu is held shared by every call that goes into db, and exclusively by
	// Close: Pebble panics when it is used after it was closed.
	mu     sync.RWMutex
	closed bool

	metaMu sync.Mutex
	meta   *meta // what state.json says

	openMu  sync.Mutex
	open    map[closer]struct{} // snapshots and iterators to close before db
	closing sync.Once
	closeEr error
}

// closer is what a store closes for its users when they did not.
type closer interface{ closeNow() }

// Open opens the state in dir, making the directory when it is not there. It
// waits for the disk, never for another process: a second opener gets
// ErrInUse. Other errors are of the kinds in this package; ErrCorrupt means
// that SetAside and another Open will work.
func Open(dir string, opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("open state %s: %w", dir, err)
	}
	opts = opts.withDefaults()
	locked, err := lockDirectory(opts.FS, dir)
	if err != nil {
		return nil, err
	}
	s, err := openLocked(locked, opts)
	if err != nil {
		return nil, errors.Join(err, locked.unlock())
	}
	locked.listen()
	return s, nil
}

func openLocked(d *directory, opts Options) (*Store, error) {
	m, err := loadMeta(d, opts)
	if err != nil {
		return nil, fault(d.path, err)
	}
	if err := d.lastWords(); err != nil {
		return nil, err
	}
	s := &Store{
		opts: opts, dir: d, meta: m,
		open:   map[closer]struct{}{},
		faults: newFaults(d.path, opts),
	}
	s.fence = newFence(opts.FS, s.faults)
	s.room.store = s
	if err := s.room.checkDisk(); err != nil {
		return nil, err
	}
	if err := s.openPebble(); err != nil {
		return nil, err
	}
	return s, nil
}

// loadMeta reads state.json, or writes the first one.
func loadMeta(d *directory, opts Options) (*meta, error) {
	m, err := readMeta(d.fs, d.path)
	if err != nil {
		return nil, err
	}
	if m == nil {
		m = &meta{What: metaMagic, Tables: map[string]uint16{}, Values: map[string]string{}}
		// A database without its description cannot be read: the numbers of
		// its tables are gone with it.
		if err := d.fs.RemoveAll(d.fs.PathJoin(d.path, dbDir)); err != nil {
			return nil, fmt.Errorf("remove %s without %s: %w", dbDir, metaFile, err)
		}
	} else if err := checkMeta(d.path, m, opts); err != nil {
		return nil, err
	}
	before := m.clone()
	m.Format, m.Written = formatVersion, opts.Version
	if opts.App != "" {
		m.App = opts.App
	}
	if before.Format == m.Format && before.Written == m.Written && before.App == m.App {
		return m, nil
	}
	if err := writeMeta(d.fs, d.path, m); err != nil {
		return nil, err
	}
	return m, nil
}

// openPebble opens the database in a goroutine of its own: what Pebble calls
// fatal ends that goroutine, not the program, and comes back as an error. When it
// ends another one of Pebble's, Open waits for that for ever; then it is left
// behind, and the fence keeps it from the files.
func (s *Store) openPebble() error {
	path := s.opts.FS.PathJoin(s.dir.path, dbDir)
	if err := s.opts.FS.MkdirAll(path, 0o700); err != nil {
		return fault(s.dir.path, fmt.Errorf("make %s: %w", path, err))
	}
	if err := syncDir(s.opts.FS, s.dir.path); err != nil {
		return fault(s.dir.path, err)
	}
	s.cache = pebble.NewCache(s.opts.CacheBytes)
	opts := s.pebbleOptions()
	done := make(chan opened, 1)
	go func() { done <- s.tryOpen(path, opts) }()
	var result opened
	select {
	case result = <-done:
	case <-s.dead:
		result.err = s.fault()
	}
	if result.err == nil {
		s.db = result.db
		s.compact.Store(true)
		return nil
	}
	s.fence.close()
	return openFault(s.dir.path, result.err)
}

type opened struct {
	db  *pebble.DB
	err error
}

func (s *Store) tryOpen(path string, opts *pebble.Options) (result opened) {
	defer func() {
		p := recover()
		switch {
		case p == nil:
		case isFatal(p):
			result.err = s.fault()
		default:
			// Pebble asserts while it reads its files back: what it found
			// there is damage.
			s.log.Error("open state", "dir", s.dir.path, "panic", fmt.Sprint(p))
			result.err = fmt.Errorf("%w: %v", pebble.ErrCorruption, p)
		}
	}()
	result.db, result.err = pebble.Open(path, opts)
	return result
}

// openFault: an error at open that is not about the disk itself is about what
// is on it. Pebble marks only some of those as corruption (a file that is cut
// short often is a plain "unexpected EOF").
func openFault(dir string, err error) error {
	err = fault(dir, err)
	var e *Error
	if errors.As(err, &e) && e.Kind == ErrDisk && !isInputOutput(e.Err) {
		return fault(dir, fmt.Errorf("%w: %w", pebble.ErrCorruption, e.Err))
	}
	return err
}

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		Cache:              s.cache,
		DisableWAL:         true, // the changelog in Kafka is our log
		EventListener:      s.events(),
		FS:                 s.fence,
		FormatMajorVersion: pebbleFormat,
		Logger:             pebbleLog{s.faults},
		MaxOpenFiles:       s.opts.MaxOpenFiles,
		MemTableSize:       uint64(s.opts.MemTableBytes),

		// Pebble makes a writer wait, with no way out, when flushes or
		// compactions fall behind; when they fail it waits for ever, and so
		// does Close. So Pebble is told never to wait, and room.go does.
		MemTableStopWritesThreshold: 1 << 20,
		L0StopWritesThreshold:       1 << 20,
	}
	o.CompactionConcurrencyRange = s.compactions
	o.Experimental.CompactionScheduler = newQuietScheduler()
	o.Experimental.L0CompactionConcurrency = 1 << 20
	o.Experimental.CompactionDebtConcurrency = 1 << 60
	o.Experimental.CompactionGarbageFractionForMaxConcurrency = func() float64 { return 0 }
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].BlockSize = 16 << 10
		o.Levels[i].IndexBlockSize = 64 << 10
	}
	return o
}

// compactions is how many may run: none until Open is through, a few then.
//
// When Open fails late, at its OPTIONS file say, Pebble takes down what a
// compaction that it started itself is just using, which then panics where
// nobody can catch it. The other settings keep the backlog from raising the
// lower bound. The first flush starts what was held back.
func (s *Store) compactions() (lower, upper int) {
	if !s.compact.Load() {
		return 0, 1 // not 0, 0: Pebble divides by the upper one
	}
	n := min(1+runtime.GOMAXPROCS(0)/4, 3)
	return n, n
}

// Meta returns a value set with SetMeta; ok is false when it was never set.
func (s *Store) Meta(key string) (value string, ok bool) {
	s.metaMu.Lock()
	defer s.metaMu.Unlock()
	value, ok = s.meta.Values[key]
	return value, ok
}

// SetMeta keeps a fact about the state: cluster id, instance id, topic ids. It
// is on disk when the call returns, unlike rows, which wait for a flush. An
// empty value removes the key.
func (s *Store) SetMeta(key, value string) error {
	return s.changeMeta(func(m *meta) bool {
		if m.Values[key] == value {
			return false
		}
		if value == "" {
			delete(m.Values, key)
		} else {
			m.Values[key] = value
		}
		return true
	})
}

// changeMeta writes the file when change says that something changed, and
// keeps the old description when the file could not be written.
func (s *Store) changeMeta(change func(*meta) bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(); err != nil {
		return err
	}
	s.metaMu.Lock()
	defer s.metaMu.Unlock()
	next := s.meta.clone()
	if !change(next) {
		return nil
	}
	if err := writeMeta(s.fence, s.dir.path, next); err != nil {
		return s.fail(fmt.Errorf("write %s: %w", metaFile, err))
	}
	s.meta = next
	return nil
}

// usable is asked by every call, under mu.
func (s *Store) usable() error {
	if s.closed {
		return ErrClosed
	}
	return s.fault()
}

// Flush writes what is in memory to files and waits until it is there. Rows
// applied before the call then outlive a crash. Goroutines may call it at any
// time; it does not hold up Apply.
func (s *Store) Flush() (err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	defer s.caught(&err)
	if err := s.usable(); err != nil {
		return err
	}
	return s.flush()
}

func (s *Store) flush() error {
	done, err := s.db.AsyncFlush()
	if err != nil {
		return s.fail(fmt.Errorf("flush: %w", err))
	}
	select {
	case <-done:
		return nil
	case <-s.failed:
		return s.fault()
	}
}

// Close flushes and closes. Snapshots and iterators that are still open are
// closed with it; calls on them, and on the store, return ErrClosed from then
// on. Safe twice, and from several goroutines: all wait and get the same
// answer. It does not wait for a disk that fails, but it does for a slow one.
//
// Closing deletes nothing: the state is there for the next Open.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeEr = s.close() })
	return s.closeEr
}

func (s *Store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.progress.notify() // whoever waits for room looks again, and finds it closed
	for _, c := range s.takeOpen() {
		c.closeNow()
	}
	err := s.fault()
	if err == nil {
		err = func() (err error) {
			defer s.caught(&err)
			return s.flush()
		}()
	}
	if closeErr := s.closePebble(); err == nil {
		err = closeErr
	}
	return errors.Join(err, s.dir.unlock())
}

// closePebble closes the database, or abandons it when it cannot be closed:
// after what Pebble calls fatal, Close would wait for a goroutine that is gone.
// The fence keeps what is left of an abandoned database from touching files
// that the next Open may already be using.
func (s *Store) closePebble() error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer s.caught(&err)
		select {
		case <-s.dead:
			return
		default:
			err = s.db.Close()
		}
	}()
	var err error
	select {
	case err = <-done:
	case <-s.dead:
	}
	s.fence.close()
	if s.fault() == nil {
		s.cache.Unref()
	}
	if err != nil {
		return fault(s.dir.path, fmt.Errorf("close: %w", err))
	}
	return nil
}

func (s *Store) takeOpen() []closer {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	all := make([]closer, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	s.open = nil
	return all
}

// track remembers what Close has to close. It is false when Close has begun: an
// iterator is made under its snapshot's lock, not the store's, so it can be late.
func (s *Store) track(c closer) bool {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	if s.open == nil {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

func (s *Store) untrack(c closer) {
	s.openMu.Lock()
	delete(s.open, c)
	s.openMu.Unlock()
}

// SetAside moves a damaged database out of the way, so that Open starts with an
// empty one and the state is recovered from the changelog. It returns where
// the files went; those of an earlier time are removed. What Meta holds stays,
// unless its own file is damaged, which is then set aside too. The directory must
// not be open.
func SetAside(dir string, opts Options) (moved string, err error) {
	opts = opts.withDefaults()
	d, err := lockDirectory(opts.FS, dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.unlock()) }()
	if m, err := readMeta(d.fs, d.path); err == nil && m != nil {
		if err := checkMeta(d.path, m, opts); err != nil {
			return "", err
		}
	} else if err := d.setMetaAside(); err != nil {
		return "", err
	}
	if err := d.keepLastWords(); err != nil {
		return "", err
	}
	from, to := d.fs.PathJoin(dir, dbDir), d.fs.PathJoin(dir, damagedDir)
	if err := d.fs.RemoveAll(to); err != nil {
		return "", fault(dir, fmt.Errorf("remove %s: %w", to, err))
	}
	if err := d.fs.Rename(from, to); err != nil && !isNotExist(err) {
		return "", fault(dir, fmt.Errorf("rename %s: %w", from, err))
	}
	if err := syncDir(d.fs, dir); err != nil {
		return "", fault(dir, err)
	}
	return to, nil
}

// setMetaAside moves a description away that cannot be read. It may be no description of ours at all:
// then there are other files beside it, and nothing is touched.
func (d *directory) setMetaAside() error {
	names, err := d.fs.List(d.path)
	if err != nil {
		return fault(d.path, fmt.Errorf("list %s: %w", d.path, err))
	}
	if err := refuseForeign(d.path, names); err != nil {
		return err
	}
	path := d.fs.PathJoin(d.path, metaFile)
	if err := d.fs.Rename(path, path+".damaged"); err != nil && !isNotExist(err) {
		return fault(d.path, fmt.Errorf("rename %s: %w", path, err))
	}
	return nil
}

// diskUsage is separate so that a file system that cannot tell is not an error.
func diskUsage(fs vfs.FS, dir string) (free uint64, known bool) {
	u, err := fs.GetDiskUsage(dir)
	if err != nil {
		return 0, false
	}
	return u.AvailBytes, true
}

// logAt spares the formatting when nobody listens.
func logAt(log *slog.Logger, level slog.Level, format string, args []any) {
	if log.Enabled(context.Background(), level) {
		log.Log(context.Background(), level, "pebble", "text", fmt.Sprintf(format, args...))
	}
}
