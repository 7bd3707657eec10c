package storage

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxL0Sublevels is how far compactions may fall behind before Apply waits: each
// sublevel is one more file that a read has to look into.
const maxL0Sublevels = 20

// room holds writers back while the disk is behind, and stops them before it is
// full.
//
// It replaces Pebble's write stall, which cannot be left: on a full disk the
// flush fails and is tried again for ever, the writer sleeps on a condition
// nobody will signal, and Close waits for the writer. Here a writer waits for
// progress or for the fault, whichever comes first.
type room struct {
	store   *Store
	written atomic.Int64 // bytes applied since the last look
}

// wait is called before each Apply of n bytes. Looking is cheap but not free, so
// it is done once per quarter of a memtable.
func (r *room) wait(n int) error {
	s := r.store
	if r.written.Add(int64(n)) < s.opts.MemTableBytes/4 {
		return nil
	}
	r.written.Store(0)
	if err := r.checkDisk(); err != nil {
		return s.fail(err)
	}
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		moved := s.progress.next() // before looking, or a signal in between is lost
		behind, err := r.behind()
		if err != nil || !behind {
			return err
		}
		select {
		case <-moved:
		case <-look.C:
		case <-s.failed:
			return s.fault()
		}
	}
}

// lookAgain is how often a waiting writer looks without having been told.
const lookAgain = 100 * time.Millisecond

// behind holds the store open only while it looks.
//
// Memory counts in bytes, as it does for Pebble: the first memtables are small,
// and it does not flush before half of MemTableBytes has come together, however
// many there are. When nothing is under way that could move, a flush is what
// makes Pebble think again, also about compactions.
func (r *room) behind() (behind bool, err error) {
	s := r.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	defer s.caught(&err)
	if err := s.usable(); err != nil {
		return false, err
	}
	m := s.db.Metrics()
	full := m.MemTable.Size >= uint64(s.opts.MaxMemTables)*uint64(s.opts.MemTableBytes)
	if !full && m.Levels[0].Sublevels <= maxL0Sublevels {
		return false, nil
	}
	if m.Flush.NumInProgress == 0 && m.Compact.NumInProgress == 0 {
		if _, err := s.db.AsyncFlush(); err != nil {
			return true, s.fail(fmt.Errorf("flush: %w", err))
		}
	}
	return true, nil
}

// checkDisk refuses to go on when the disk is nearly full, while there is still
// room to flush what is in memory and to close.
func (r *room) checkDisk() error {
	s := r.store
	if s.opts.MinFreeBytes < 0 {
		return nil
	}
	free, known := diskUsage(s.opts.FS, s.dir.path)
	if !known || free >= uint64(s.opts.MinFreeBytes) {
		return nil
	}
	return &Error{Kind: ErrFull, Text: fmt.Sprintf(
		"the disk of %s is nearly full: %s free, at least %s needed; free some space and start again, it goes on from there",
		s.dir.path, mebibytes(free), mebibytes(uint64(s.opts.MinFreeBytes)))}
}

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// signal wakes everybody who waits for something to move.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// next returns a channel that is closed by the next notify.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
