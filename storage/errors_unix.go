//go:build unix

package storage

import (
	"errors"
	"syscall"
)

// isQuota: a user's quota that is used up is a full disk to that user.
func isQuota(err error) bool { return errors.Is(err, syscall.EDQUOT) }

// isTooManyFiles: of this process, or of the machine. It says nothing about what is on the disk.
func isTooManyFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// OpenFiles is how many files the process may have open.
func OpenFiles() (n uint64, known bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return uint64(l.Cur), true
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// isInputOutput: the disk itself refused, whatever was on it.
func isInputOutput(err error) bool {
	for _, e := range []error{syscall.EIO, syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
