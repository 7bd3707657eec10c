package core

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"
)

// Store is what a fold partition remembers, between flushes: the storage of the process, a map
// in tests. One goroutine uses it at a time.
type Store interface {
	// Get returns the value of a key, nil when there is none. The caller may keep it.
	Get(key []byte) ([]byte, error)
	// Scan calls fn for the keys in [lower, upper) in order, until it returns false. fn must not
	// keep the slices, and must not write.
	Scan(lower, upper []byte, fn func(key, value []byte) bool) error
}

// SortedStore is a Store that reads many rows at once for less than it takes to read each.
type SortedStore interface {
	Store
	// GetSorted calls fn for those of the keys that are there, with the number of the key. The keys
	// ascend. The value is good until fn returns, and fn must not use the store.
	GetSorted(keys [][]byte, fn func(i int, value []byte) error) error
}

// PickingStore is a Store that passes rows by for less than it takes to hand them over.
type PickingStore interface {
	Store
	// Pick is Scan for the rows that want accepts. want must be quick; what holds for fn holds for it.
	Pick(lower, upper []byte, want, fn func(key, value []byte) bool) error
}

// pick calls fn for the rows of a store that want accepts.
func pick(s Store, lower, upper []byte, want, fn func(key, value []byte) bool) error {
	if p, ok := s.(PickingStore); ok {
		return p.Pick(lower, upper, want, fn)
	}
	return s.Scan(lower, upper, func(k, v []byte) bool { return !want(k, v) || fn(k, v) })
}

// Write is a change of a fold partition's state. One with Local set is kept only in the local
// store and can be rebuilt; the others are also records of the changelog.
type Write struct {
	Key   []byte
	Value []byte // nil: delete
	// To, when set, deletes every key in [Key, To). Only local state is deleted so.
	To    []byte
	Local bool
}

// Keys of the state, by their first byte. Those marked * are local.
//
//	m                              sources, closed panes, metrics: one record, in every flush
//	o table seq                    entries of panes that were still open at a flush
//	c table key                    row of a table without a window
//	p table leave enter part       entries of a closed pane that a window still needs
//	w table window key          *  row of a window (or of the trailing window)
//	e metric from first            share of a metric that this partition owns, not yet published
const (
	kindMeta   = 'm'
	kindOpen   = 'o'
	kindClosed = 'c'
	kindPane   = 'p'
	kindWindow = 'w'
	kindShare  = 'e'
)

// TableSpans calls fn for the parts of the state that are a table's: keys in [lower, upper).
func TableSpans(table string, fn func(lower, upper []byte)) {
	i := idOf(table)
	for _, kind := range []byte{kindOpen, kindClosed, kindPane, kindWindow} {
		lower := append([]byte{kind}, i[:]...)
		fn(lower, prefixEnd(lower))
	}
}

// id is how tables and metrics are named in keys.
type id [4]byte

func idOf(name string) (i id) {
	binary.BigEndian.PutUint32(i[:], uint32(xxhash.Sum64String(name)))
	return i
}

// appendOrdered appends an integer so that bytes compare as the integers do.
func appendOrdered(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n)^1<<63)
}

func ordered(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// prefixEnd returns the first key behind all that begin with prefix.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// overlay is the records changed since the last flush that is in the store. During a flush there
// are two generations: what the flush in flight holds, and what came since.
type overlay struct {
	store    Store
	sorted   SortedStore // the store, if it is one
	current  map[string][]byte
	inflight map[string][]byte
	locals   []Write // local writes of the flush being gathered, in order
}

func newOverlay(s Store) *overlay {
	sorted, _ := s.(SortedStore)
	return &overlay{store: s, sorted: sorted, current: map[string][]byte{}}
}

func (o *overlay) get(key []byte) ([]byte, error) {
	if v, ok := o.current[string(key)]; ok {
		return v, nil
	}
	if v, ok := o.inflight[string(key)]; ok {
		return v, nil
	}
	return o.store.Get(key)
}

func (o *overlay) put(key, value []byte) { o.current[string(key)] = value }

// delete removes a record. stored tells whether a flush ever held it: if not, there is nothing
// to take back.
func (o *overlay) delete(key []byte, stored bool) {
	if stored {
		o.current[string(key)] = nil
		return
	}
	delete(o.current, string(key))
}

// take ends a generation and returns its writes in the order of their keys.
func (o *overlay) take() []Write {
	first := make([]Write, 0, len(o.current))
	for k, v := range o.current {
		first = append(first, Write{Key: []byte(k), Value: v})
	}
	sort.Slice(first, func(i, j int) bool { return string(first[i].Key) < string(first[j].Key) })
	writes := slices.Insert(o.locals, 0, first...)
	o.inflight, o.current, o.locals = o.current, map[string][]byte{}, nil
	return writes
}

func (o *overlay) committed() { o.inflight = nil }

// stateError tells which record of the state cannot be read.
func stateError(what string, key []byte, err error) error {
	return fmt.Errorf("state of %s at key %x: %w", what, key, err)
}
