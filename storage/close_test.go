package storage

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestEveryCallAfterCloseIsRefused(t *testing.T) {
	s := mustOpen(t, "state", small(vfs.NewMem()))
	p := s.Partition("t", 0)
	mustApply(t, p, 1, func(b *Batch) {
		b.Set([]byte("a"), nil)
		b.Set([]byte("b"), nil)
	})
	snap, err := p.NewSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	it, err := snap.Iterator(nil, nil, false)
	if err != nil || !it.Next() {
		t.Fatal("iterator", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := p.Get([]byte("a"))
	_, bytesErr := p.Bytes(nil, nil)
	_, snapErr := p.NewSnapshot()
	_, snapGetErr := snap.Get([]byte("a"))
	_, itErr := snap.Iterator(nil, nil, false)
	_, newTableErr := s.Partition("new", 0).Get([]byte("a"))
	if it.Next() {
		t.Error("an iterator goes on")
	}
	nothing := func(_, _ []byte) bool { return true }
	for name, err := range map[string]error{
		"Get": getErr, "Bytes": bytesErr, "NewSnapshot": snapErr, "Snapshot.Get": snapGetErr,
		"Snapshot.Iterator": itErr, "a new table": newTableErr,
		"Scan": p.Scan(nil, nil, nothing), "Snapshot.Scan": snap.Scan(nil, nil, nothing),
		"Apply": p.Apply(nil, 2), "Wipe": p.Wipe(), "Flush": s.Flush(), "SetMeta": s.SetMeta("k", "v"),
		"Iterator.Close": it.Close(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if _, ok := p.Offset(); ok {
		t.Error("Offset after Close")
	}
	if _, ok := snap.Offset(); ok {
		t.Error("Snapshot.Offset after Close")
	}
	if err := errors.Join(snap.Close(), snap.Close()); err != nil {
		t.Error(err)
	}
}

// TestCloseWhileInUse: callers get ErrClosed or a right answer, nothing else.
func TestCloseWhileInUse(t *testing.T) {
	for range 20 {
		s := mustOpen(t, "state", small(vfs.NewMem()))
		p := s.Partition("t", 0)
		mustApply(t, p, 1, func(b *Batch) {
			for i := range 100 {
				b.Set(fmt.Appendf(nil, "%03d", i), []byte("v"))
			}
		})
		var wg sync.WaitGroup
		begun := make(chan struct{}, 8)
		loop := func(f func(n int64) error) {
			wg.Go(func() {
				for n := int64(0); ; n++ {
					if err := f(n); errors.Is(err, ErrClosed) {
						return
					} else if err != nil {
						t.Error(err)
						return
					}
					if n == 3 {
						begun <- struct{}{}
					}
				}
			})
		}
		loop(func(int64) error {
			v, err := p.Get([]byte("050"))
			if err == nil && string(v) != "v" {
				return fmt.Errorf("Get = %q", v)
			}
			return err
		})
		loop(func(n int64) error {
			return p.Apply(func(b *Batch) error { b.Set(fmt.Appendf(nil, "x%d", n), make([]byte, 1000)); return nil }, n+2)
		})
		loop(func(int64) error {
			n := 0
			err := p.Scan(nil, []byte("x"), func(_, _ []byte) bool { n++; _, err := p.Get([]byte("001")); return err == nil })
			if err == nil && n != 100 {
				_, err = p.Get(nil) // cut short by our own Get: it was closed
			}
			return err
		})
		loop(func(int64) error {
			snap, err := p.NewSnapshot()
			if err != nil {
				return err
			}
			it, err := snap.Iterator(nil, []byte("x"), true)
			if err == nil {
				for it.Next() {
					_ = it.Key()
				}
				err = it.Close()
			}
			return errors.Join(err, snap.Close())
		})
		loop(func(int64) error { return s.Flush() })
		for range 5 {
			<-begun
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
	}
}

func TestSnapshotsAreOfOneMoment(t *testing.T) {
	s := mustOpen(t, "state", small(vfs.NewMem()))
	a, b := s.Partition("t", 0), s.Partition("t", 1)
	for i, p := range []*Partition{a, b} {
		mustApply(t, p, int64(10+i), func(w *Batch) {
			for _, k := range []string{"1", "2", "3"} {
				w.Set([]byte(k), []byte("old"))
			}
		})
	}
	snaps, err := s.NewSnapshots(a, b)
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, a, 20, func(w *Batch) { w.Set([]byte("2"), []byte("new")); w.Delete([]byte("1")) })
	if err := b.Wipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	want := []string{"1=old", "2=old", "3=old"}
	for i, snap := range snaps {
		if got := rows(t, snap.Scan, nil, nil); !slices.Equal(got, want) {
			t.Errorf("snapshot %d: %q", i, got)
		}
		if off, ok := snap.Offset(); !ok || off != int64(10+i) {
			t.Errorf("snapshot %d: offset %d, %v", i, off, ok)
		}
		if v, err := snap.Get([]byte("1")); err != nil || string(v) != "old" {
			t.Errorf("snapshot %d: Get = %q, %v", i, v, err)
		}
	}
	picked := func(lower, upper []byte, fn func(key, value []byte) bool) error {
		return snaps[0].Pick(lower, upper, func(key, value []byte) bool { return string(key) != "2" && string(value) == "old" }, fn)
	}
	if got := rows(t, picked, nil, nil); !slices.Equal(got, []string{"1=old", "3=old"}) {
		t.Errorf("picked: %q", got)
	}
	it, err := snaps[0].Iterator([]byte("1"), []byte("3"), true)
	if err != nil {
		t.Fatal(err)
	}
	// An iterator outlives its snapshot.
	if err := errors.Join(snaps[0].Close(), snaps[0].Close(), snaps[1].Close()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for it.Next() {
		got = append(got, fmt.Sprintf("%s=%s", it.Key(), it.Value()))
	}
	if err := errors.Join(it.Close(), it.Close()); err != nil || !slices.Equal(got, []string{"2=old", "1=old"}) {
		t.Errorf("backwards: %q, %v", got, err)
	}
	if _, err := snaps[0].Get([]byte("1")); !errors.Is(err, ErrClosed) {
		t.Errorf("Get on a closed snapshot: %v", err)
	}
	if got := rows(t, a.Scan, nil, nil); !slices.Equal(got, []string{"2=new", "3=old"}) {
		t.Errorf("now: %q", got)
	}
}
