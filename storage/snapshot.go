package storage

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// view is one Pebble snapshot, shared by the Snapshots made together.
type view struct {
	store *Store

	mu   sync.RWMutex // shared by reads, exclusive when it is closed
	snap *pebble.Snapshot
	refs int
}

// Snapshot is a partition as it was at one moment. Later writes do not show.
// Goroutines may share it. It holds on to files and memory: close it soon.
type Snapshot struct {
	p      *Partition
	view   *view
	closed sync.Once
}

// NewSnapshot returns the partition as it is now.
func (p *Partition) NewSnapshot() (*Snapshot, error) {
	all, err := p.store.NewSnapshots(p)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// NewSnapshots returns several partitions as they are at one and the same
// moment. Each is to be closed.
func (s *Store) NewSnapshots(parts ...*Partition) (all []*Snapshot, err error) {
	if len(parts) == 0 {
		return nil, nil
	}
	for _, p := range parts {
		if p.err != nil {
			return nil, p.err
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	defer s.caught(&err)
	if err := s.usable(); err != nil {
		return nil, err
	}
	v := &view{store: s, snap: s.db.NewSnapshot(), refs: len(parts)}
	_ = s.track(v) // Close cannot have begun: mu is held
	for _, p := range parts {
		all = append(all, &Snapshot{p: p, view: v})
	}
	return all, nil
}

// enter keeps the view open until leave.
func (v *view) enter() error {
	v.mu.RLock()
	if v.snap == nil {
		v.mu.RUnlock()
		return ErrClosed
	}
	if err := v.store.fault(); err != nil {
		v.mu.RUnlock()
		return err
	}
	return nil
}

func (v *view) leave() { v.mu.RUnlock() }

func (v *view) release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refs--; v.refs == 0 {
		v.closeLocked()
		v.store.untrack(v) // after: what is not tracked any more, Close does not wait for
	}
}

// closeNow is called by Store.Close.
func (v *view) closeNow() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closeLocked()
}

func (v *view) closeLocked() {
	if v.snap != nil {
		_ = v.snap.Close() // always nil
		v.snap = nil
	}
}

// Get returns a copy of the value of key, nil when there is none.
func (s *Snapshot) Get(key []byte) (value []byte, err error) {
	if err := s.view.enter(); err != nil {
		return nil, err
	}
	defer s.view.leave()
	defer s.p.store.caught(&err)
	return s.p.store.get(s.view.snap, s.p.key(key))
}

// Offset returns the changelog offset of the snapshot; ok is false when the
// partition had none.
func (s *Snapshot) Offset() (offset int64, ok bool) {
	if err := s.view.enter(); err != nil {
		return 0, false
	}
	defer s.view.leave()
	value, err := s.p.posFrom(s.view.snap)
	if err != nil || value == nil {
		return 0, false
	}
	offset, _ = decodePos(value)
	return offset, true
}

// Scan is Partition.Scan over the snapshot.
func (s *Snapshot) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	it, err := s.Iterator(lower, upper, false)
	if err != nil {
		return err
	}
	return it.each(fn)
}

// Pick is Scan for the rows that want accepts; the others are not copied. The store waits while
// want looks: it must be quick, must not use the store, and must not keep the slices.
func (s *Snapshot) Pick(lower, upper []byte, want, fn func(key, value []byte) bool) error {
	it, err := s.Iterator(lower, upper, false)
	if err != nil {
		return err
	}
	it.want = want
	return it.each(fn)
}

// Iterator walks the rows with lower <= key < upper, upwards or (reverse)
// downwards. A nil bound is open. It may outlive the snapshot; it is to be
// closed too.
func (s *Snapshot) Iterator(lower, upper []byte, reverse bool) (*Iterator, error) {
	if err := s.view.enter(); err != nil {
		return nil, err
	}
	defer s.view.leave()
	return newIterator(s.p.store, s.view.snap, s.p, lower, upper, reverse)
}

// Close lets go of the snapshot. Safe twice.
func (s *Snapshot) Close() error {
	s.closed.Do(s.view.release)
	return nil
}
