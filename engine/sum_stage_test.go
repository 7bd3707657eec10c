package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	gokastorage "github.com/lovoo/goka/storage"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sumLogic is the smallest stage without a table: it adds numbers and writes, per flush and
// source partition, a frame that says from where to where.
type sumLogic struct {
	life  *life
	mu    sync.Mutex
	parts map[int32]*sumFrame
	over  bool
}

type sumFrame struct {
	Partition      int32
	From, To, Sum  int64
	Count, Skipped int64
	Gen            int32
}

func (s *sumLogic) source() string { return s.life.opts.App + "-numbers" }

func (s *sumLogic) target() string { return s.life.opts.App + "-sums" }

func (s *sumLogic) graph() *goka.GroupGraph {
	return goka.DefineGroup(goka.Group(s.life.stage.group), goka.Input(goka.Stream(s.source()), new(codec.Bytes), s.message))
}

func (s *sumLogic) table() gokastorage.Builder { return nil }

func (s *sumLogic) assign(ctx context.Context, ses *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	claims := ses.Claims[s.source()]
	at, err := s.life.cluster.committed(ctx, s.life.stage.group, s.source(), claims, s.life.takeOver)
	if err != nil {
		return err
	}
	s.over, s.parts = false, map[int32]*sumFrame{}
	for _, p := range claims {
		from := at[p].Offset
		if from == noOffset {
			from = 0
		}
		if m := at[p].Metadata; m != "" && m != fmt.Sprintf("at %d", from) {
			return fmt.Errorf("metadata %q of offset %d", m, from)
		}
		ses.start(s.source(), p, from)
		s.parts[p] = &sumFrame{Partition: p, From: from, To: from, Gen: ses.Generation}
	}
	return nil
}

func (s *sumLogic) begin(context.Context, *session) error { return nil }

func (s *sumLogic) message(ctx goka.Context, msg any) {
	x, err := s.life.runs.take(msg.([]byte))
	if err != nil {
		s.life.refuse(ctx, err)
	}
	s.mu.Lock()
	p := s.parts[ctx.Partition()]
	if !s.over && p != nil {
		for _, r := range x.records {
			n, err := strconv.ParseInt(string(r.Value), 10, 64)
			if err != nil {
				s.mu.Unlock()
				s.life.refuse(ctx, err)
			}
			if r.Offset < p.To {
				p.Skipped++
				continue
			}
			p.Sum += n
			p.Count++
			p.To = r.Offset + 1
		}
	}
	s.mu.Unlock()
	s.life.runs.done(x)
	s.life.flusher.grown()
}

func (s *sumLogic) pending() int { return 0 }

func (s *sumLogic) take() (*work, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &work{}
	for p, f := range s.parts {
		if f.To == f.From {
			continue
		}
		value, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		w.records = append(w.records, &kgo.Record{Topic: s.target(), Partition: p % 2, Value: value})
		w.offsets = append(w.offsets, sourceOffset{Topic: s.source(), Partition: p, Offset: f.To, Metadata: fmt.Sprintf("at %d", f.To)})
		s.parts[p] = &sumFrame{Partition: p, From: f.To, To: f.To, Gen: f.Gen}
	}
	if len(w.records) == 0 {
		return nil, nil
	}
	return w, nil
}

func (s *sumLogic) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

func (s *sumLogic) release() {}

func newSumStage(c *cluster, o Options) *stage {
	return &stage{
		group: o.App + "-sum", opts: o, cluster: c, topics: newTopicIDs(c), log: o.Logger, packed: true,
		limit:    newFlushLimit(o.FlushBytes, o.TransactionTimeout),
		newLogic: func(l *life) logic { return &sumLogic{life: l} },
	}
}

func runSumStage(ctx context.Context, spec childSpec) error {
	o := spec.options()
	setUpLibraries(o.Logger)
	c, err := openCluster(ctx, o.Brokers, nil, "child", o.Logger)
	if err != nil {
		return err
	}
	defer c.close()
	return newSumStage(c, o).supervise(ctx)
}

