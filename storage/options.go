package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options say how a store is opened. The zero value works.
type Options struct {
	// App is the name of the application whose state this is. A directory that
	// was written under another name is refused (ErrOtherApp). Empty: not
	// checked, and not recorded.
	App string

	// Version is the version of the program, kept in the directory so that an
	// older program can name the one that wrote it. Default "unknown".
	Version string

	// CacheBytes is the memory for blocks read from disk, shared by all table
	// partitions. Default 64 MiB. Raise it when the state is larger and reads
	// go to disk; the process never uses less than what it was told here.
	CacheBytes int64

	// MemTableBytes is how much is gathered in memory before it is written to a
	// file. Default 32 MiB. What is in memory is lost in a crash and recovered
	// from the changelog, so a larger one means fewer files and a longer
	// recovery. Up to MaxMemTables of them exist at a time.
	MemTableBytes int64

	// MaxMemTables is how many MemTableBytes may wait for the disk before Apply
	// waits too. Default 4.
	MaxMemTables int

	// MinFreeBytes is the space on the disk below which writes are refused with
	// ErrFull, before the disk refuses them itself. Default twice
	// MemTableBytes; negative: no check.
	MinFreeBytes int64

	// MaxOpenFiles bounds the files kept open. Default 1,000, or half of what the process may have
	// open when that is less: the rest is for connections.
	MaxOpenFiles int

	// Logger receives what Pebble has to say. Default: nothing is logged.
	Logger *slog.Logger

	// OnFault is called once, from a goroutine of its own, when the store stops
	// working for good: the disk is full, an input or output error, damage. It
	// is the same error that every later call returns; closing and opening
	// again is the way back. Default: nothing is called.
	OnFault func(error)

	// Now is the clock behind Partition.Written. Default time.Now.
	Now func() time.Time

	// FS is the file system. Default: the one of the machine. Tests put one in
	// memory here, or one that fails.
	FS vfs.FS
}

// Validate reports everything that is wrong with the options, in one error.
func (o Options) Validate() error {
	var all []error
	check := func(name string, value int64) {
		if value < 0 {
			all = append(all, fmt.Errorf("%s is %d, expected 0 (the default) or more", name, value))
		}
	}
	check("CacheBytes", o.CacheBytes)
	check("MemTableBytes", o.MemTableBytes)
	check("MaxMemTables", int64(o.MaxMemTables))
	check("MaxOpenFiles", int64(o.MaxOpenFiles))
	if o.MemTableBytes > 2<<30 {
		all = append(all, fmt.Errorf("MemTableBytes is %d, expected at most 2 GiB", o.MemTableBytes))
	}
	return errors.Join(all...)
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 32 << 20
	}
	if o.MaxMemTables == 0 {
		o.MaxMemTables = 4
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 2 * o.MemTableBytes
	}
	if o.MaxOpenFiles == 0 {
		o.MaxOpenFiles = 1000
		if n, known := OpenFiles(); known {
			o.MaxOpenFiles = int(min(1000, n/2))
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 100}))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	return o
}
