package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	gokastorage "github.com/lovoo/goka/storage"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/storage"
)

// tableLogic is the smallest stage with a table: it counts how often each key came. What it
// writes per flush is the changed counts and the offset, both into the changelog, so that a
// recovered table can be compared with the input it is said to hold.
type tableLogic struct {
	life     *life
	store    *storage.Store
	mu       sync.Mutex
	recovery *recovery
	parts    map[int32]*tablePart
	over     bool
}

type tablePart struct {
	number int32
	local  *storage.Partition
	counts map[string]uint64 // read from the store once, then kept
	dirty  map[string]bool
	to     int64
	moved  bool
}

func (s *tableLogic) source() string { return s.life.opts.App + "-updates" }

// offsetKey holds the next offset to apply, in the table beside the counts.
const offsetKey = "\x00offset"

func (s *tableLogic) changelog() string { return s.life.stage.group + "-table" }

func (s *tableLogic) graph() *goka.GroupGraph {
	return goka.DefineGroup(goka.Group(s.life.stage.group),
		goka.Input(goka.Stream(s.source()), new(codec.Bytes), s.message),
		goka.Persist(new(codec.Bytes)))
}

func (s *tableLogic) table() gokastorage.Builder {
	return func(_ string, p int32) (gokastorage.Storage, error) {
		return &tableStorage{part: s.store.Partition("t", p), number: p, recovery: s.recovery, log: s.life.log}, nil
	}
}

func (s *tableLogic) assign(ctx context.Context, ses *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	claims := ses.Claims[s.source()]
	at, err := s.life.cluster.committed(ctx, s.life.stage.group, s.source(), claims, s.life.takeOver)
	if err != nil {
		return err
	}
	s.over, s.parts = false, map[int32]*tablePart{}
	for _, p := range claims {
		from := max(0, at[p].Offset)
		ses.start(s.source(), p, from)
		s.parts[p] = &tablePart{number: p, local: s.store.Partition("t", p), counts: map[string]uint64{}, dirty: map[string]bool{}, to: from}
	}
	s.recovery, err = startRecovery(ses.ctx, s.life.cluster, s.changelog(), claims, 200*time.Millisecond)
	if err != nil {
		return err
	}
	tables := map[int32]*tableStorage{}
	for _, p := range claims {
		tables[p] = &tableStorage{part: s.store.Partition("t", p), number: p, recovery: s.recovery, log: s.life.log}
	}
	return s.recovery.restore(ses.ctx, tables)
}

func (s *tableLogic) begin(context.Context, *session) error {
	for _, p := range s.parts {
		v, err := p.local.Get([]byte(offsetKey))
		if err != nil {
			return err
		}
		if at := decodeCount(v); at != uint64(p.to) {
			return stopf("partition %d: the table holds offset %d, the group %d", p.number, at, p.to)
		}
	}
	return nil
}

