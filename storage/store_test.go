package storage

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// small options: little memory, so that a test sees flushes and compactions.
func small(fs vfs.FS) Options {
	return Options{App: "test", CacheBytes: 1 << 20, MemTableBytes: 64 << 10, MinFreeBytes: -1, FS: fs}
}

func mustOpen(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustApply(t testing.TB, p *Partition, offset int64, fn func(*Batch)) {
	t.Helper()
	if err := p.Apply(func(b *Batch) error { fn(b); return nil }, offset); err != nil {
		t.Fatal(err)
	}
}

func rows(t testing.TB, scan func(lower, upper []byte, fn func(k, v []byte) bool) error, lower, upper []byte) []string {
	t.Helper()
	var all []string
	if err := scan(lower, upper, func(k, v []byte) bool {
		all = append(all, fmt.Sprintf("%s=%s", k, v))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestApplyReadReopen(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, "state", small(fs))
	a, b := s.Partition("totals", 0), s.Partition("totals", 1)
	if _, ok := a.Offset(); ok {
		t.Fatal("a new partition has an offset")
	}
	mustApply(t, a, 7, func(b *Batch) {
		b.Set([]byte("x"), []byte("1"))
		b.Set([]byte("y"), nil)
		b.Set([]byte(""), []byte("empty key"))
	})
	mustApply(t, b, 9, func(b *Batch) { b.Set([]byte("x"), []byte("other")) })

	check := func(s *Store) {
		t.Helper()
		a := s.Partition("totals", 0)
		if v, err := a.Get([]byte("x")); err != nil || string(v) != "1" {
			t.Fatalf("Get(x) = %q, %v", v, err)
		}
		if v, err := a.Get([]byte("y")); err != nil || v == nil || len(v) != 0 {
			t.Fatalf("Get(y) = %#v, %v; an empty value is not an absent one", v, err)
		}
		if v, err := a.Get([]byte("z")); err != nil || v != nil {
			t.Fatalf("Get(z) = %#v, %v", v, err)
		}
		if off, ok := a.Offset(); !ok || off != 7 {
			t.Fatalf("Offset = %d, %v", off, ok)
		}
		if got, want := rows(t, a.Scan, nil, nil), []string{"=empty key", "x=1", "y="}; !slices.Equal(got, want) {
			t.Fatalf("Scan = %q, want %q", got, want)
		}
		if got, want := rows(t, a.Scan, []byte("x"), []byte("y")), []string{"x=1"}; !slices.Equal(got, want) {
			t.Fatalf("Scan(x, y) = %q, want %q", got, want)
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal("second Close:", err)
	}
	check(mustOpen(t, "state", small(fs)))
}

func TestApplyErrorWritesNothing(t *testing.T) {
	p := mustOpen(t, "state", small(vfs.NewMem())).Partition("t", 0)
	mine := errors.New("mine")
	err := p.Apply(func(b *Batch) error { b.Set([]byte("k"), []byte("v")); return mine }, 1)
	if !errors.Is(err, mine) {
		t.Fatalf("err = %v", err)
	}
	if v, err := p.Get([]byte("k")); v != nil || err != nil {
		t.Fatalf("Get = %q, %v", v, err)
	}
	if _, ok := p.Offset(); ok {
		t.Fatal("the offset moved")
	}
}

func TestDeleteRangeStaysInItsPartition(t *testing.T) {
	s := mustOpen(t, "state", small(vfs.NewMem()))
	var parts []*Partition
	for _, table := range []string{"a", "b"} {
		for _, n := range []int32{0, 1, 0x01000000, -1} {
			parts = append(parts, s.Partition(table, n))
		}
	}
	for _, p := range parts {
		mustApply(t, p, 1, func(b *Batch) {
			for _, k := range []string{"", "\x00", "a", "m", "\xff\xff"} {
				b.Set([]byte(k), []byte("v"))
			}
		})
	}
	mustApply(t, parts[1], 2, func(b *Batch) {
		b.DeleteRange([]byte("a"), []byte("m"))
		b.DeleteRange([]byte("z"), []byte("b")) // the wrong way round: nothing
	})
	mustApply(t, parts[2], 2, func(b *Batch) { b.DeleteRange(nil, nil) })
	if err := parts[4].Wipe(); err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		got := len(rows(t, p.Scan, nil, nil))
		want := map[int]int{1: 4, 2: 0, 4: 0}
		w, special := want[i]
		if !special {
			w = 5
		}
		if got != w {
			t.Errorf("partition %d has %d rows, want %d", i, got, w)
		}
		_, ok := p.Offset()
		if ok == (i == 4) {
			t.Errorf("partition %d: offset there = %v", i, ok)
		}
	}
}

func TestMetaAndTablesAreOnDiskAtOnce(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := mustOpen(t, "state", small(fs))
	if _, ok := s.Meta("cluster"); ok {
		t.Fatal("a new store knows its cluster")
	}
	if err := s.SetMeta("cluster", "c-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMeta("gone", "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMeta("gone", ""); err != nil {
		t.Fatal(err)
	}
	s.Partition("one", 0)
	s.Partition("two", 0)

	s = mustOpen(t, "state", small(fs.CrashClone(vfs.CrashCloneCfg{})))
	if v, ok := s.Meta("cluster"); !ok || v != "c-1" {
		t.Fatalf("Meta(cluster) = %q, %v", v, ok)
	}
	if _, ok := s.Meta("gone"); ok {
		t.Fatal("a removed key is back")
	}
	if got := s.Tables(); !slices.Equal(got, []string{"one", "two"}) {
		t.Fatalf("Tables = %q", got)
	}
}
