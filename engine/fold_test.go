package engine

import (
	"errors"
	"slices"
	"testing"
	"time"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/storage"
)

const refusedFile = `
CREATE STREAM orders (time TIMESTAMP, client BIGINT) WITH (topic = 'orders', format = 'csv', timestamp = 'time');
CREATE TABLE totals AS SELECT client, COUNT(*) AS n FROM orders GROUP BY client;
CREATE METRIC top AS SELECT client, n FROM totals ORDER BY n DESC LIMIT 5 EMIT EVERY 5 SECONDS;
`

// foldOf is the fold stage with one partition, without Kafka.
func foldOf(t *testing.T, p *plan.Plan, local *storage.Partition, store core.Store) (*foldLogic, *foldPart) {
	t.Helper()
	part := newFoldPart(0, local)
	var err error
	if part.core, err = core.NewFold(p, 0, 1, store); err != nil {
		t.Fatal(err)
	}
	e := &Engine{opts: Options{App: "t", Plan: p}, topics: newTopicIDs(nil)}
	r, topic := newResultPartitions(nil), p.Metrics[0].Topic
	r.counts[topic], r.topics[topic] = 1, r.by.ForTopic(topic)
	l := &life{ctx: t.Context()}
	return &foldLogic{life: l, engine: e, names: names{"t"}, results: r, parts: map[int32]*foldPart{0: part}}, part
}

// orderFrames are the frames of some orders of one client, one frame for each.
func orderFrames(t *testing.T, p *plan.Plan, lines ...string) (frames [][]byte) {
	t.Helper()
	router := core.NewRouter(p, p.Streams[0], 1, 1)
	part, err := router.Assign(0, core.Start(0))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		at := time.Date(2016, 3, 22, 20, 30, 0, 0, time.UTC)
		if err := part.Rows([]format.Record{{Offset: int64(i), Time: at.UnixMilli(), Value: []byte(line)}}, at.UnixMicro()); err != nil {
			t.Fatal(err)
		}
		for _, m := range router.Take().Frames {
			frames = append(frames, m.Value)
		}
	}
	if len(frames) != len(lines) {
		t.Fatalf("%d frames of %d orders", len(frames), len(lines))
	}
	return frames
}

// badDisk is a store that cannot be read any more.
type badDisk struct {
	core.Store
	fail func() error
}

func (b *badDisk) Get(key []byte) ([]byte, error) {
	if b.fail != nil {
		return nil, b.fail()
	}
	return b.Store.Get(key)
}

// TestNothingOfARefusedFrame: a frame that fails on its way has changed what is in memory by half, and the
// flusher may be waiting for just that partition. What it takes must not be committed: the frame is read
// again, and what is in the changelog of it already would count twice, or be refused for ever.
func TestNothingOfARefusedFrame(t *testing.T) {
	p := bindText(t, "t", refusedFile)
	frames := orderFrames(t, p, "2016-03-22 20:25:20.000,1", "2016-03-22 20:26:26.000,1", "2016-03-22 20:27:32.000,1")
	errDisk := errors.New("the disk is gone")
	faults := map[string]func(t *testing.T, store *badDisk, part *foldPart){
		"the disk fails": func(t *testing.T, store *badDisk, part *foldPart) {
			store.fail = func() error { return errDisk }
			if _, err := part.take(frames[2], 2, false); !errors.Is(err, errDisk) {
				t.Fatalf("the frame was taken: %v", err)
			}
		},
		"a panic": func(t *testing.T, store *badDisk, part *foldPart) {
			store.fail = func() error { panic("a mistake of ours") }
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			_, _ = part.take(frames[2], 2, false)
		},
		"a frame that came before": func(t *testing.T, _ *badDisk, part *foldPart) {
			if _, err := part.take(frames[0], 2, false); err == nil {
				t.Fatal("the frame was taken")
			}
		},
		"a broken share": func(t *testing.T, _ *badDisk, part *foldPart) {
			if _, err := part.take(slices.Repeat([]byte{0xff}, 20), 0, true); err == nil {
				t.Fatal("the share was taken")
			}
		},
	}
	for what, happens := range faults {
		t.Run(what, func(t *testing.T) {
			s, err := storage.Open(t.TempDir(), storage.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			local := s.Partition(tableState, 0)
			f, part := foldOf(t, p, local, local)
			for i, frame := range frames[:2] {
				if _, err := part.take(frame, int64(i), false); err != nil {
					t.Fatal(err)
				}
			}
			w, err := f.take()
			if err != nil {
				t.Fatal(err)
			}
			w.records[0].Offset = 0
			if err := w.applied(); err != nil {
				t.Fatal(err)
			}
			store := &badDisk{Store: local}
			f, part = foldOf(t, p, local, store)
			happens(t, store, part)
			if w, err := f.take(); err == nil {
				t.Errorf("a flush of %d records holds half of what failed", len(w.records))
			}
		})
	}
}
