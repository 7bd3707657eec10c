package local

import (
	"errors"
	"fmt"
	"sort"

	"penstock/engine/core"
)

// The broker of the simulator: topics whose records belong to transactions, and consumer groups
// with generations. It keeps to what Kafka promises and to nothing more: records stand where they
// were appended, whatever order their transactions end in; a reader of committed records waits at
// the first open transaction; markers and aborted records leave gaps in the offsets.

// topicPart is a partition of one of our own topics.
type topicPart struct {
	name    string
	entries []entry
	start   int64 // what is before it was deleted
	next    int64
}

type entry struct {
	offset     int64
	key, value []byte // a nil value is a tombstone
	tx         *txn   // nil: a plain record
	horizon    int64  // of a tombstone that compaction has met: when it may go
	flush      *routed
}

func (t *topicPart) append(e entry) int64 {
	e.offset = t.next
	t.next++
	t.entries = append(t.entries, e)
	return e.offset
}

func (e *entry) open() bool    { return e.tx != nil && e.tx.state == txOpen }
func (e *entry) visible() bool { return e.tx == nil || e.tx.state == txCommitted }

func (t *topicPart) index(from int64) int {
	return sort.Search(len(t.entries), func(i int) bool { return t.entries[i].offset >= from })
}

// read returns the first committed record at or behind an offset.
func (t *topicPart) read(from int64) (*entry, bool) {
	if from < t.start {
		panic(fmt.Sprintf("%s: offset %d is read, but what is before %d was deleted", t.name, from, t.start))
	}
	for i := t.index(from); i < len(t.entries); i++ {
		e := &t.entries[i]
		if e.open() {
			return nil, false
		}
		if e.visible() {
			return e, true
		}
	}
	return nil, false
}

// between calls fn for the committed records from an offset up to, not including, another.
func (t *topicPart) between(from, to int64, fn func(e *entry)) {
	for i := t.index(from); i < len(t.entries) && t.entries[i].offset < to; i++ {
		if t.entries[i].visible() {
			fn(&t.entries[i])
		}
	}
}

// trim deletes what is before an offset.
func (t *topicPart) trim(before int64) {
	t.start = max(t.start, before)
	t.entries = append([]entry(nil), t.entries[t.index(before):]...)
}

// compact keeps the last committed record of every key among those before an offset. A tombstone
// goes when an earlier compaction has met it so long ago: whoever began to read before that has
// had as long to get there.
func (t *topicPart) compact(before, now, retention int64) {
	last := map[string]int64{}
	for i := range t.entries {
		e := &t.entries[i]
		if e.open() {
			before = min(before, e.offset)
		}
		if e.offset < before && e.visible() {
			last[string(e.key)] = e.offset
		}
	}
	kept := t.entries[:0:0]
	for _, e := range t.entries {
		switch {
		case e.offset >= before:
		case !e.visible() || last[string(e.key)] != e.offset:
			continue
		case e.value == nil && e.horizon == 0:
			e.horizon = now + retention
		case e.value == nil && now > e.horizon:
			continue
		}
		kept = append(kept, e)
	}
	t.entries = kept
}

type txState uint8

const (
	txOpen txState = iota
	txCommitted
	txAborted
)

// txn is one transaction: what it wrote, and what its commit does to the group's offsets.
type txn struct {
	state txState
	group *group
	gen   int
	owner *session
	parts []*topicPart
	apply func() error // what becomes true with the commit
}

var errFenced = errors.New("fenced: the group has another generation")

// commit ends the transaction as the coordinator does: a member of an earlier generation, or one
// whose transaction was ended by somebody else, is refused.
func (x *txn) commit() error {
	if x.state != txOpen || x.gen != x.group.gen {
		x.abort()
		return errFenced
	}
	x.end(txCommitted)
	return x.apply()
}

func (x *txn) abort() {
	if x.state == txOpen {
		x.end(txAborted)
	}
}

func (x *txn) end(s txState) {
	x.state = s
	for _, t := range x.parts {
		t.next++ // the marker
	}
	for i, y := range x.group.open {
		if y == x {
			x.group.open = append(x.group.open[:i], x.group.open[i+1:]...)
			break
		}
	}
}

// write appends a record to a topic within the transaction.
func (x *txn) write(t *topicPart, e entry) int64 {
	e.tx = x
	if n := len(x.parts); n == 0 || x.parts[n-1] != t {
		known := false
		for _, p := range x.parts {
			known = known || p == t
		}
		if !known {
			x.parts = append(x.parts, t)
		}
	}
	return t.append(e)
}

// group is a consumer group. For route, partitions are those of the stream; for fold, the fold
// partitions with their two inputs.
type group struct {
	name    string
	stream  *simStream // nil: fold
	gen     int
	parts   int
	open    []*txn
	offsets []groupOffset

	replayed groupOffset // of the stream's replayed partition
}

// at is what is committed of a source partition.
func (g *group) at(n int32) *groupOffset {
	if n == core.Replayed {
		return &g.replayed
	}
	return &g.offsets[n]
}

type groupOffset struct {
	known    bool
	offset   int64 // source, or frames
	loop     int64
	metadata string
}

// routed is what one flush of route did, carried by its frames so that the checks know what a
// fold partition has applied.
type routed struct {
	stream string
	at     map[int32]appliedAt
}

// appliedAt is how far a source partition was applied: up to an offset, with so many of its decisions.
type appliedAt struct {
	offset    int64
	decisions int
}
