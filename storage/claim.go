package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Claimed is a state directory that is locked and not opened, so that what is in it can be removed
// while nobody uses it.
type Claimed struct {
	dir *directory
}

// Claim locks the state in dir. It returns nil when there is no such directory, ErrInUse while a
// process has it open, and refuses what is not state, or another application's, as Open does.
func Claim(dir string, opts Options) (*Claimed, error) {
	opts = opts.withDefaults()
	if _, err := opts.FS.Stat(dir); isNotExist(err) {
		return nil, nil
	}
	locked, err := lockDirectory(opts.FS, dir)
	if err != nil {
		return nil, err
	}
	m, err := readMeta(locked.fs, dir)
	if err == nil && m != nil {
		m.Format = min(m.Format, formatVersion) // removing needs no understanding
		err = checkMeta(dir, m, opts)
	}
	if err != nil {
		return nil, errors.Join(err, locked.unlock())
	}
	return &Claimed{locked}, nil
}

// stateFiles are what a state directory holds, without the lock: the description goes last, because
// it says whose directory this is.
var stateFiles = []string{damagedDir, dbDir, pidFile + ".new", panicFile, panicFile + ".last", metaFile + ".damaged", metaFile + ".new", metaFile}

// Bytes is how much disk space the state takes.
func (c *Claimed) Bytes() (n int64, err error) {
	for _, name := range stateFiles {
		size, err := sizeOf(c.dir.fs, c.dir.fs.PathJoin(c.dir.path, name))
		if err != nil {
			return 0, fmt.Errorf("size of %s: %w", c.dir.path, err)
		}
		n += size
	}
	return n, nil
}

func sizeOf(fs vfs.FS, path string) (int64, error) {
	info, err := fs.Stat(path)
	if isNotExist(err) {
		return 0, nil
	}
	if err != nil || !info.IsDir() {
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	names, err := fs.List(path)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, name := range names {
		size, err := sizeOf(fs, fs.PathJoin(path, name))
		if err != nil {
			return 0, err
		}
		n += size
	}
	return n, nil
}

// Remove removes the state. The directory and its lock stay: a lock on a file that somebody may
// make again would keep nobody out.
func (c *Claimed) Remove() error {
	for _, name := range stateFiles {
		path := c.dir.fs.PathJoin(c.dir.path, name)
		if err := c.dir.fs.RemoveAll(path); err != nil && !isNotExist(err) {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	return syncDir(c.dir.fs, c.dir.path)
}

// Close lets others in. Safe twice.
func (c *Claimed) Close() error { return c.dir.unlock() }
