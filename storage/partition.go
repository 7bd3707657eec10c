package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// The keys in Pebble, so that one database holds every table partition:
//
//	table (2 bytes, from state.json)  partition (4 bytes)  kind (1 byte)  the user's key
//
// Big endian, so a partition is one range. Positions and rows are of different
// kinds: no key of a user's can be taken for one of ours.
const (
	prefixLen = 2 + 4
	kindPos   = 0x00 // changelog offset and the time it was applied
	kindRow   = 0x01
)

// Partition is one partition of one table in a store: a prefix, nothing that
// has to be opened or closed. Goroutines may share it.
type Partition struct {
	store *Store
	rows  []byte // the prefix of rows
	err   error  // why the table has no number; every call returns it
}

// Partition returns the handle of a partition of a table. It costs next to
// nothing, except for the first one of a new table, whose name is written to
// disk; an error of that is returned by the calls on the handle.
func (s *Store) Partition(table string, p int32) *Partition {
	id, err := s.tableID(table)
	rows := make([]byte, 0, prefixLen+1)
	rows = binary.BigEndian.AppendUint16(rows, id)
	rows = binary.BigEndian.AppendUint32(rows, uint32(p))
	return &Partition{store: s, rows: append(rows, kindRow), err: err}
}

// tableID is the number of a table, given out once and never reused.
func (s *Store) tableID(table string) (uint16, error) {
	s.metaMu.Lock()
	id, known := s.meta.Tables[table]
	s.metaMu.Unlock()
	if known {
		return id, nil
	}
	var full error
	err := s.changeMeta(func(m *meta) bool {
		if id, known = m.Tables[table]; known {
			return false
		}
		if len(m.Tables) >= 1<<16-2 {
			full = fmt.Errorf("the state in %s has had %d tables, its limit: use a new directory", s.dir.path, len(m.Tables))
			return false
		}
		id = uint16(len(m.Tables) + 1) // 0 is left free
		m.Tables[table] = id
		return true
	})
	return id, errors.Join(err, full)
}

// Tables returns the names of all tables that ever had a partition here.
func (s *Store) Tables() []string {
	s.metaMu.Lock()
	defer s.metaMu.Unlock()
	names := make([]string, 0, len(s.meta.Tables))
	for name := range s.meta.Tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// enter is how every call goes in: on success the store stays open until leave.
func (p *Partition) enter() error {
	if p.err != nil {
		return p.err
	}
	p.store.mu.RLock()
	if err := p.store.usable(); err != nil {
		p.store.mu.RUnlock()
		return err
	}
	return nil
}

func (p *Partition) leave() { p.store.mu.RUnlock() }

func (p *Partition) key(user []byte) []byte {
	return append(append(make([]byte, 0, len(p.rows)+len(user)), p.rows...), user...)
}

func (p *Partition) position() []byte {
	return append(append(make([]byte, 0, len(p.rows)), p.rows[:prefixLen]...), kindPos)
}

// span is the range of row keys between two keys of the user's; nil is open.
func (p *Partition) span(lower, upper []byte) (from, to []byte) {
	from = p.key(lower)
	if upper != nil {
		return from, p.key(upper)
	}
	to = p.key(nil)
	to[prefixLen]++ // the kind behind rows, which no partition has
	return from, to
}

// Get returns a copy of the value of key, nil when there is none. A value that
// is there but empty is not nil.
func (p *Partition) Get(key []byte) (value []byte, err error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	defer p.store.caught(&err)
	return p.store.get(p.store.db, p.key(key))
}

// get copies: Pebble's own value is only lent until its closer is closed.
func (s *Store) get(r pebble.Reader, key []byte) ([]byte, error) {
	lent, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, s.read(err)
	}
	value := append(make([]byte, 0, len(lent)), lent...)
	if err := closer.Close(); err != nil {
		return nil, s.read(err)
	}
	return value, nil
}

// Scan calls fn for the rows with lower <= key < upper in order of key, as they
// were when it was called, until fn returns false. A nil bound is open. key and
// value are the callee's until it returns. fn may call anything on the store.
func (p *Partition) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	if err := p.enter(); err != nil {
		return err
	}
	it, err := newIterator(p.store, p.store.db, p, lower, upper, false)
	p.leave()
	if err != nil {
		return err
	}
	return it.each(fn)
}

// Batch collects the writes of one Apply. It is only valid in there.
type Batch struct {
	p *Partition
	b *pebble.Batch
}

// Set writes a row. key and value are copied.
func (b *Batch) Set(key, value []byte) {
	op := b.b.SetDeferred(len(b.p.rows)+len(key), len(value))
	copy(op.Key[copy(op.Key, b.p.rows):], key)
	copy(op.Value, value)
	_ = op.Finish() // fails only for a batch with an index, which this is not
}

// Delete removes a row, if there is one.
func (b *Batch) Delete(key []byte) {
	op := b.b.DeleteDeferred(len(b.p.rows) + len(key))
	copy(op.Key[copy(op.Key, b.p.rows):], key)
	_ = op.Finish()
}