// feed writes the numbers 1..n over the partitions, in bursts, and returns their sum by partition.
func feed(t *testing.T, ctx context.Context, c *cluster, app string, n, partitions int) map[int32]int64 {
	t.Helper()
	sums := map[int32]int64{}
	var recs []*kgo.Record
	for i := 1; i <= n; i++ {
		p := int32(i % partitions)
		sums[p] += int64(i)
		recs = append(recs, &kgo.Record{Topic: app + "-numbers", Partition: p, Value: strconv.AppendInt(nil, int64(i), 10)})
		if len(recs) == 10_000 || i == n {
			if err := c.write(ctx, recs...); err != nil {
				t.Error(err)
				return nil
			}
			recs = recs[:0:0]
		}
	}
	return sums
}

// checkSums verifies that the committed frames of every source partition join without gap or
// overlap from 0 to end and add up.
func checkSums(t *testing.T, ctx context.Context, brokers []string, app string, want map[int32]int64, end int64) {
	t.Helper()
	next, sum := map[int32]int64{}, map[int32]int64{}
	for _, recs := range readAll(t, ctx, brokers, app+"-sums", true) {
		for _, r := range recs {
			var f sumFrame
			if err := json.Unmarshal(r.Value, &f); err != nil {
				t.Fatal(err)
			}
			if f.From != next[f.Partition] {
				t.Errorf("partition %d: a frame from %d follows one to %d", f.Partition, f.From, next[f.Partition])
			}
			if f.Skipped != 0 {
				t.Errorf("partition %d: %d records read again within a session", f.Partition, f.Skipped)
			}
			next[f.Partition] = f.To
			sum[f.Partition] += f.Sum
		}
	}
	for p, w := range want {
		if sum[p] != w || next[p] != end {
			t.Errorf("partition %d: sum %d up to offset %d, expected %d up to %d", p, sum[p], next[p], w, end)
		}
	}
}

// sumsDone tells whether the committed offsets have reached end.
func sumsDone(ctx context.Context, c *cluster, app string, parts []int32, end int64) func() bool {
	return func() bool {
		at, err := c.fetchOffsets(ctx, app+"-sum", app+"-numbers", parts)
		if err != nil {
			return false
		}
		for _, p := range parts {
			if at[p].Offset < end {
				return false
			}
		}
		return true
	}
}

// sumTopics makes the topics of the sum stage.
func sumTopics(t *testing.T, ctx context.Context, c *cluster, app string) {
	t.Helper()
	makeTopic(t, ctx, c, app+"-numbers", 3)
	makeTopic(t, ctx, c, app+"-sums", 2)
}

// TestSumStage runs the stage in process: exact, and a second run goes on where the first stopped.
func TestSumStage(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		sumTopics(t, ctx, c, app)
		want := map[int32]int64{}
		for round := int64(1); round <= 2; round++ {
			for p, n := range feed(t, ctx, c, app, 30_000, 3) {
				want[p] += n
			}
			runCtx, stop := context.WithCancel(ctx)
			s := newSumStage(c, childSpec{Brokers: brokers, App: app, Instance: "i1"}.options())
			done := make(chan error, 1)
			go func() { done <- s.supervise(runCtx) }()
			eventually(t, ctx, "all sums committed", sumsDone(ctx, c, app, []int32{0, 1, 2}, round*10_000))
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			checkSums(t, ctx, brokers, app, want, round*10_000)
		}
	})
}

// TestSumStageKilled kills the process of the stage with kill -9 again and again (P10 of the
// probes): nothing is lost and nothing counted twice.
func TestSumStageKilled(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, 2*time.Minute)
		c := testCluster(t, ctx, brokers)
		sumTopics(t, ctx, c, app)
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 1))

		spec := childSpec{Kind: "sum", Brokers: brokers, App: app, Instance: "i1"}
		const perRound, rounds = 60_000, 5
		want := map[int32]int64{}
		for round := range rounds {
			child := startChild(t, spec)
			before := int64(round) * perRound / 3
			for p, n := range feed(t, ctx, c, app, perRound, 3) {
				want[p] += n
			}
			if round < rounds-1 {
				// Kill it in the middle: once it has got some way into this round, and a little more.
				part := []int32{int32(rnd.IntN(3))}
				eventually(t, ctx, "progress", sumsDone(ctx, c, app, part, before+rnd.Int64N(perRound/3)))
				child.kill()
				continue
			}
			eventually(t, ctx, "all sums committed", sumsDone(ctx, c, app, []int32{0, 1, 2}, rounds*perRound/3))
			child.signal(syscall.SIGTERM)
			<-child.done
		}
		checkSums(t, ctx, brokers, app, want, rounds*perRound/3)
	})
}
