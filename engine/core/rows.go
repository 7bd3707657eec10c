package core

import (
	"penstock/query/expr"
)

// rowCache is the rows of one table (or of one of its windows) in a fold partition: those in use
// as accumulators in memory, the rest encoded in the store. A row is read from the store once,
// changed in memory as often as its panes close, and written once a flush.
//
// Rows that changed since the last committed flush stay in memory; others may be dropped when
// there are more than limit, and are then read again.
type rowCache struct {
	o       *overlay
	prefix  []byte // of the keys of its rows
	local   bool   // not in the changelog
	counted bool   // the first accumulator counts rows; a row without any is gone
	limit   int
	g       *groups
	flags   []uint8
	dirty   []int32
	// stored: the store may hold rows. A window that was born and died between two flushes never asks it.
	stored bool
	// complete: every row is in memory, because all of them were made here and none was let go.
	// A key that is not here is new, and the store need not be asked.
	complete bool
	writes   bool // the flush in flight has rows for the store
	key      []byte
	wanted   wanted
}

const (
	rowDirty    uint8 = 1 << iota // changed since the last Take
	rowInflight                   // written by the flush in flight
	rowStored                     // the store, or the flush in flight, has it
)

func newRowCache(o *overlay, prefix []byte, local, counted, stored bool, accs []expr.Acc, limit int) *rowCache {
	return &rowCache{o: o, prefix: prefix, local: local, counted: counted, stored: stored, complete: !stored,
		g: newGroups(accs, false), limit: limit}
}

// slot returns the slot of a key, reading its row from the store when it is not in memory.
func (c *rowCache) slot(hash uint64, key []byte) (int32, error) {
	s, added := c.g.slot(hash, panePair{}, key)
	if !added {
		return s, nil
	}
	c.g.grow()
	c.flags = append(c.flags, 0)
	if !c.stored || c.complete {
		return s, nil
	}
	c.key = append(append(c.key[:0], c.prefix...), key...)
	v, err := c.o.store.Get(c.key)
	if err != nil || v == nil {
		return s, err
	}
	c.flags[s] = rowStored
	if err := c.g.merge(s, v); err != nil {
		return s, stateError("row", c.key, err)
	}
	return s, nil
}

// touch marks a slot as changed.
func (c *rowCache) touch(s int32) {
	if c.flags[s]&rowDirty == 0 {
		c.flags[s] |= rowDirty
		c.dirty = append(c.dirty, s)
	}
}

// live tells whether the row of a slot is there.
func (c *rowCache) live(s int32) bool {
	if c.counted {
		return c.g.accs[0].Value(int(s)).I > 0
	}
	return c.flags[s] != 0
}

// takeChunk is how much memory is taken at once for the writes of a flush. Writes point into it, so that
// it must not grow: it would be copied, and what was before be kept as well, several times over where
// rows are longer than was thought.
const takeChunk = 128 << 10

// take appends the changed rows to writes. Keys and values of a flush share a few pieces of memory.
func (c *rowCache) take(writes []Write) []Write {
	if len(c.dirty) == 0 {
		return writes
	}
	before := len(writes)
	arena, largest := make([]byte, 0, min(takeChunk, len(c.dirty)*(len(c.prefix)+24))), 0
	for i, s := range c.dirty {
		if cap(arena)-len(arena) < 2*largest {
			arena = make([]byte, 0, max(2*largest, min(takeChunk, 2*largest*(len(c.dirty)-i))))
		}
		k := len(arena)
		arena = append(append(arena, c.prefix...), c.g.key(s)...)
		v := len(arena)
		c.flags[s] = c.flags[s]&^rowDirty | rowInflight
		switch {
		case c.live(s):
			arena = c.g.encode(arena, s)
			writes = append(writes, Write{Key: arena[k:v:v], Value: arena[v:len(arena):len(arena)], Local: c.local})
			c.flags[s] |= rowStored
		case c.flags[s]&rowStored != 0:
			writes = append(writes, Write{Key: arena[k:v:v], Local: c.local})
			c.flags[s] &^= rowStored
		}
		largest = max(largest, len(arena)-k)
	}
	c.dirty = c.dirty[:0]
	c.writes = len(writes) > before
	return writes
}

// committed is called when the flush is in the store. Rows over the limit leave memory.
func (c *rowCache) committed() error {
	// Not before: until now the store may hold rows of a window that the same flush drops.
	c.stored, c.writes = c.stored || c.writes, false
	for i := range c.flags {
		c.flags[i] &^= rowInflight
	}
	if len(c.flags) <= c.limit {
		return nil
	}
	return c.shrink()
}

// shrink keeps the changed rows only.
func (c *rowCache) shrink() error {
	c.complete = false
	old, flags := c.g, c.flags
	c.g = newGroups(old.accs, false)
	kept := make([]savedRow, 0, len(c.dirty))
	for _, s := range c.dirty {
		kept = append(kept, savedRow{old.hashes[s], string(old.key(s)), old.encode(nil, s), flags[s]})
	}
	old.reset()
	c.flags, c.dirty = c.flags[:0], c.dirty[:0]
	for _, r := range kept {
		s, _ := c.g.slot(r.hash, panePair{}, []byte(r.key))
		c.g.grow()
		if err := c.g.merge(s, r.state); err != nil {
			return err
		}
		c.flags = append(c.flags, r.flags)
		c.dirty = append(c.dirty, s)
	}
	return nil
}

type savedRow struct {
	hash  uint64
	key   string
	state []byte
	flags uint8
}

// scan calls fn for every row, as a slot of g: first those in memory, then those only in the
// store, each in a slot that is used again for the next.
func (c *rowCache) scan(scratch *groups, fn func(g *groups, s int32)) error {
	for s := range int32(c.g.len()) {
		if c.live(s) {
			fn(c.g, s)
		}
	}
	if !c.stored || c.complete {
		return nil
	}
	var bad error
	err := c.o.store.Scan(c.prefix, prefixEnd(c.prefix), func(k, v []byte) bool {
		key := k[len(c.prefix):]
		hash := hashKey(key)
		if c.g.find(hash, panePair{}, key) >= 0 {
			return true
		}
		scratch.reset()
		s, _ := scratch.slot(hash, panePair{}, key)
		scratch.grow()
		if err := scratch.merge(s, v); err != nil {
			bad = stateError("row", k, err)
			return false
		}
		fn(scratch, s)
		return true
	})
	if err == nil {
		err = bad
	}
	return err
}
