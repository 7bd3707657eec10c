package core

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// wanted is the keys of rows that are about to change and are not in memory. They are read from the
// store together and in order, which costs less than half of reading each for itself; and the rows
// then are in order in memory too, so that the next flush writes them in order.
type wanted struct {
	bytes  []byte // the keys as in the store, one behind the other
	ends   []int
	sorted []wantedKey
	keys   [][]byte
	shared int // length of what all keys begin with
}

// wantedKey is a key with its first bytes behind what all of them share, which decide nearly every
// comparison.
type wantedKey struct {
	first uint64
	key   []byte
}

// want notes a key, if the store may have its row and memory does not.
func (c *rowCache) want(hash uint64, key []byte) {
	if !c.stored || c.complete || c.o.sorted == nil || c.g.find(hash, panePair{}, key) >= 0 {
		return
	}
	w := &c.wanted
	start := len(w.bytes)
	w.bytes = append(append(w.bytes, c.prefix...), key...)
	w.ends = append(w.ends, len(w.bytes))
	if len(w.ends) == 1 {
		w.shared = len(w.bytes)
		return
	}
	w.shared = commonPrefix(w.bytes[:min(w.shared, w.ends[0])], w.bytes[start:])
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// fetch brings the rows that are wanted into memory; those that the store does not have are new.
func (c *rowCache) fetch() error {
	w := &c.wanted
	if len(w.ends) == 0 {
		return nil
	}
	defer w.reset()
	w.sort()
	slots := make([]int32, len(w.keys))
	for i, k := range w.keys {
		key := k[len(c.prefix):]
		slots[i], _ = c.g.slot(hashKey(key), panePair{}, key)
		c.flags = append(c.flags, 0)
	}
	c.g.grow()
	return c.o.sorted.GetSorted(w.keys, func(i int, value []byte) error {
		c.flags[slots[i]] = rowStored
		if err := c.g.merge(slots[i], value); err != nil {
			return stateError("row", w.keys[i], err)
		}
		return nil
	})
}

// sort puts the keys in order, each once.
func (w *wanted) sort() {
	start := 0
	for _, end := range w.ends {
		k := w.bytes[start:end:end]
		var first [8]byte
		copy(first[:], k[w.shared:])
		w.sorted = append(w.sorted, wantedKey{binary.BigEndian.Uint64(first[:]), k})
		start = end
	}
	slices.SortFunc(w.sorted, func(a, b wantedKey) int {
		if a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		return bytes.Compare(a.key, b.key)
	})
	for i, k := range w.sorted {
		if i == 0 || !bytes.Equal(k.key, w.sorted[i-1].key) {
			w.keys = append(w.keys, k.key)
		}
	}
}

func (w *wanted) reset() {
	clear(w.sorted)
	clear(w.keys)
	w.bytes, w.ends, w.sorted, w.keys = w.bytes[:0], w.ends[:0], w.sorted[:0], w.keys[:0]
}

// wantEntries reads the rows that the entries of a pane are about to change.
func (t *foldTable) wantEntries(b int64, entries []byte, n int) error {
	r := reader{b: entries}
	for range n {
		pair, key, _ := r.entry()
		if r.err != nil {
			return nil // who enters them reports it
		}
		t.want(b, pair.leave, hashKey(key), key)
	}
	return t.fetch()
}

// want notes a key in every view that addToViews adds it to. A view that is not there yet has no
// rows to read.
func (t *foldTable) want(b, leave int64, hash uint64, key []byte) {
	if !t.shape.buckets {
		if v := t.views[0]; v != nil {
			v.rows.want(hash, key)
		}
		return
	}
	for w := floorDiv(leave, t.shape.stride); w*t.shape.stride+t.shape.width > leave; w-- {
		if w*t.shape.stride+t.shape.width < b {
			break
		}
		if v := t.views[w]; v != nil {
			v.rows.want(hash, key)
		}
	}
}

func (t *foldTable) fetch() error {
	for _, v := range t.views {
		if err := v.rows.fetch(); err != nil {
			return err
		}
	}
	return nil
}