// DeleteRange removes the rows with lower <= key < upper, at the cost of one
// write however many there are. A nil bound is open. An empty range is nothing.
func (b *Batch) DeleteRange(lower, upper []byte) {
	from, to := b.p.span(lower, upper)
	if slices.Compare(from, to) < 0 {
		_ = b.b.DeleteRange(from, to, nil)
	}
}

// Len returns how many bytes have been collected.
func (b *Batch) Len() int { return b.b.Len() }

// Apply writes what fn puts into the batch together with the offset in the
// changelog up to which this partition then is: after a crash there are both or
// neither, and nothing applied later without what was applied before. It returns
// once readers see the rows, not once they are on disk (see Flush). When fn
// returns an error nothing is written and that error comes back. A nil fn moves
// only the offset.
//
// Apply waits while the disk is behind. One goroutine per partition calls it, in
// the order of offsets. After an error that is not fn's the store is of no more
// use: close it, open it again, and recover from Offset on.
func (p *Partition) Apply(fn func(*Batch) error, offset int64) (err error) {
	return p.ApplyAsOf(fn, offset, p.store.opts.Now())
}

// ApplyAsOf is Apply for a partition that catches up with its changelog, and so does not hold yet
// what the changelog held at this moment: at is when it last did, or when a recovery from nothing
// began. A recovery that was interrupted would otherwise make the partition look younger than the
// deletions which it has not seen, and which compaction may forget before it goes on.
func (p *Partition) ApplyAsOf(fn func(*Batch) error, offset int64, at time.Time) (err error) {
	if err := p.enter(); err != nil {
		return err
	}
	pb := p.store.db.NewBatch()
	p.leave()
	defer func() { _ = pb.Close() }()
	if fn != nil {
		if err := fn(&Batch{p: p, b: pb}); err != nil {
			return err
		}
	}
	var pos [16]byte
	binary.BigEndian.PutUint64(pos[:8], uint64(offset))
	binary.BigEndian.PutUint64(pos[8:], uint64(at.UnixMicro()))
	_ = pb.Set(p.position(), pos[:], nil)
	return p.commit(pb)
}

// Wipe removes every row and the offset: the partition is as if it never was.
// After a crash it may be there again, rows and offset together.
func (p *Partition) Wipe() error {
	if err := p.enter(); err != nil {
		return err
	}
	pb := p.store.db.NewBatch()
	p.leave()
	defer func() { _ = pb.Close() }()
	_, to := p.span(nil, nil)
	_ = pb.DeleteRange(p.position(), to, nil)
	return p.commit(pb)
}

func (p *Partition) commit(pb *pebble.Batch) (err error) {
	if err := p.store.room.wait(pb.Len()); err != nil {
		return err
	}
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	defer p.store.caught(&err)
	if err := pb.Commit(pebble.NoSync); err != nil {
		return p.store.fail(fmt.Errorf("apply: %w", err))
	}
	return nil
}

// Offset returns the changelog offset of the last Apply; ok is false when there
// was none, and also when it cannot be read, which the next call then reports.
func (p *Partition) Offset() (offset int64, ok bool) {
	offset, _, ok = p.pos()
	return offset, ok
}

// Written returns when the last Apply was, by the clock of the process that made
// it, or what ApplyAsOf was told. State that is too old must be dropped: the changelog may have forgotten
// deletions that it never saw.
func (p *Partition) Written() (at time.Time, ok bool) {
	_, at, ok = p.pos()
	return at, ok
}

func (p *Partition) pos() (offset int64, at time.Time, ok bool) {
	if err := p.enter(); err != nil {
		return 0, time.Time{}, false
	}
	defer p.leave()
	value, err := p.posFrom(p.store.db)
	if err != nil || value == nil {
		return 0, time.Time{}, false
	}
	offset, at = decodePos(value)
	return offset, at, true
}

func (p *Partition) posFrom(r pebble.Reader) (value []byte, err error) {
	defer p.store.caught(&err)
	value, err = p.store.get(r, p.position())
	if err == nil && value != nil && len(value) != 16 {
		return nil, p.store.fail(fmt.Errorf("offset of %x has %d bytes, expected 16: %w", p.rows, len(value), pebble.ErrCorruption))
	}
	return value, err
}

func decodePos(b []byte) (offset int64, at time.Time) {
	return int64(binary.BigEndian.Uint64(b[:8])), time.UnixMicro(int64(binary.BigEndian.Uint64(b[8:])))
}

// Bytes estimates the disk space of the rows with lower <= key < upper; a nil
// bound is open. What is still in memory is not in it.
func (p *Partition) Bytes(lower, upper []byte) (n int64, err error) {
	if err := p.enter(); err != nil {
		return 0, err
	}
	defer p.leave()
	defer p.store.caught(&err)
	size, err := p.store.db.EstimateDiskUsage(p.span(lower, upper))
	if err != nil {
		return 0, p.store.read(err)
	}
	return int64(size), nil
}
