package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// How often progress is shown: a line redrawn on a terminal, a log line otherwise.
const (
	redrawEvery = 100 * time.Millisecond
	logEvery    = 10 * time.Second
)

// progress shows how far long work has come: on a terminal one line that is redrawn in place, not
// on a terminal a log line every ten seconds. It belongs to one goroutine.
type progress struct {
	a     *app
	last  time.Time
	drawn bool
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
	if !p.a.errTTY {
		p.a.log.LogAttrs(context.Background(), slog.LevelInfo, msg, attrs()...)
		return
	}
	width, _, err := term.GetSize(int(p.a.stderr.Fd()))
	if err != nil || width < 2 {
		width = 80
	}
	fmt.Fprintf(p.a.stderr, "\r%s\x1b[K", runewidth.Truncate(text(), width-1, "…"))
	p.drawn = true
}

// clear removes the line, before anything else is written to stderr.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.a.stderr, "\r\x1b[K")
		p.drawn = false
	}
}
