package engine

import (
	"encoding/binary"
	"fmt"
	"sync"

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
}

func newRuns() *runs { return &runs{held: map[uint64]*run{}} }

// reset forgets the runs of a session that is over: messages that Goka had queued and dropped.
func (r *runs) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.held)
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
