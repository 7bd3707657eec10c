package storage

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestGetSorted: what Get returns for each key, in memory and in files, with deleted rows, other
// partitions' rows beside them, and keys that are the beginning of others.
func TestGetSorted(t *testing.T) {
	s := mustOpen(t, "state", small(vfs.NewMem()))
	p, other := s.Partition("totals", 1), s.Partition("totals", 0)
	key := func(i int) []byte { return fmt.Appendf(nil, "k%04d", i) }
	for round := range int64(6) {
		mustApply(t, p, round, func(b *Batch) {
			b.Set([]byte("k"), []byte("short"))
			for i := int(round); i < 4000; i += 5 {
				b.Set(key(i), fmt.Appendf(nil, "v%d of %d", i, round))
			}
			for i := int(round) * 500; i < int(round)*500+100; i++ {
				b.Delete(key(i))
			}
		})
		mustApply(t, other, round, func(b *Batch) { b.Set(key(4001), []byte("not ours")) })
		if round%2 == 0 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []int{1, 7, 1500} {
		keys := [][]byte{[]byte("k"), []byte("k0")}
		for i := 0; i < 4100; i += step {
			keys = append(keys, key(i))
		}
		got := make([]string, len(keys))
		last := -1
		err := p.GetSorted(keys, func(i int, value []byte) error {
			if i <= last {
				t.Fatalf("key %d after %d", i, last)
			}
			last, got[i] = i, "="+string(value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			v, err := p.Get(k)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if v != nil {
				want = "=" + string(v)
			}
			if got[i] != want {
				t.Fatalf("step %d: %s: %q, Get has %q", step, k, got[i], want)
			}
		}
	}
	enough := errors.New("enough")
	for _, keys := range [][][]byte{{key(3001)}, {key(3001), key(3002), key(3003), key(3004), key(3006)}} {
		if err := p.GetSorted(keys, func(int, []byte) error { return enough }); !errors.Is(err, enough) {
			t.Fatalf("%d keys: %v", len(keys), err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.GetSorted([][]byte{key(1)}, func(int, []byte) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
}
