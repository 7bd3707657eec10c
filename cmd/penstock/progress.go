package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// How often progress is shown: a line redrawn on a terminal, a log line otherwise.
const (
	redrawEvery = 100 * time.Millisecond
	quietEvery  = 500 * time.Millisecond // while there is nothing new to show
	logEvery    = 10 * time.Second
)

// statusLine is stderr with a last line that is redrawn in place. Everything that is written to
// stderr goes through it, so that a log line never ends up behind a half of a progress line.
type statusLine struct {
	file *os.File

	mu    sync.Mutex // guards what follows, and the order of writes
	drawn bool
	held  io.Writer // where lines go instead while the live view has the terminal; nil: to file
}

// Write writes whole lines.
func (s *statusLine) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		return s.held.Write(p)
	}
	s.clearLocked()
	return s.file.Write(p)
}

// show draws text as the last line.
func (s *statusLine) show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		return
	}
	width, _, err := term.GetSize(int(s.file.Fd()))
	if err != nil || width < 2 {
		width = 80
	}
	fmt.Fprintf(s.file, "\r%s\x1b[K", runewidth.Truncate(text, width-1, "…"))
	s.drawn = true
}

// clear removes the last line.
func (s *statusLine) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
}

func (s *statusLine) clearLocked() {
	if s.drawn {
		fmt.Fprint(s.file, "\r\x1b[K")
		s.drawn = false
	}
}

// hold sends lines to w from now on; nil sends them to the terminal again.
func (s *statusLine) hold(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = w
}

// progress shows how far long work has come: on a terminal one line that is redrawn in place, not
// on a terminal a log line every ten seconds. It belongs to one goroutine.
type progress struct {
	a    *app
	last time.Time
}

func (a *app) newProgress(now time.Time) *progress { return &progress{a: a, last: now} }

// step shows text or logs attrs under msg, when the time for it has come.
func (p *progress) step(now time.Time, text func() string, msg string, attrs func() []slog.Attr) {
	every := logEvery
	if p.a.errTTY {
		every = redrawEvery
	}
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	if p.a.errTTY {
		p.a.line.show(text())
		return
	}
	p.a.log.LogAttrs(context.Background(), slog.LevelInfo, msg, attrs()...)
}

// clear removes the line, before the last words.
func (p *progress) clear() { p.a.line.clear() }
