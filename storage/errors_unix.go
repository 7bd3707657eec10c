//go:build unix

package storage

import (
	"errors"
	"syscall"
)

// isQuota: a user's quota that is used up is a full disk to that user.
func isQuota(err error) bool { return errors.Is(err, syscall.EDQUOT) }

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
