package storage

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble asserts in goroutines of its own. Such a panic ends the process, whatever anybody defers, and
// what it stumbled over is still on the disk: the next process would open it, compact the same files
// and end the same way, for ever. So the runtime is told to write the last words of the process into
// the state directory as well, and a state whose store said them is taken for damaged. Whether it
// really is nobody can tell, and nobody has to: what it held is in the changelog.

// lastWords reports that the last process which had the directory ended in a panic of its store.
// Those of another panic are only kept.
func (d *directory) lastWords() error {
	path := d.fs.PathJoin(d.path, panicFile)
	f, err := d.fs.Open(path)
	if isNotExist(err) {
		return nil
	}
	if err != nil {
		return fault(d.path, fmt.Errorf("open %s: %w", path, err))
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	_ = f.Close()
	if err != nil {
		return fault(d.path, fmt.Errorf("read %s: %w", path, err))
	}
	if len(text) == 0 {
		return nil // it was killed, or the machine was switched off
	}
	if what, pebbles := panicOfPebble(string(text)); pebbles {
		return &Error{Kind: ErrCorrupt,
			Text: fmt.Sprintf("the last process with the state in %s ended in a panic of its store (%s), which may be damaged: set it aside, it is recovered from the changelog", d.path, what)}
	}
	return d.keepLastWords()
}

// panicOfPebble looks at the goroutine that ended the process, which is the first.
func panicOfPebble(text string) (what string, yes bool) {
	what, _, _ = strings.Cut(text, "\n")
	_, stack, _ := strings.Cut(text, "\ngoroutine ")
	stack, _, _ = strings.Cut(stack, "\n\n")
	return what, strings.Contains(stack, "github.com/cockroachdb/pebble/")
}

// keepLastWords moves them out of the way, for a person to read.
func (d *directory) keepLastWords() error {
	path := d.fs.PathJoin(d.path, panicFile)
	if err := d.fs.Rename(path, path+".last"); err != nil && !isNotExist(err) {
		return fault(d.path, fmt.Errorf("rename %s: %w", path, err))
	}
	return nil
}

// listen has the runtime write last words into the directory until it is unlocked. The runtime has one
// such file for the whole process: with two stores in one, the directory opened last has it. Without
// the file all is as well as before, so no error comes of it.
func (d *directory) listen() {
	if vfs.Root(d.fs) != vfs.Default {
		return // no real disk
	}
	f, err := os.OpenFile(filepath.Join(d.path, panicFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	d.listens = debug.SetCrashOutput(f, debug.CrashOptions{}) == nil
	_ = f.Close() // the runtime has its own descriptor
}

// silence ends listen. What is not empty stays: the process is about to end.
func (d *directory) silence() {
	if !d.listens {
		return
	}
	d.listens = false
	_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	path := filepath.Join(d.path, panicFile)
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		_ = os.Remove(path)
	}
}
