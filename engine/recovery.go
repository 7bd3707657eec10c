package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	gokastorage "github.com/lovoo/goka/storage"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/storage"
)

// sentinelKey is the key of the plain records that recovery waits for. Nothing in a table has
// it: the keys of the core's rows never begin with these bytes.
const sentinelKey = "\x00penstock-recovery"

// recovery sees to it that Goka's recovery of the group table ends. Goka reads a changelog until
// it is handed the record at the last offset, and where that is the marker of a transaction, no
// reader is ever handed one. So a plain record is written behind whatever there is, before Goka
// looks for the last offset. It lies behind the open transactions of others, too, and a reader
// of committed records does not get past those; so recovery also waits for them, which it has to.
//
// A marker can still land between our record and the moment when Goka asks for the last offset:
// when recovery is not over after a second, another record is written, and again.
type recovery struct {
	cluster *cluster
	topic   string
	every   time.Duration
	log     *slog.Logger

	mu      sync.Mutex
	waiting map[int32]bool
	bounds  map[int32]bounds
	done    chan struct{} // closed when the watchdog has ended
	idle    chan struct{} // closed when nothing waits any more
}

// startRecovery writes the sentinels of the assigned partitions and begins to watch. It ends
// when all are recovered or ctx is done.
func startRecovery(ctx context.Context, c *cluster, topic string, partitions []int32, every time.Duration) (*recovery, error) {
	r := &recovery{
		cluster: c, topic: topic, every: every, log: c.log, waiting: map[int32]bool{},
		done: make(chan struct{}), idle: make(chan struct{}),
	}
	for _, p := range partitions {
		r.waiting[p] = true
	}
	if len(partitions) == 0 {
		close(r.idle)
	}
	if err := r.write(ctx, partitions); err != nil {
		return nil, err
	}
	var err error
	if r.bounds, err = c.bounds(ctx, topic); err != nil {
		return nil, err
	}
	go r.watch(ctx)
	return r, nil
}

func (r *recovery) write(ctx context.Context, partitions []int32) error {
	recs := make([]*kgo.Record, len(partitions))
	for i, p := range partitions {
		recs[i] = &kgo.Record{Topic: r.topic, Partition: p, Key: []byte(sentinelKey), Value: []byte{}}
	}
	if len(recs) == 0 {
		return nil
	}
	if err := r.cluster.write(ctx, recs...); err != nil {
		return fmt.Errorf("write to the changelog %s: %w", r.topic, err)
	}
	return nil
}

func (r *recovery) watch(ctx context.Context) {
	defer close(r.done)
	t := time.NewTicker(r.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.idle:
			return
		case <-t.C:
		}
		if err := r.write(ctx, r.left()); err != nil && ctx.Err() == nil {
			r.log.Warn("recovery waits", "err", err)
		}
	}
}

func (r *recovery) left() []int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []int32
	for p := range r.waiting {
		list = append(list, p)
	}
	return list
}

// recovered tells that a partition has been read to its end.
func (r *recovery) recovered(p int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.waiting[p] {
		return
	}
	delete(r.waiting, p)
	if len(r.waiting) == 0 {
		close(r.idle)
	}
}

// end is the end of a changelog partition when recovery began, behind the first sentinel.
func (r *recovery) end(p int32) int64 { return r.bounds[p].End }

// tableStorage is Goka's storage over one of our table partitions. Goka writes to it only while
// it recovers, what restore left to it, record by record; those are gathered and applied with their
// offset in batches. Once recovered, only flushes write, and they do it past Goka.
type tableStorage struct {
	part     *storage.Partition
	number   int32
	recovery *recovery
	maxAge   time.Duration // of the local state, before it is dropped; 0: any
	log      *slog.Logger

	mu      sync.Mutex
	open    bool
	running bool
	writes  []tableWrite
	bytes   int
	offset  int64
	applied int // records of rows that recovery has applied
	began   time.Time
	asOf    time.Time // when the rows were last those of the changelog
}

type tableWrite struct {
	key    string
	value  []byte
	delete bool
}