func decodeCount(v []byte) uint64 {
	if v == nil {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

func (s *tableLogic) message(ctx goka.Context, msg any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[ctx.Partition()]
	if s.over || p == nil {
		return
	}
	if ctx.Offset() < p.to {
		return
	}
	key := string(msg.([]byte))
	n, ok := p.counts[key]
	if !ok {
		v, err := p.local.Get([]byte(key))
		if err != nil {
			s.life.refuse(ctx, err)
		}
		n = decodeCount(v)
	}
	p.counts[key] = n + 1
	p.dirty[key] = true
	p.to, p.moved = ctx.Offset()+1, true
	s.life.flusher.grown()
}

func (s *tableLogic) pending() int { return 0 }

func (s *tableLogic) take() (*work, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type change struct{ key, value []byte }
	w := &work{}
	changes, last := map[*tablePart][]change{}, map[*tablePart]*kgo.Record{}
	for n, p := range s.parts {
		if !p.moved {
			continue
		}
		for key := range p.dirty {
			changes[p] = append(changes[p], change{[]byte(key), binary.BigEndian.AppendUint64(nil, p.counts[key])})
		}
		changes[p] = append(changes[p], change{[]byte(offsetKey), binary.BigEndian.AppendUint64(nil, uint64(p.to))})
		for _, c := range changes[p] {
			last[p] = &kgo.Record{Topic: s.changelog(), Partition: n, Key: c.key, Value: c.value}
			w.records = append(w.records, last[p])
		}
		w.offsets = append(w.offsets, sourceOffset{Topic: s.source(), Partition: n, Offset: p.to})
		clear(p.dirty)
		p.moved = false
	}
	if len(w.records) == 0 {
		return nil, nil
	}
	w.applied = func() error {
		for p, list := range changes {
			err := p.local.Apply(func(b *storage.Batch) error {
				for _, c := range list {
					b.Set(c.key, c.value)
				}
				return nil
			}, last[p].Offset)
			if err != nil {
				return err
			}
		}
		return nil
	}
	return w, nil
}

func (s *tableLogic) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

func (s *tableLogic) release() {
	if s.recovery != nil {
		<-s.recovery.done
	}
}

func runTableStage(ctx context.Context, spec childSpec) error {
	o := spec.options()
	setUpLibraries(o.Logger)
	store, err := storage.Open(spec.Dir, storage.Options{Logger: o.Logger})
	if err != nil {
		return err
	}
	c, err := openCluster(ctx, o.Brokers, nil, "child", o.Logger)
	if err != nil {
		return err
	}
	defer c.close()
	s := &stage{
		group: o.App + "-count", opts: o, cluster: c, topics: newTopicIDs(c), log: o.Logger,
		limit:    newFlushLimit(o.FlushBytes, o.TransactionTimeout),
		newLogic: func(l *life) logic { return &tableLogic{life: l, store: store} },
	}
	if err := s.supervise(ctx); err != nil {
		return err
	}
	return store.Close()
}

// readCounts returns the counts in a local store.
func readCounts(t *testing.T, dir string, partitions int) map[string]uint64 {
	t.Helper()
	store, err := storage.Open(dir, storage.Options{Logger: testLog()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	got := map[string]uint64{}
	for p := range int32(partitions) {
		err := store.Partition("t", p).Scan(nil, nil, func(k, v []byte) bool {
			if string(k) != offsetKey {
				got[string(k)] += decodeCount(v)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// tableHarness feeds keys to the table stage and knows the true counts.
type tableHarness struct {
	t       *testing.T
	app     string
	ctx     context.Context
	cluster *cluster
	rnd     *rand.Rand
	want    map[string]uint64
	ends    map[int32]int64
}

func newTableHarness(t *testing.T, ctx context.Context, brokers []string, app string) *tableHarness {
	c := testCluster(t, ctx, brokers)
	makeTopic(t, ctx, c, app+"-updates", 2)
	makeTopic(t, ctx, c, app+"-count-table", 2, "cleanup.policy", "compact")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return &tableHarness{t: t, app: app, ctx: ctx, cluster: c, rnd: rand.New(rand.NewPCG(seed, 1)),
		want: map[string]uint64{}, ends: map[int32]int64{}}
}

func (h *tableHarness) feed(n int) {
	h.t.Helper()
	var recs []*kgo.Record
	for range n {
		k := h.rnd.IntN(500)
		key := fmt.Sprintf("key-%d", k)
		p := int32(k % 2)
		h.want[key]++
		h.ends[p]++
		recs = append(recs, &kgo.Record{Topic: h.app + "-updates", Partition: p, Value: []byte(key)})
	}
	if err := h.cluster.write(h.ctx, recs...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *tableHarness) reached(p int32, end int64) func() bool {
	return func() bool {
		at, err := h.cluster.fetchOffsets(h.ctx, h.app+"-count", h.app+"-updates", []int32{p})
		return err == nil && at[p].Offset >= end
	}
}

func (h *tableHarness) done() bool { return h.reached(0, h.ends[0])() && h.reached(1, h.ends[1])() }

// TestTableStageKilled kills a stage with a table again and again (P16 of the probes): the local
// store and a table recovered into an empty directory both hold what was read, exactly.
func TestTableStageKilled(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, 2*time.Minute)
		h := newTableHarness(t, ctx, brokers, app)
		dir := filepath.Join(t.TempDir(), "state")
		spec := childSpec{Kind: "table", Brokers: brokers, App: app, Instance: "i1", Dir: dir}
		for range 5 {
			child := startChild(t, spec)
			before := h.ends[0]
			h.feed(20_000)
			eventually(t, ctx, "progress", h.reached(0, before+h.rnd.Int64N(h.ends[0]-before)))
			child.kill()
		}
		finish := func(dir string) {
			t.Helper()
			spec.Dir = dir
			last := startChild(t, spec)
			h.feed(1000)
			eventually(t, ctx, "all counted", h.done)
			last.signal(syscall.SIGTERM)
			<-last.done
			if got := readCounts(t, dir, 2); !maps.Equal(got, h.want) {
				t.Errorf("%s: counts differ: %s", dir, firstDifference(got, h.want))
			}
		}
		finish(dir)
		finish(filepath.Join(t.TempDir(), "empty"))

		// A store that claims more than the changelog holds is dropped and recovered.
		store, err := storage.Open(dir, storage.Options{Logger: testLog()})
		if err != nil {
			t.Fatal(err)
		}
		err = store.Partition("t", 1).Apply(func(b *storage.Batch) error {
			b.Set([]byte("key-1"), binary.BigEndian.AppendUint64(nil, 1<<40))
			return nil
		}, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		finish(dir)
	})
}

func firstDifference(got, want map[string]uint64) string {
	for k, w := range want {
		if got[k] != w {
			return fmt.Sprintf("%s: got %d, expected %d (%d and %d keys)", k, got[k], w, len(got), len(want))
		}
	}
	return fmt.Sprintf("%d keys instead of %d", len(got), len(want))
}

// TestZombieIsFenced stops a process past its session timeout, lets another take over, and wakes
// it (P17 of the probes): what it then tries to commit is refused.
func TestZombieIsFenced(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		h := newTableHarness(t, ctx, brokers, app)
		spec := childSpec{Kind: "table", Brokers: brokers, App: app, Instance: "i1", Dir: filepath.Join(t.TempDir(), "1"),
			Session: time.Second, Txn: 2 * time.Minute}
		first := startChild(t, spec)
		h.feed(20_000)
		eventually(t, ctx, "progress", h.reached(0, h.rnd.Int64N(h.ends[0])))
		first.signal(syscall.SIGSTOP)
		h.feed(20_000)

		spec.Instance, spec.Dir = "i2", filepath.Join(t.TempDir(), "2")
		second := startChild(t, spec)
		began := time.Now()
		eventually(t, ctx, "taken over", h.done)
		if took := time.Since(began); took > 60*time.Second {
			t.Errorf("the takeover took %v: it waited for the transaction of the first to time out", took)
		}
		first.signal(syscall.SIGCONT)
		h.feed(20_000)
		eventually(t, ctx, "all counted", h.done)
		// The two share the table now; each one's store holds what it owns, so the whole is only in
		// the changelog.
		for _, c := range []*child{first, second} {
			c.signal(syscall.SIGTERM)
			<-c.done
		}
		spec.Instance, spec.Dir = "i3", filepath.Join(t.TempDir(), "3")
		third := startChild(t, spec)
		h.feed(1000)
		eventually(t, ctx, "all counted", h.done)
		third.signal(syscall.SIGTERM)
		<-third.done
		if got := readCounts(t, spec.Dir, 2); !maps.Equal(got, h.want) {
			t.Errorf("counts differ: %s", firstDifference(got, h.want))
		}
	})
}
