package engine

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/storage"
)

// TestStaleState: a state that is older than Kafka remembers deletions, and one that is ahead of its
// changelog (which lost its end, or is another's), is dropped and recovered, not gone on with.
func TestStaleState(t *testing.T) {
	f := newFaultRun(t)
	want := rowsOf(t, f.dir)
	cases := []struct {
		what   string
		moved  int64         // changelog offsets that the state is ahead
		age    time.Duration // of the state
		remain bool          // the state is gone on with
	}{
		{what: "as it is", remain: true},
		{what: "an hour old", age: time.Hour, remain: true},
		{what: "older than deletions", age: maxStateAge + time.Hour},
		{what: "ahead of its changelog", moved: 1_000_000},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			gone := leaveBehind(t, f.dir, c.moved, c.age)
			f.serve(testEngine(t, f.options(f.dir, false)), func() bool { return true })
			f.check()
			got := rowsOf(t, f.dir)
			for p := range int32(4) {
				key := string(rune('0'+p)) + gone
				if _, there := got[key]; there != c.remain {
					t.Errorf("partition %d: a row that only the state on disk has: there is one: %t, expected %t", p, there, c.remain)
				}
			}
			maps.DeleteFunc(got, func(key, _ string) bool { return strings.Contains(key, left) })
			if !maps.Equal(got, want) {
				t.Errorf("%d rows, expected %d, with the same values", len(got), len(want))
			}
		})
	}
}

// serve runs an engine of the application until its tables can be read and something else is so too.
func (f *faultRun) serve(e *Engine, also func() bool) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	eventually(f.t, f.ctx, "the tables are there", func() bool {
		for p := range int32(4) {
			if e.standing(p).State != "" {
				return false
			}
		}
		return also()
	})
	cancel()
	if err := <-done; err != nil {
		f.t.Fatal(err)
	}
}

// left begins the keys of rows that only the state on disk has.
const left = "zz left behind "

// leaveBehind puts a row into each partition of a stopped state that its changelog does not have, as if that
// had been deleted there since, and returns its key.
func leaveBehind(t *testing.T, dir string, moved int64, age time.Duration) (key string) {
	t.Helper()
	s, err := storage.Open(dir, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key = left + filepath.Base(t.Name())
	for n := range int32(4) {
		p := s.Partition(tableState, n)
		at, ok := p.Offset()
		if !ok {
			t.Fatalf("partition %d has no offset", n)
		}
		err := p.ApplyAsOf(func(b *storage.Batch) error {
			b.Set([]byte(key), []byte("x"))
			return nil
		}, at+moved, time.Now().Add(-age))
		if err != nil {
			t.Fatal(err)
		}
	}
	return key
}

// TestChangelogLostItsEnd: what a broker acknowledged and forgot again (an unclean election) leaves a table that
// is older than what was read of the frames. The next frame does not follow, and nothing is made of it.
func TestChangelogLostItsEnd(t *testing.T) {
	f := newFaultRun(t)
	topic := names{f.app}.FoldTable()
	last := func() map[string]*kgo.Record {
		all := map[string]*kgo.Record{}
		for p, recs := range readAll(t, f.ctx, f.brokers, topic, true) {
			for _, r := range recs {
				all[fmt.Sprintf("%d %s", p, r.Key)] = r
			}
		}
		return all
	}
	rnd := rand.New(rand.NewPCG(9, 9))
	before := last()
	load(t, f.ctx, f.cluster, f.topic, orderLog(rnd, 2000, 3))
	if err := testEngine(t, f.options(f.dir, true)).Run(f.ctx); err != nil {
		t.Fatal(err)
	}
	made := published(t, f.ctx, f.brokers, f.plan)
	for key, r := range last() {
		back := &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key}
		if was := before[key]; was != nil {
			back.Value = was.Value
		}
		if err := f.cluster.write(f.ctx, back); err != nil {
			t.Fatal(err)
		}
	}
	load(t, f.ctx, f.cluster, f.topic, orderLog(rnd, 2000, 3))
	f.again(filepath.Join(t.TempDir(), "empty"), "frames were lost or doubled", "penstock reset")
	compareLines(t, published(t, f.ctx, f.brokers, f.plan), made)
}
