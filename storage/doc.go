// Package storage keeps what Penstock remembers: the rows of table partitions,
// in one Pebble database per process.
//
// A table partition is a range of keys (Partition), not a database: all of them
// share one cache, one memory budget and one set of files, opening one costs
// nothing, which matters because every rebalance closes and opens them all, and
// a snapshot over several is of one moment.
//
// # What can be relied on
//
// The truth is the changelog in Kafka; what is here is a copy that saves reading
// it again. So there is no write-ahead log and no fsync per write. Instead, one
// rule makes any copy usable: Apply writes rows together with the changelog
// offset they belong to, in one batch, and what survives a crash is always a
// prefix of the batches. Whatever Offset says after a crash, the rows are exactly
// those of that offset, and recovery goes on from there. Flush and Close make the
// prefix complete.
//
// # When the disk does not work
//
// The first error that Pebble meets in the background, a damaged block, a disk
// that is full or nearly full: each stops the store for good. Every call returns
// that error at once, Close does not wait for what cannot finish, OnFault is told.
// The way on is Close, SetAside when errors.Is(err, ErrCorrupt), and Open. A store
// never blocks for ever and does not end the process, both of which Pebble does if
// left alone: see faults, fence and room for how each is kept from it. An assertion
// in a goroutine of Pebble's is the exception; see lastWords for what follows it.
//
// # The files
//
// directory.go guards the directory (lock, pid, whose it is), meta.go the small
// file that describes it, store.go opens and closes, partition.go reads and
// writes, snapshot.go and iterator.go read a moment. README.md says what is on
// disk and what was found out the hard way.
package storage