// recoveryBatch is how many bytes recovery gathers before it applies them.
const recoveryBatch = 1 << 20

// errRecovered is what Goka gets when it writes to a table that has been recovered.
var errRecovered = errors.New("a recovered table is written by the stage's flushes, not by Goka")

// Open implements storage.Storage: it drops local state that cannot be a prefix of the changelog.
func (t *tableStorage) Open() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = true
	t.began = time.Now()
	t.asOf = t.began
	at, ok := t.part.Offset()
	if !ok {
		return nil
	}
	why := ""
	if end := t.recovery.end(t.number); at >= end {
		why = fmt.Sprintf("it is at offset %d, the changelog ends at %d", at, end)
	}
	written, ok := t.part.Written()
	if ok && t.maxAge > 0 && time.Since(written) > t.maxAge {
		why = fmt.Sprintf("it is from %s and may have missed deletions", written.UTC().Format(time.DateTime))
	}
	if why == "" {
		t.asOf = written
		return nil
	}
	t.log.Warn("local state dropped, recovering from the changelog", "partition", t.number, "reason", why)
	return t.part.Wipe()
}

// Close implements storage.Storage. What was recovered so far is kept, so that a recovery that
// was interrupted goes on from there. The store itself stays open for the next session.
func (t *tableStorage) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		return nil
	}
	t.open = false
	return t.apply()
}

// MarkRecovered implements storage.Storage.
func (t *tableStorage) MarkRecovered() error {
	t.mu.Lock()
	t.asOf = t.began // it holds what the changelog did when recovery began, and more
	err := t.apply()
	t.running = true
	t.mu.Unlock()
	if err != nil {
		return err
	}
	t.recovery.recovered(t.number)
	return nil
}

// Set implements storage.Storage, for recovery.
func (t *tableStorage) Set(key string, value []byte) error {
	return t.add(tableWrite{key: key, value: value})
}

// Delete implements storage.Storage, for recovery.
func (t *tableStorage) Delete(key string) error {
	return t.add(tableWrite{key: key, delete: true})
}

func (t *tableStorage) add(w tableWrite) error {
	if w.key == sentinelKey {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running {
		return errRecovered
	}
	t.writes = append(t.writes, w)
	t.bytes += len(w.key) + len(w.value) + 32
	return nil
}

// SetOffset implements storage.Storage. Goka calls it after every record it recovered; in
// between, key and offset would not belong together, so this is where batches are cut.
func (t *tableStorage) SetOffset(offset int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running {
		return errRecovered
	}
	t.offset = offset
	if t.bytes < recoveryBatch {
		return nil
	}
	return t.apply()
}

func (t *tableStorage) apply() error {
	if t.offset == 0 && len(t.writes) == 0 || t.running {
		return nil
	}
	err := t.part.ApplyAsOf(func(b *storage.Batch) error {
		for _, w := range t.writes {
			if w.delete {
				b.Delete([]byte(w.key))
			} else {
				b.Set([]byte(w.key), w.value)
			}
		}
		return nil
	}, t.offset, t.asOf)
	t.applied += len(t.writes)
	clear(t.writes)
	t.writes, t.bytes = t.writes[:0], 0
	return err
}

// GetOffset implements storage.Storage.
func (t *tableStorage) GetOffset(def int64) (int64, error) {
	if at, ok := t.part.Offset(); ok {
		return at, nil
	}
	return def, nil
}

// Get implements storage.Storage.
func (t *tableStorage) Get(key string) ([]byte, error) { return t.part.Get([]byte(key)) }

// Has implements storage.Storage.
func (t *tableStorage) Has(key string) (bool, error) {
	v, err := t.part.Get([]byte(key))
	return v != nil, err
}

// Iterator implements storage.Storage; tables are read from snapshots of the store instead.
func (t *tableStorage) Iterator() (gokastorage.Iterator, error) {
	return nil, errors.New("tables are read from snapshots of the store, not through Goka")
}

// IteratorWithRange implements storage.Storage.
func (t *tableStorage) IteratorWithRange(_, _ []byte) (gokastorage.Iterator, error) {
	return t.Iterator()
}
