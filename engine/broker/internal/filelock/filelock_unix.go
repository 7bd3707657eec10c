//go:build unix

// Package filelock locks a file against other processes, and against other
// holders in this one. The lock goes with the process, also when it is killed.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrHeld is returned by Try while somebody else holds the lock.
var ErrHeld = errors.New("locked by another holder")

// Try takes the lock of the file, which it makes when it is not there, or
// returns ErrHeld. The file stays when the lock is given up.
func Try(path string) (unlock func() error, err error) {
	return lock(path, syscall.LOCK_EX|syscall.LOCK_NB)
}

// Wait is Try, but waits its turn.
func Wait(path string) (unlock func() error, err error) { return lock(path, syscall.LOCK_EX) }

func lock(path string, how int) (func() error, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrHeld
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f.Close, nil // closing unlocks
}
