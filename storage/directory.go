package storage

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Names in the state directory. README.md shows them to users.
const (
	lockFile   = "LOCK"
	pidFile    = "PID"
	dbDir      = "db"
	damagedDir = "db.damaged"
	panicFile  = "PANIC"
)

// directory is a state directory that this process has locked.
type directory struct {
	fs   vfs.FS
	path string
	lock io.Closer

	listens bool // see listen
}

func isNotExist(err error) bool { return errors.Is(err, iofs.ErrNotExist) }

// lockDirectory makes the directory if it is not there, refuses one that is not
// ours to use, and takes its lock.
//
// The lock comes before anything is read: a second process must be told of the
// first, not of what the first is just writing. The pid has a file of its own,
// because closing any other descriptor of the lock's file would drop the lock.
func lockDirectory(fs vfs.FS, path string) (*directory, error) {
	if err := checkPath(fs, path); err != nil {
		return nil, err
	}
	if err := fs.MkdirAll(path, 0o700); err != nil {
		return nil, unusable(path, "cannot be made", err)
	}
	// A new directory is only there after a crash when its parent was synced.
	// Who may not do that may still use it.
	_ = syncDir(fs, fs.PathDir(path))
	if err := checkContent(fs, path); err != nil {
		return nil, err
	}
	lock, err := fs.Lock(fs.PathJoin(path, lockFile))
	if err != nil {
		switch {
		case errors.Is(err, iofs.ErrPermission):
			return nil, unusable(path, "cannot be written to by this user", err)
		case isReadOnly(err):
			return nil, unusable(path, "is on a read-only file system", err)
		case isFull(err), isInputOutput(err):
			return nil, fault(path, err)
		}
		return nil, inUse(fs, path, err)
	}
	d := &directory{fs: fs, path: path, lock: lock}
	if err := writeFileAtomic(fs, path, pidFile, []byte(strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fault(path, err), d.unlock())
	}
	return d, nil
}

// unlock lets others in. Safe twice.
func (d *directory) unlock() error {
	if d.lock == nil {
		return nil
	}
	d.silence()
	// The pid goes first: one that is found belongs to whoever has the lock.
	_ = d.fs.Remove(d.fs.PathJoin(d.path, pidFile))
	err := d.lock.Close()
	d.lock = nil
	if err != nil {
		return fmt.Errorf("unlock %s: %w", d.path, err)
	}
	return nil
}

func unusable(path, what string, err error) error {
	if isTooManyFiles(err) {
		return fault(path, err)
	}
	return &Error{Kind: ErrDirectory, Err: err,
		Text: fmt.Sprintf("the state directory %s %s: name another one with --state-dir", path, what)}
}

// inUse says who has the directory, from the pid file.
func inUse(fs vfs.FS, path string, err error) error {
	e := &Error{Kind: ErrInUse}
	if f, openErr := fs.Open(fs.PathJoin(path, pidFile)); openErr == nil {
		data, _ := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		e.PID, _ = strconv.Atoi(strings.TrimSpace(string(data)))
	}
	switch {
	case e.PID == os.Getpid():
		e.Text = fmt.Sprintf("the state in %s is in use by this process (pid %d): open it once, or name another directory with --state-dir", path, e.PID)
	case e.PID > 0:
		e.Text = fmt.Sprintf("the state in %s is in use by process %d: stop it with kill %d, or name another directory with --state-dir", path, e.PID, e.PID)
	default:
		e.Text = fmt.Sprintf("the state in %s is in use by another process: stop it, or name another directory with --state-dir", path)
		e.Err = err
	}
	return e
}

// checkPath refuses what is there under that name but is no directory. A link is
// refused as well: it can be turned to another place while we run.
func checkPath(fs vfs.FS, path string) error {
	if fs == vfs.Default {
		if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
			target, _ := os.Readlink(path)
			return &Error{Kind: ErrDirectory,
				Text: fmt.Sprintf("the state directory %s is a symbolic link: name the directory it points to, %s", path, target)}
		}
	}
	info, err := fs.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return unusable(path, "is a file", nil)
	case err != nil && !isNotExist(err):
		return unusable(path, "cannot be looked at", err)
	}
	return nil
}

// checkContent refuses a directory that holds other people's files: what is in a
// state directory may be dropped and recovered, which must never happen to a
// home directory.
func checkContent(fs vfs.FS, path string) error {
	names, err := fs.List(path)
	if err != nil {
		return unusable(path, "cannot be read", err)
	}
	if slices.Contains(names, metaFile) {
		return nil
	}
	return refuseForeign(path, names)
}

// refuseForeign refuses names that no state directory has.
func refuseForeign(path string, names []string) error {
	ours := []string{lockFile, pidFile, pidFile + ".new", metaFile, metaFile + ".new", metaFile + ".damaged", dbDir, damagedDir, panicFile, panicFile + ".last"}
	var foreign []string
	for _, name := range names {
		if !slices.Contains(ours, name) {
			foreign = append(foreign, name)
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	slices.Sort(foreign)
	shown := strings.Join(foreign[:min(3, len(foreign))], ", ")
	if len(foreign) > 3 {
		shown += fmt.Sprintf(" and %d more", len(foreign)-3)
	}
	return unusable(path, fmt.Sprintf("holds files that are not state (%s)", shown), nil)
}

// checkMeta refuses state that another application or a later version wrote.
func checkMeta(path string, m *meta, opts Options) error {
	if m.Format > formatVersion {
		return &Error{Kind: ErrNewerFormat,
			Text: fmt.Sprintf("the state in %s was written by penstock %s (format %d), this is %s (format %d): use that version, or name another directory with --state-dir",
				path, m.Written, m.Format, opts.Version, formatVersion)}
	}
	if opts.App != "" && m.App != "" && m.App != opts.App {
		return &Error{Kind: ErrOtherApp,
			Text: fmt.Sprintf("the state in %s belongs to application %q, this is %q: run it with --app %s, or name another directory with --state-dir",
				path, m.App, opts.App, m.App)}
	}
	return nil
}
