package core

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// groups is a hash table from (panes, key) to a slot of accumulators: the partials of a flush in
// route, the open panes in fold, and the hot rows of a table. Slots are numbered from 0 in the
// order in which they came; the accumulators are columns indexed by slot, so that folding a
// batch is a few tight loops.
//
// Linear probing over 32-bit slot numbers, at most 3/4 full; the hash of each slot is kept, so
// growing and comparing seldom touch a key. It belongs to one goroutine.
type groups struct {
	table   []int32 // slot+1, 0 is empty; length is a power of two
	hashes  []uint64
	offsets []uint32 // start of each key in keys; one more than slots
	keys    []byte
	panes   []panePair // nil when the groups are of one pane
	accs    []expr.Acc
}

// panePair says when a row counts: from the pane it enters with (the greater of its own time
// and its source partition's clock) and until the pane of its own time leaves the window.
type panePair struct{ enter, leave int64 }

// newGroups returns an empty table over the given accumulators, which it owns from then on.
func newGroups(accs []expr.Acc, paned bool) *groups {
	g := &groups{offsets: []uint32{0}, accs: accs}
	if paned {
		g.panes = []panePair{}
	}
	return g
}

// partialAccs are the accumulators of a table's partials: counted, with the number of rows
// ahead of the table's own aggregates.
func partialAccs(t *plan.Table, counted bool) []expr.Acc {
	var accs []expr.Acc
	if counted {
		accs = append(accs, rowCount.NewAcc())
	}
	for _, a := range t.Aggs {
		accs = append(accs, a.NewAcc())
	}
	return accs
}

// rowCount counts the rows of a group of a windowed table, ahead of its own aggregates: the
// group is there as long as a row of it is in the window.
var rowCount = mustAggregate("COUNT")

func mustAggregate(name string) *expr.Aggregate {
	a, err := expr.NewAggregate(name, nil, false, nil)
	if err != nil {
		panic(err)
	}
	return a
}

func hashKey(key []byte) uint64 { return xxhash.Sum64(key) }

// partitionOf is the fold partition of a group key. The hash and this formula are fixed for an
// application's life; KeyHash names them in the state.
func partitionOf(hash uint64, partitions int) int32 {
	hi, _ := bits.Mul64(hash, uint64(partitions))
	return int32(hi)
}

// KeyHash names how group keys are spread over fold partitions.
const KeyHash = "xxhash64/mul"

func (g *groups) len() int { return len(g.hashes) }

func (g *groups) key(slot int32) []byte {
	lo, hi := g.offsets[slot], g.offsets[slot+1]
	return g.keys[lo:hi:hi]
}

func mix(hash uint64, p panePair) uint64 {
	h := hash ^ uint64(p.enter)*0x9E3779B97F4A7C15 ^ uint64(p.leave)*0xC2B2AE3D27D4EB4F
	return h ^ h>>29
}

// find returns the slot of a key, or -1. hash is hashKey(key).
func (g *groups) find(hash uint64, p panePair, key []byte) int32 {
	if len(g.table) == 0 {
		return -1
	}
	mask := uint64(len(g.table) - 1)
	for i := mix(hash, p) & mask; ; i = (i + 1) & mask {
		s := g.table[i] - 1
		if s < 0 {
			return -1
		}
		if g.hashes[s] == hash && (g.panes == nil || g.panes[s] == p) && bytes.Equal(g.key(s), key) {
			return s
		}
	}
}

// slot returns the slot of a key, adding it when it is new. The caller calls grow before it
// uses the accumulators of new slots.
func (g *groups) slot(hash uint64, p panePair, key []byte) (slot int32, added bool) {
	if len(g.hashes)*4 >= len(g.table)*3 {
		g.rehash()
	}
	mask := uint64(len(g.table) - 1)
	i := mix(hash, p) & mask
	for ; ; i = (i + 1) & mask {
		s := g.table[i] - 1
		if s < 0 {
			break
		}
		if g.hashes[s] == hash && (g.panes == nil || g.panes[s] == p) && bytes.Equal(g.key(s), key) {
			return s, false
		}
	}
	s := int32(len(g.hashes))
	g.table[i] = s + 1
	g.hashes = append(g.hashes, hash)
	if g.panes != nil {
		g.panes = append(g.panes, p)
	}
	g.keys = append(g.keys, key...)
	g.offsets = append(g.offsets, uint32(len(g.keys)))
	return s, true
}

// pane is the pair a slot was added with; zero when the groups are of one pane.
func (g *groups) pane(slot int32) panePair {
	if g.panes == nil {
		return panePair{}
	}
	return g.panes[slot]
}

func (g *groups) rehash() {
	n := max(64, 2*len(g.table))
	g.table = make([]int32, n)
	mask := uint64(n - 1)
	for s, h := range g.hashes {
		i := mix(h, g.pane(int32(s))) & mask
		for g.table[i] != 0 {
			i = (i + 1) & mask
		}
		g.table[i] = int32(s) + 1
	}
}

// grow makes the accumulators cover every slot.
func (g *groups) grow() {
	for _, a := range g.accs {
		a.Grow(len(g.hashes))
	}
}

// encode appends the partials of a slot, one behind the other.
func (g *groups) encode(dst []byte, slot int32) []byte {
	for _, a := range g.accs {
		dst = a.Encode(dst, int(slot))
	}
	return dst
}

// merge adds encoded partials to a slot.
func (g *groups) merge(slot int32, partials []byte) (err error) {
	for _, a := range g.accs {
		if partials, err = a.Merge(int(slot), partials); err != nil {
			return err
		}
	}
	return nil
}

// reset forgets every slot and keeps the memory, unless it has become much larger than what
// was in use.
func (g *groups) reset() {
	if len(g.table) > 1<<16 && len(g.hashes) < len(g.table)/16 {
		g.table = nil
	}
	clear(g.table)
	g.hashes, g.offsets, g.keys = g.hashes[:0], g.offsets[:1], g.keys[:0]
	if g.panes != nil {
		g.panes = g.panes[:0]
	}
	for _, a := range g.accs {
		a.Reset()
	}
}

// memory is about how many bytes the groups hold, also those that are kept for the next.
func (g *groups) memory() int {
	n := 4*len(g.table) + 28*cap(g.hashes) + cap(g.keys)
	for _, a := range g.accs {
		n += a.Bytes() + accBytes*cap(g.hashes)
	}
	return n
}

// used is about how many bytes the groups in it take. What was grown for earlier ones, and is kept,
// is not counted: it would count again with every flush.
func (g *groups) used() int {
	n := 34*len(g.hashes) + len(g.keys)
	for _, a := range g.accs {
		n += a.Bytes() + accBytes*len(g.hashes)
	}
	return n
}

// accBytes is a slot of most accumulators.
const accBytes = 24

// appendEntry appends one group as it travels: panes, key, partials with their length.
func appendEntry(dst []byte, p panePair, key, partials []byte) []byte {
	dst = binary.AppendVarint(dst, p.enter)
	dst = binary.AppendUvarint(dst, uint64(p.enter-p.leave))
	dst = appendBytes(dst, key)
	return appendBytes(dst, partials)
}

// entry reads what appendEntry wrote.
func (r *reader) entry() (p panePair, key, partials []byte) {
	p.enter = r.varint()
	p.leave = p.enter - int64(r.uvarint())
	return p, r.bytes(), r.bytes()
}

// groupKey appends the order-preserving key of position i of the key columns.
func groupKey(dst []byte, keys []*row.Vector, i int) []byte {
	for _, v := range keys {
		dst = row.AppendKeyVec(dst, v, i)
	}
	return dst
}
