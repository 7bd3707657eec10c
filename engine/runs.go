package engine

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"penstock/engine/format"
)

// maxRun is the most records of one run: enough that Goka's cost per message vanishes, few
// enough to be one batch of the core (row.MaxBatch).
const maxRun = 1024

// run is a stretch of records of one partition, in order of their offsets.
type run struct {
	topic     string
	partition int32
	records   []format.Record
}

// runs holds the records of the runs that are under way from the fetcher to a callback of Goka's. A
// Goka message carries only bytes, so a run travels as the eight bytes of its id and is fetched
// here by the callback; nothing is copied.
type runs struct {
	mu   sync.Mutex
	next uint64
	held map[uint64]*run
	free [][]format.Record

	fetch   int32        // bytes to ask of all partitions together at once
	claims  int          // partitions of the session
	fetched atomic.Int64 // bytes of records that are fetched and in no run yet, about
}

func newRuns(fetch int32) *runs { return &runs{held: map[uint64]*run{}, fetch: fetch} }

// reset forgets the runs of a session that is over: messages that Goka had queued and dropped. The
// next has that many partitions.
func (r *runs) reset(partitions int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.held)
	r.claims = partitions
	r.fetched.Store(0)
}

// leastFetch is what is asked of a partition in any case; a broker answers with a batch at least.
const leastFetch = 16 << 10

// fetchBytes is how much to ask of a partition at once.
func (r *runs) fetchBytes() int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(leastFetch, min(maxFetch, r.fetch/int32(max(1, r.claims))))
}

// memory is how many bytes of records are under way, about, and how many there may be.
func (r *runs) memory() (bytes, bound int64) {
	// A partition has an answer in the client, fetchAhead in its queue, and one that runs are made of.
	// Orders of 50 bytes take nine times their size on the wire when they are unpacked.
	const answers, unpacked = 1 + fetchAhead + 1, 9
	size := r.fetchBytes()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetched.Load(), int64(r.claims) * answers * unpacked * int64(size)
}

// rest lets go of the slices for runs to come.
func (r *runs) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = nil
}

// put keeps a run and returns the message value that stands for it.
func (r *runs) put(x *run) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	r.held[r.next] = x
	return binary.BigEndian.AppendUint64(nil, r.next)
}

// take returns the run that a message value stands for and forgets it. A run that is not there
// belonged to an earlier session.
func (r *runs) take(value []byte) (*run, error) {
	if len(value) != 8 {
		return nil, fmt.Errorf("a run's id has 8 bytes, not %d", len(value))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := binary.BigEndian.Uint64(value)
	x := r.held[id]
	delete(r.held, id)
	if x == nil {
		return nil, fmt.Errorf("run %d is not known", id)
	}
	return x, nil
}

// done gives the slice of a run back for use by another. The records' bytes are not reused, so
// rows may go on pointing into them.
func (r *runs) done(x *run) {
	clear(x.records)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) < 64 {
		r.free = append(r.free, x.records[:0])
	}
	x.records = nil
}

func (r *runs) slice() []format.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.free); n > 0 {
		s := r.free[n-1]
		r.free = r.free[:n-1]
		return s
	}
	return make([]format.Record, 0, maxRun)
}
