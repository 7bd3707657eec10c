package storage

import (
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Iterator walks rows in the order of their keys:
//
//	for it.Next() {
//		use(it.Key(), it.Value())
//	}
//	err := it.Close()
//
// It belongs to one goroutine. Store.Close may come at any time: it then ends
// with ErrClosed.
type Iterator struct {
	store   *Store
	skip    int // length of the prefix
	reverse bool
	want    func(key, value []byte) bool // nil: every row

	mu  sync.Mutex // guards it against Store.Close
	it  *pebble.Iterator
	new bool // not positioned yet

	key, value []byte
	err        error
}

// newIterator is called with the store held open.
func newIterator(s *Store, r pebble.Reader, p *Partition, lower, upper []byte, reverse bool) (it *Iterator, err error) {
	defer s.caught(&err)
	from, to := p.span(lower, upper)
	inner, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil, s.read(fmt.Errorf("iterate: %w", err))
	}
	it = &Iterator{store: s, skip: len(p.rows), reverse: reverse, it: inner, new: true}
	if !s.track(it) {
		it.closeNow()
		return nil, ErrClosed
	}
	return it, nil
}

// Next moves to the next row. False means the end, or an error: see Close.
func (i *Iterator) Next() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.usable() {
		return false
	}
	found, err := i.step()
	if err != nil {
		i.err = i.store.read(err)
		return false
	}
	return found
}

// usable tells whether the walk can go on; if not, err says why. It is called with mu held.
func (i *Iterator) usable() bool {
	if i.err == nil && i.it == nil {
		i.err = ErrClosed
	}
	if i.err == nil {
		i.err = i.store.fault()
	}
	return i.err == nil
}

func (i *Iterator) step() (found bool, err error) {
	defer i.store.caught(&err)
	value, found, err := i.move()
	if found {
		// Copied: what Pebble lends goes back to its cache when the store is
		// closed, which may be while the caller is looking at it.
		i.key = append(i.key[:0], i.it.Key()[i.skip:]...)
		i.value = append(i.value[:0], value...)
	}
	return found, err
}

// move moves to the next row. The value is lent, like the key.
func (i *Iterator) move() (value []byte, found bool, err error) {
	switch {
	case i.new && i.reverse:
		found = i.it.Last()
	case i.new:
		found = i.it.First()
	case i.reverse:
		found = i.it.Prev()
	default:
		found = i.it.Next()
	}
	i.new = false
	if !found {
		return nil, false, i.it.Error()
	}
	value, err = i.it.ValueAndErr()
	return value, err == nil, err
}

// Key returns the key of the row, without a copy: it is good until Next.
func (i *Iterator) Key() []byte { return i.key }

// Value returns the value of the row, without a copy: it is good until Next.
func (i *Iterator) Value() []byte { return i.value }

// Close ends the walk and returns the error that cut it short, if one did.
// Safe twice.
func (i *Iterator) Close() error {
	i.closeNow()
	i.store.untrack(i)
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

func (i *Iterator) closeNow() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.it == nil {
		return
	}
	if err := i.it.Close(); err != nil && i.err == nil {
		i.err = fault(i.store.dir.path, err)
	}
	i.it = nil
}

// each walks to the end or until fn has enough.
func (i *Iterator) each(fn func(key, value []byte) bool) (err error) {
	defer func() { err = i.Close() }() // also when fn panics
	var p piece
	for n := 1; i.fill(&p, n); n = min(2*n, pieceRows) {
		from := 0
		for _, r := range p.rows {
			if !fn(p.bytes[from:r.key:r.key], p.bytes[r.key:r.value:r.value]) {
				return nil
			}
			from = r.value
		}
	}
	return nil
}

// A walk to the end takes rows in pieces, so that it asks for the lock, and whether the store has
// failed, once for many rows. It begins with one row: often that is all that is wanted.
const (
	pieceRows  = 128
	pieceBytes = 32 << 10
)

// piece is copies of some rows, one behind the other: where each key and each value ends.
type piece struct {
	bytes []byte
	rows  []struct{ key, value int }
}

// fill reads up to n rows. False means the end, or an error: see Close.
func (i *Iterator) fill(p *piece, n int) (more bool) {
	p.bytes, p.rows = p.bytes[:0], p.rows[:0]
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.usable() {
		return false
	}
	if err := i.take(p, n); err != nil {
		i.err = i.store.read(err)
	}
	return len(p.rows) > 0
}

func (i *Iterator) take(p *piece, n int) (err error) {
	defer i.store.caught(&err)
	for len(p.rows) < n && len(p.bytes) < pieceBytes {
		value, found, err := i.move()
		if !found {
			return err
		}
		if i.want != nil && !i.want(i.it.Key()[i.skip:], value) {
			continue
		}
		p.bytes = append(p.bytes, i.it.Key()[i.skip:]...)
		key := len(p.bytes)
		p.bytes = append(p.bytes, value...)
		p.rows = append(p.rows, struct{ key, value int }{key, len(p.bytes)})
	}
	return nil
}
