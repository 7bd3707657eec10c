//go:build cgo

package storage

// OutsideOfGo is how much of a store's memory the Go runtime does not know about: with cgo Pebble
// takes its blocks and memtables from C.
func OutsideOfGo(bytes int64) int64 { return bytes }
