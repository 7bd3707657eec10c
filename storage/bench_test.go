package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

const benchRows = 200_000

func benchKey(buf []byte, i int) []byte {
	return binary.BigEndian.AppendUint64(buf[:0], uint64(i)*0x9e3779b97f4a7c15)
}

// benchStore is on the real file system, flushed, so that Get finds blocks in
// the cache and filters, not rows in memory.
func benchStore(b *testing.B) *Partition {
	b.Helper()
	s, err := Open(b.TempDir(), Options{MinFreeBytes: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	p := s.Partition("table", 0)
	var key [8]byte
	for from := 0; from < benchRows; from += 1000 {
		err := p.Apply(func(w *Batch) error {
			for i := from; i < from+1000; i++ {
				w.Set(benchKey(key[:], i), make([]byte, 60))
			}
			return nil
		}, int64(from))
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		b.Fatal(err)
	}
	return p
}

func BenchmarkGet(b *testing.B) {
	p := benchStore(b)
	var key [8]byte
	for _, kind := range []string{"present", "absent"} {
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i := rand.IntN(benchRows)
				if kind == "absent" {
					i += benchRows
				}
				v, err := p.Get(benchKey(key[:], i))
				if err != nil || (v == nil) != (kind == "absent") {
					b.Fatal(v, err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	p := benchStore(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := p.Scan(nil, nil, func(_, _ []byte) bool { n++; return true }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkApply(b *testing.B) {
	for _, size := range []int{10, 1000} {
		b.Run(fmt.Sprintf("rows=%d", size), func(b *testing.B) {
			p := benchStore(b)
			value, offset := make([]byte, 60), int64(benchRows)
			var key [8]byte
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				offset++
				if err := p.Apply(func(w *Batch) error {
					for range size {
						w.Set(benchKey(key[:], rand.IntN(benchRows)), value)
					}
					return nil
				}, offset); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkGetSorted reads 5,000 of the rows, and as many that are not there, an operation.
func BenchmarkGetSorted(b *testing.B) {
	p := benchStore(b)
	keys := make([][]byte, 10_000)
	for i := range keys {
		keys[i] = benchKey(nil, rand.IntN(benchRows)+i%2*benchRows)
	}
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.GetSorted(keys, func(int, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(keys)), "ns/key")
}
