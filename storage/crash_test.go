package storage

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	crashSeed  = flag.Uint64("crash.seed", 0, "run one seed of the crash test, as printed by a failure")
	crashSeeds = flag.Int("crash.seeds", 60, "how many seeds the crash test runs")
)

// model is what a partition should hold, for every offset it ever had.
type model struct {
	now  map[string]string
	at   map[int64]map[string]string
	last int64 // the last offset given out, never one twice
	has  int64 // the offset the partition has, 0: none

	// What may be left after a crash: an offset of at least floor, or none.
	floor   int64
	orEmpty bool
}

func newModel() *model {
	return &model{now: map[string]string{}, at: map[int64]map[string]string{}, orEmpty: true}
}

// step makes one random change, to the partition and to the model.
func (m *model) step(t *testing.T, rng *rand.Rand, p *Partition) {
	t.Helper()
	key := func() string { return fmt.Sprintf("k%02d", rng.IntN(40)) }
	m.last += 1 + rng.Int64N(3)
	m.has = m.last
	mustApply(t, p, m.has, func(b *Batch) {
		for range 1 + rng.IntN(6) {
			switch k := key(); rng.IntN(8) {
			case 0:
				b.Delete([]byte(k))
				delete(m.now, k)
			case 1:
				upper := key()
				b.DeleteRange([]byte(k), []byte(upper))
				maps.DeleteFunc(m.now, func(x, _ string) bool { return x >= k && x < upper })
			default:
				v := fmt.Sprintf("%d-%0*d", m.has, rng.IntN(400), 0)
				b.Set([]byte(k), []byte(v))
				m.now[k] = v
			}
		}
	})
	m.at[m.has] = maps.Clone(m.now)
}

// check compares what survived with the state at the offset that survived.
func (m *model) check(p *Partition) error {
	got := map[string]string{}
	if err := p.Scan(nil, nil, func(k, v []byte) bool { got[string(k)] = string(v); return true }); err != nil {
		return err
	}
	offset, ok := p.Offset()
	switch {
	case !ok && len(got) > 0:
		return fmt.Errorf("%d rows without an offset", len(got))
	case !ok && !m.orEmpty:
		return fmt.Errorf("empty, but %d was flushed", m.floor)
	case ok && offset < m.floor:
		return fmt.Errorf("offset %d, but %d was flushed", offset, m.floor)
	case ok && !maps.Equal(got, m.at[offset]):
		return fmt.Errorf("rows at offset %d are not those of that offset:\ngot  %v\nwant %v", offset, got, m.at[offset])
	}
	return nil
}

// TestCrash cuts the power at random moments, keeping a random part of what was
// not synced, goes on from what is left, and does it again. Rows and offset have
// to match whatever is left.
func TestCrash(t *testing.T) {
	if *crashSeed != 0 {
		crashOnce(t, *crashSeed)
		return
	}
	for range *crashSeeds {
		crashOnce(t, rand.Uint64N(1<<40)+1)
		if t.Failed() {
			return
		}
	}
}

func crashOnce(t *testing.T, seed uint64) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("again with: go test ./storage -run TestCrash -crash.seed=%d", seed)
		}
	}()
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewCrashableMem()
	models := []*model{newModel(), newModel(), newModel()}
	for round := range 4 {
		s := mustOpen(t, "state", small(fs))
		var parts []*Partition
		for i, m := range models {
			p := s.Partition("table", int32(i))
			if err := m.check(p); err != nil {
				t.Errorf("seed %d round %d partition %d: %v", seed, round, i, err)
				return
			}
			m.resume(p)
			parts = append(parts, p)
		}
		crash := rng.IntN(150)
		for n := range 150 {
			i := rng.IntN(len(parts))
			switch {
			case n == crash:
				// Background flushes and compactions go on while this is taken.
				fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			case rng.IntN(40) == 0:
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
				for _, m := range models {
					m.flushed()
				}
			case rng.IntN(60) == 0:
				if err := parts[i].Wipe(); err != nil {
					t.Fatal(err)
				}
				models[i].wipe()
			default:
				models[i].step(t, rng, parts[i])
			}
			if n == crash {
				break
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// resume takes the model back to what survived, as recovery would.
func (m *model) resume(p *Partition) {
	m.has, _ = p.Offset()
	m.now = maps.Clone(m.at[m.has])
	if m.now == nil {
		m.now = map[string]string{}
	}
}

func (m *model) flushed() {
	m.floor, m.orEmpty = m.has, false
	if m.has == 0 {
		m.floor, m.orEmpty = m.last+1, true
	}
}

func (m *model) wipe() {
	m.now = map[string]string{}
	m.has, m.orEmpty = 0, true
}
