package prompt

import (
	"bytes"
	"io"
	"sync"
)

// notices is where log lines go while a session has the terminal: above the line that is edited, and
// held back while a view has the whole screen.
type notices struct {
	mu   sync.Mutex // guards what follows
	out  io.Writer  // nil: held back
	held bytes.Buffer
}

// mostHeld is how much is held back; more is lost.
const mostHeld = 64 << 10

// Write writes whole lines.
func (n *notices) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.out != nil {
		return n.out.Write(p)
	}
	if n.held.Len()+len(p) <= mostHeld {
		n.held.Write(p)
	}
	return len(p), nil
}

// to sends lines to a writer from now on, those held back first; nil holds them back.
func (n *notices) to(w io.Writer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.out = w
	if w != nil && n.held.Len() > 0 {
		_, _ = n.held.WriteTo(w) // the terminal is gone
	}
}
