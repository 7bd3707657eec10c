package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// The kinds of error a caller decides something on, for errors.Is. The text of
// the error itself is what a user reads: where, what was found, what to do.
var (
	// ErrInUse: another process (or this one, twice) has the directory open.
	ErrInUse = errors.New("state is in use")
	// ErrOtherApp: the directory holds the state of another application.
	ErrOtherApp = errors.New("state of another application")
	// ErrNewerFormat: a later version of the program wrote the directory.
	ErrNewerFormat = errors.New("state of a newer version")
	// ErrCorrupt: files are damaged or missing. What they held is still in the
	// changelog: SetAside, open again, recover.
	ErrCorrupt = errors.New("state is damaged")
	// ErrFull: the disk is full, or nearly. Open again when there is room.
	ErrFull = errors.New("disk is full")
	// ErrDisk: the disk failed in another way (an input or output error).
	ErrDisk = errors.New("disk error")
	// ErrDirectory: the directory cannot be used as it is: it is a file, a
	// link, read-only, somebody else's, or holds other things than state.
	ErrDirectory = errors.New("unusable state directory")
	// ErrClosed: the store, snapshot or iterator was closed before the call.
	ErrClosed = errors.New("store is closed")
)

// Error is an error of a kind above, in words.
type Error struct {
	Kind error  // one of the sentinels above
	Text string // what a user reads
	Err  error  // what was behind it; may be nil
	PID  int    // ErrInUse: the process that has the directory, 0 when not known
}

// Error returns the text, and what the system said when that adds something.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

// Is makes errors.Is(err, ErrFull) and the like true.
func (e *Error) Is(target error) bool { return target == e.Kind }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// fault turns an error that came up from Pebble or the file system into one of
// ours. An error that already is ours stays as it is.
func fault(dir string, err error) error {
	var ours *Error
	if err == nil || errors.As(err, &ours) || errors.Is(err, ErrClosed) {
		return err
	}
	switch {
	case isFull(err):
		return &Error{Kind: ErrFull, Err: err,
			Text: fmt.Sprintf("the disk of %s is full: free some space and start again, it goes on from there", dir)}
	case isTooManyFiles(err):
		text := fmt.Sprintf("the state in %s needs more open files than this process may have", dir)
		if n, known := OpenFiles(); known {
			text += fmt.Sprintf(" (%d)", n)
		}
		return &Error{Kind: ErrDisk, Err: err, Text: text + ": raise the limit (ulimit -n); the state is as it was"}
	case pebble.IsCorruptionError(err):
		return &Error{Kind: ErrCorrupt, Err: err,
			Text: fmt.Sprintf("the state in %s is damaged: set it aside, it is recovered from the changelog", dir)}
	}
	return &Error{Kind: ErrDisk, Err: err,
		Text: fmt.Sprintf("the disk of %s does not work as it should: see the system's log", dir)}
}

func isFull(err error) bool { return vfs.IsNoSpaceError(err) || isQuota(err) }
