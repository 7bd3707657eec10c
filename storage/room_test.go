package storage

import (
	"encoding/binary"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestWritersAreNotHeldForEver writes many times what memory may hold, at sizes
// around the ones where Pebble begins with small memtables and lets them grow.
func TestWritersAreNotHeldForEver(t *testing.T) {
	for _, mib := range []int64{1, 8} {
		opts := small(vfs.NewMem())
		opts.MemTableBytes, opts.MaxMemTables = mib<<20, 2
		s := mustOpen(t, "state", opts)
		p := s.Partition("t", 0)
		inTime(t, "writing", func() {
			for n := range uint64(32) {
				mustApply(t, p, int64(n), func(b *Batch) {
					for i := range uint64(1000) {
						b.Set(binary.BigEndian.AppendUint64(nil, (n*1000+i)*0x9e3779b97f4a7c15), make([]byte, 1<<10))
					}
				})
			}
		})
	}
}

// TestBacklogAtOpen: compactions that Open held back are taken up when a writer
// has to wait for them, though nothing was flushed since.
func TestBacklogAtOpen(t *testing.T) {
	opts := small(vfs.NewMem())
	s := mustOpen(t, "state", opts)
	s.compact.Store(false) // pile up level 0
	p := s.Partition("t", 0)
	for n := range int64(4 * maxL0Sublevels) {
		mustApply(t, p, n, func(b *Batch) { b.Set([]byte("k"), make([]byte, 100)) })
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.db.Metrics().Levels[0].Sublevels; n <= maxL0Sublevels {
		t.Fatalf("%d sublevels, the test needs more than %d", n, maxL0Sublevels)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	opts.MemTableBytes = 1 << 20
	s = mustOpen(t, "state", opts)
	p = s.Partition("t", 0)
	inTime(t, "writing", func() {
		for n := range int64(10) {
			mustApply(t, p, 1000+n, func(b *Batch) { b.Set([]byte("k"), make([]byte, 100<<10)) })
		}
	})
	if n := s.db.Metrics().Levels[0].Sublevels; n > maxL0Sublevels {
		t.Fatalf("%d sublevels left", n)
	}
}
