package local

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/plan"
)

// The simulator runs an application of several processes over a broker of its own and lets happen
// to them what happens to processes, at random moments. Everything is drawn from one seed: the
// query file, the rows, the number of processes and partitions, what goes wrong and how often,
// and every single step, so a seed is a run that can be had again.
//
//   - sim_broker_test.go: topics, transactions, groups, compaction.
//   - sim_store_test.go: the disks of the processes, which lose what was not synced.
//   - sim_process_test.go: a process: recovery from the changelog, flushes, fencing.
//   - sim_step_test.go: what happens next.
//   - sim_check_test.go: what has to hold after every commit, and at the end.
//
// What it cannot see is the shell: that the engine really puts what Take returned into one
// transaction, and asks for the generation. The torture of real processes is for that.

// sim is one run.
type sim struct {
	r          *rand.Rand
	seed       uint64
	plan       *plan.Plan
	text       string
	folds      int
	wall       int64
	faults     bool
	tiny       bool
	limits     [3]int
	frameBytes int
	chances    chances

	streams   []*simStream
	groups    []*group // route of each stream, then fold
	frames    []*topicPart
	loop      []*topicPart
	changelog []*topicPart
	procs     []*proc

	decisions []core.Decision // as they were committed
	decided   map[string]core.Decision
	rejects   []core.Reject
	outputs   []core.Output
	ends      map[string]int64 // last end published, by metric
	replayed  []Store          // what the changelog of each fold partition adds up to
	applied   []map[string]appliedAt
	midway    []bool // it has applied some parts of a split frame, and not the last

	disk *diskFaults // nil: disks lose what was not synced, and work otherwise

	trace   uint64 // hash of everything that happened
	verbose bool
	crashes int
	fenced  int
	commits int
	reads   int
}

// simStream is a stream's topic.
type simStream struct {
	plan  *plan.Stream
	group *group
	log   [][]format.Record // by partition
	end   []int64           // next offset, behind markers
	todo  []pendingRow
	joins []bool // by partition: it appeared later

	replays     []pendingRow // rows that will be replayed
	replayed    []format.Record
	replayedEnd int64
}

// numbers lists the source partitions, the replayed one last.
func (st *simStream) numbers() (list []int32) {
	for n := range st.log {
		list = append(list, int32(n))
	}
	return append(list, core.Replayed)
}

// records are those of a source partition, and end its next offset.
func (st *simStream) records(n int32) (log []format.Record, end int64) {
	if n == core.Replayed {
		return st.replayed, st.replayedEnd
	}
	return st.log[n], st.end[n]
}

type pendingRow struct {
	partition int
	record    format.Record
}

// chances are drawn for each run, so that some runs have many faults of a kind and others none.
type chances struct {
	weights []int
	total   int
	resolve int // one of so many outcomes of a flush is bad in each way
	leap    int // one of so many idle moves goes far
	cleanup int // of so many rebalances, all but one let a member clean up
}

// newSim draws a run.
func newSim(seed uint64) *sim {
	r := rand.New(rand.NewPCG(seed, 0x51))
	s := &sim{r: r, seed: seed, faults: true, decided: map[string]core.Decision{}, ends: map[string]int64{}}
	s.text, s.plan = drawFile(r)
	s.folds = 1 + r.IntN(4)
	s.wall = startSecond * 1_000_000
	if s.tiny = r.IntN(2) == 0; s.tiny {
		s.limits = [3]int{1 + r.IntN(6), 1 + r.IntN(4), r.IntN(3) * 1000}
	}
	s.frameBytes = 1 << 19
	if r.IntN(2) == 0 {
		s.frameBytes = 50 + r.IntN(400)
	}
	for _, p := range s.plan.Streams {
		s.addStream(p)
	}
	fold := &group{name: "fold", parts: s.folds, offsets: make([]groupOffset, s.folds)}
	for n := range s.folds {
		s.frames = append(s.frames, &topicPart{name: fmt.Sprintf("frames/%d", n)})
		s.loop = append(s.loop, &topicPart{name: fmt.Sprintf("loop/%d", n)})
		s.changelog = append(s.changelog, &topicPart{name: fmt.Sprintf("changelog/%d", n)})
		s.replayed = append(s.replayed, Store{})
		s.applied = append(s.applied, map[string]appliedAt{})
		s.midway = append(s.midway, false)
	}
	s.groups = append(s.groups, fold)
	s.drawChances()
	return s
}

func (s *sim) addStream(p *plan.Stream) {
	st := &simStream{plan: p}
	parts := 1 + s.r.IntN(4)
	late := s.r.IntN(3) // partitions that appear later
	st.todo = drawInput(s.r, p, parts+late)
	if s.r.IntN(2) == 0 {
		st.replays = drawInput(s.r, p, 1)
		st.replays = st.replays[:s.r.IntN(len(st.replays))]
	}
	for range parts {
		st.grow()
	}
	st.group = &group{name: "route " + p.Name, stream: st, parts: parts, offsets: make([]groupOffset, parts+late)}
	pos := core.Start(0)
	for n := range parts { // what startGroup commits
		st.group.offsets[n] = groupOffset{known: true, metadata: pos.Metadata()}
	}
	st.group.replayed = groupOffset{known: true, metadata: pos.Metadata()}
	s.streams, s.groups = append(s.streams, st), append(s.groups, st.group)
}

