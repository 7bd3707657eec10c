package prompt

import (
	"bytes"
	"io"
	"os"
	"sync"

	"github.com/chzyer/readline"
)

// keyboard owns the terminal's input. Only one reader has it at a time: the prompt's line editor
// or a view; while a query or an editor runs nobody reads, so that keys go where they belong.
// A read that is no longer wanted is called off, it does not take the next key with it.
type keyboard struct {
	in   *os.File
	wait waiter

	mu      sync.Mutex
	changed *sync.Cond
	turn    reader
	closed  bool
	ready   []byte // for the line editor, filtered
	keys    filter

	reading sync.Mutex // held around a read of in
}

// reader is who may read.
type reader int

const (
	nobody reader = iota
	lineEditor
	viewer
)

func newKeyboard(in *os.File) (*keyboard, error) {
	w, err := newWaiter(in)
	if err != nil {
		return nil, err
	}
	k := &keyboard{in: in, wait: w}
	k.changed = sync.NewCond(&k.mu)
	return k, nil
}

// give lets one reader read, and returns when the one before has stopped.
func (k *keyboard) give(to reader) {
	k.mu.Lock()
	k.turn = to
	k.changed.Broadcast()
	k.mu.Unlock()
	k.wait.wake()
	k.reading.Lock()
	k.wait.rest()
	k.reading.Unlock()
}

// Read gives readline its bytes. It blocks while it is not the line editor's turn.
func (k *keyboard) Read(p []byte) (int, error) {
	buf := make([]byte, 4096)
	for {
		k.mu.Lock()
		for k.turn != lineEditor && !k.closed {
			k.changed.Wait()
		}
		if k.closed {
			k.mu.Unlock()
			return 0, io.EOF
		}
		if len(k.ready) > 0 {
			// Up to Enter and no further: readline would keep the rest until the next line, and a
			// Ctrl-C in it is for what this line starts.
			n := copy(p, k.ready)
			if i := bytes.IndexAny(p[:n], "\r\n"); i >= 0 {
				n = i + 1
			}
			k.ready = k.ready[n:]
			k.mu.Unlock()
			return n, nil
		}
		k.mu.Unlock()
		n, err := k.read(lineEditor, buf)
		k.mu.Lock()
		k.ready = append(k.ready, k.keys.feed(buf[:n])...)
		left := len(k.ready)
		k.mu.Unlock()
		if err != nil && left == 0 {
			return 0, err
		}
	}
}

// read waits for bytes as long as it is who's turn; 0 bytes without an error mean that it is not
// any more.
func (k *keyboard) read(who reader, buf []byte) (int, error) {
	k.reading.Lock()
	defer k.reading.Unlock()
	k.mu.Lock()
	mine := k.turn == who && !k.closed
	k.mu.Unlock()
	if !mine {
		return 0, nil
	}
	if there, err := k.wait.await(); !there || err != nil {
		return 0, err
	}
	return k.in.Read(buf)
}

// interrupted takes the Ctrl-C that came behind Enter while the terminal still gave it as a byte,
// and what was typed before it. What was typed behind stays for the next line.
func (k *keyboard) interrupted() bool {
	k.reading.Lock()
	defer k.reading.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wait.there() {
		buf := make([]byte, 4096)
		n, _ := k.in.Read(buf) // an error is there again for the next line
		k.ready = append(k.ready, k.keys.feed(buf[:n])...)
	}
	i := bytes.LastIndexByte(k.ready, readline.CharInterrupt)
	k.ready = k.ready[i+1:]
	return i >= 0
}

// pressed passes on the bytes of keys while a view is shown, until its turn ends.
func (k *keyboard) pressed(keys chan<- byte) {
	buf := make([]byte, 64)
	for {
		n, err := k.read(viewer, buf)
		for _, key := range buf[:n] {
			select {
			case keys <- key:
			default: // a key held down must not fill memory
			}
		}
		if n == 0 || err != nil {
			return
		}
	}
}

// Close ends every read. It is safe to call twice.
func (k *keyboard) Close() error {
	k.mu.Lock()
	k.closed = true
	k.changed.Broadcast()
	k.mu.Unlock()
	k.wait.wake()
	return nil
}

// takePaste returns the text behind a keyPaste.
func (k *keyboard) takePaste() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys.takePaste()
}
