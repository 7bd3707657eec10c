package local

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"penstock/engine/core"
	"penstock/storage"
)

// localStore is what one process has on disk of one fold partition.
type localStore interface {
	core.Store
	Apply(writes []core.Write, offset, asOf int64) error
	Offset() (int64, bool)
	Written() int64 // asOf of the last Apply
	Wipe() error
}

// disk is the local stores of a process.
type disk interface {
	part(n int32) localStore
	sync() error
	// crash loses memory and some of what was not synced.
	crash(r *rand.Rand) error
	close() error
}

// mapDisk keeps its partitions in maps, each with what it applied since the last sync: a crash
// keeps a prefix of that.
type mapDisk struct {
	parts []*mapStore
}

type mapStore struct {
	now, synced mapState
	log         []mapChange
}

type mapState struct {
	rows    Store
	offset  int64
	has     bool
	written int64
}

type mapChange struct {
	writes []core.Write
	offset int64
	at     int64
	wipe   bool
}

func newMapDisk(folds int) *mapDisk {
	d := &mapDisk{}
	for range folds {
		d.parts = append(d.parts, &mapStore{now: mapState{rows: Store{}}, synced: mapState{rows: Store{}}})
	}
	return d
}

func (d *mapDisk) part(n int32) localStore { return d.parts[n] }
func (d *mapDisk) close() error            { return nil }

func (d *mapDisk) sync() error {
	for _, p := range d.parts {
		p.synced, p.log = p.now.clone(), nil
	}
	return nil
}

func (d *mapDisk) crash(r *rand.Rand) error {
	for _, p := range d.parts {
		left := p.log[:r.IntN(len(p.log)+1)]
		p.now, p.log = p.synced.clone(), nil
		for _, c := range left {
			p.now.do(c)
		}
		p.synced = p.now.clone()
	}
	return nil
}

func (s mapState) clone() mapState {
	s.rows = maps.Clone(s.rows)
	return s
}

func (s *mapState) do(c mapChange) {
	if c.wipe {
		*s = mapState{rows: Store{}}
		return
	}
	s.rows.Apply(c.writes)
	s.offset, s.has, s.written = c.offset, true, c.at
}

func (s *mapStore) Get(key []byte) ([]byte, error) { return s.now.rows.Get(key) }
func (s *mapStore) Scan(lower, upper []byte, fn func(k, v []byte) bool) error {
	return s.now.rows.Scan(lower, upper, fn)
}
func (s *mapStore) Offset() (int64, bool) { return s.now.offset, s.now.has }
func (s *mapStore) Written() int64        { return s.now.written }

func (s *mapStore) Apply(writes []core.Write, offset, asOf int64) error {
	s.change(mapChange{writes: writes, offset: offset, at: asOf})
	return nil
}

func (s *mapStore) Wipe() error {
	s.change(mapChange{wipe: true})
	return nil
}

func (s *mapStore) change(c mapChange) {
	s.log = append(s.log, c)
	s.now.do(c)
}

// pebbleDisk is the storage package on a file system that can crash.
type pebbleDisk struct {
	wall   *int64
	fs     *vfs.MemFS
	store  *storage.Store
	faults *diskFaults // nil: the disk works
	failed error       // the first error of the store
}

func openPebbleDisk(wall *int64, fs *vfs.MemFS, faults *diskFaults) (*pebbleDisk, error) {
	d := &pebbleDisk{wall: wall, fs: fs, faults: faults}
	return d, d.open()
}

func (d *pebbleDisk) options() storage.Options {
	o := storage.Options{App: "sim", FS: d.fs, CacheBytes: 1 << 20, MemTableBytes: 1 << 20, MinFreeBytes: -1,
		Now: func() time.Time { return time.UnixMicro(*d.wall) }}
	if d.faults != nil {
		o.FS = d.faults.wrap(d.fs)
	}
	return o
}

func (d *pebbleDisk) open() (err error) {
	d.failed = nil
	d.store, err = storage.Open("state", d.options())
	return err
}

// note keeps the first error of the store.
func (d *pebbleDisk) note(err error) error {
	if err != nil && d.failed == nil {
		d.failed = err
	}
	return err
}

func (d *pebbleDisk) part(n int32) localStore { return pebblePart{d, n} }
func (d *pebbleDisk) sync() error             { return d.note(d.store.Flush()) }

func (d *pebbleDisk) close() error {
	if d.store == nil {
		return nil // it could not be opened
	}
	return d.store.Close()
}

func (d *pebbleDisk) crash(r *rand.Rand) error {
	if d.faults != nil {
		return d.faults.reopen(d)
	}
	// Drawn from a generator of its own: how many files there are to draw for depends on Pebble's
	// goroutines, and nothing else may.
	left := rand.New(rand.NewPCG(r.Uint64(), 1))
	fs := d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: left})
	if err := d.store.Close(); err != nil {
		return err
	}
	d.fs = fs
	return d.open()
}

type pebblePart struct {
	d *pebbleDisk
	n int32
}

func (p pebblePart) at() *storage.Partition { return p.d.store.Partition("fold", p.n) }
func (p pebblePart) Offset() (int64, bool)  { return p.at().Offset() }
func (p pebblePart) Wipe() error            { return p.d.note(p.at().Wipe()) }

func (p pebblePart) Get(key []byte) ([]byte, error) {
	v, err := p.at().Get(key)
	return v, p.d.note(err)
}

func (p pebblePart) GetSorted(keys [][]byte, fn func(i int, value []byte) error) error {
	return p.d.note(p.at().GetSorted(keys, fn))
}

func (p pebblePart) Scan(lower, upper []byte, fn func(k, v []byte) bool) error {
	return p.d.note(p.at().Scan(lower, upper, fn))
}

func (p pebblePart) Written() int64 {
	t, _ := p.at().Written()
	return t.UnixMicro()
}

func (p pebblePart) Apply(writes []core.Write, offset, asOf int64) error {
	return p.d.note(p.at().ApplyAsOf(func(b *storage.Batch) error {
		for _, w := range writes {
			switch {
			case w.To != nil:
				b.DeleteRange(w.Key, w.To)
			case w.Value == nil:
				b.Delete(w.Key)
			default:
				b.Set(w.Key, w.Value)
			}
		}
		return nil
	}, offset, time.UnixMicro(asOf)))
}

// changelogRows is what of a store is also in the changelog: all but the rows of windows and the
// number of their last flush.
func changelogRows(s core.Store) (Store, error) {
	rows := Store{}
	err := s.Scan(nil, nil, func(k, v []byte) bool {
		if k[0] != 'w' && k[0] != 'l' {
			rows[string(k)] = bytes.Clone(v)
		}
		return true
	})
	return rows, err
}
