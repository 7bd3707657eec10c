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
	if i.err != nil {
		return false
	}
	if i.it == nil {
		i.err = ErrClosed
		return false
	}
	if i.err = i.store.fault(); i.err != nil {
		return false
	}
	found, err := i.step()
	if err != nil {
		i.err = i.store.read(err)
		return false
	}
	return found
}

func (i *Iterator) step() (found bool, err error) {
	defer i.store.caught(&err)
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
		return false, i.it.Error()
	}
	value, err := i.it.ValueAndErr()
	if err != nil {
		return false, err
	}
	// Copied: what Pebble lends goes back to its cache when the store is
	// closed, which may be while the caller is looking at it.
	i.key = append(i.key[:0], i.it.Key()[i.skip:]...)
	i.value = append(i.value[:0], value...)
	return true, nil
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
	for i.Next() {
		if !fn(i.key, i.value) {
			break
		}
	}
	return nil
}