func (st *simStream) grow() {
	st.log, st.end, st.joins = append(st.log, nil), append(st.end, 0), append(st.joins, false)
}

func (s *sim) drawChances() {
	for _, step := range steps {
		w := step.weight
		if step.fault {
			switch s.r.IntN(4) {
			case 0:
				w = 0
			case 1:
				w *= 4
			}
		}
		s.chances.weights = append(s.chances.weights, w)
		s.chances.total += w
	}
	s.chances.resolve = 3 + s.r.IntN(60)
	s.chances.leap = 1 + s.r.IntN(100)
	s.chances.cleanup = 1 + s.r.IntN(5)
}

// start opens the disks of the processes.
func (s *sim) start() error {
	usePebble := s.r.IntN(pebbleShare) == 0 || s.disk != nil
	for id := range 1 + s.r.IntN(3) {
		p := &proc{id: id, alive: true, sessions: map[*group]*session{}}
		if usePebble {
			d, err := openPebbleDisk(&s.wall, vfs.NewCrashableMem(), s.disk)
			if err != nil && s.disk != nil {
				err = s.disk.reopen(d)
			}
			if err != nil {
				return err
			}
			p.disk = d
		} else {
			p.disk = newMapDisk(s.folds)
		}
		s.procs = append(s.procs, p)
	}
	for _, g := range s.groups {
		if err := s.rebalance(g); err != nil {
			return err
		}
	}
	return nil
}

// pebbleShare: one of so many runs has real stores.
const pebbleShare = 8

// run does n random steps, then lets everything come to its end and compares.
func (s *sim) run(n int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, stack())
		}
		for _, p := range s.procs {
			if closeErr := s.closed(p.disk.close()); err == nil && closeErr != nil {
				err = closeErr
			}
		}
	}()
	if err := s.tolerate(s.start()); err != nil {
		return err
	}
	for range n {
		if err := s.tolerate(s.step()); err != nil {
			return err
		}
	}
	for again := true; again; {
		err := s.finish()
		again = err != nil
		if err := s.tolerate(err); err != nil {
			return err
		}
	}
	if err := s.checkEnd(); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	return nil
}

// event notes what happens, for the trace of a run.
func (s *sim) event(f string, args ...any) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d ", s.trace)
	fmt.Fprintf(h, f, args...)
	s.trace = h.Sum64()
	if s.verbose {
		fmt.Fprintf(os.Stderr, f+"\n", args...)
	}
}

// simulate runs one seed.
func simulate(seed uint64) (*sim, error) {
	s := newSim(seed)
	s.verbose = os.Getenv("PENSTOCK_SIM_TRACE") != ""
	return s, s.run(150 + s.r.IntN(350))
}

func envInt(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSimulator runs seeds until they had as many crashes as PENSTOCK_SIM_CRASHES asks for, by
// default for 15 seconds. PENSTOCK_SEED runs one seed, PENSTOCK_SIM_TRACE=1 prints what happens,
// PENSTOCK_SIM_SEEDS runs that many seeds from 1 on.
func TestSimulator(t *testing.T) {
	crashes := envInt(t, "PENSTOCK_SIM_CRASHES", 0)
	count := envInt(t, "PENSTOCK_SIM_SEEDS", 0)
	first := rand.Uint64N(1 << 40)
	if one := envInt(t, "PENSTOCK_SEED", 0); one != 0 {
		first, count = uint64(one), 1
	} else if count > 0 {
		first = 1
	}
	var total sim
	n := 0
	began := time.Now()
	for more := true; more; n++ {
		s, err := simulate(first + uint64(n))
		if err != nil {
			t.Fatalf("after %d seeds: run it again with PENSTOCK_SEED=%d: %v\n%s", n+1, s.seed, err, s.text)
		}
		total.crashes += s.crashes
		total.fenced += s.fenced
		total.commits += s.commits
		total.reads += s.reads
		switch {
		case count > 0:
			more = n+1 < count
		case crashes > 0:
			more = total.crashes < crashes
		default:
			more = time.Since(began) < 15*time.Second
		}
	}
	t.Logf("%d seeds from %d: %d crashes, %d commits, %d refused of members that were replaced, %d tables read; %d crashes a minute",
		n, first, total.crashes, total.commits, total.fenced, total.reads, int(float64(total.crashes)/time.Since(began).Minutes()))
	if n > 100 && (total.crashes < n || total.fenced < n/10 || total.reads < n/2) {
		t.Errorf("too little happens in the runs")
	}
}

// TestSimulatorRepeats: a seed is the same run, every time.
func TestSimulatorRepeats(t *testing.T) {
	for _, seed := range seeds(t, 40) {
		a, err := simulate(seed)
		if err != nil {
			t.Fatalf("PENSTOCK_SEED=%d: %v", seed, err)
		}
		b, err := simulate(seed)
		if err != nil {
			t.Fatalf("PENSTOCK_SEED=%d: only the second time: %v", seed, err)
		}
		if a.trace != b.trace {
			t.Fatalf("PENSTOCK_SEED=%d: the second run went another way", seed)
		}
	}
}
