package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/term"

	"penstock/cmd/penstock/live"
)

// frameEvery is how often the live view is drawn when something may have changed.
const frameEvery = 200 * time.Millisecond

// feed is where a live view gets what it shows.
type feed struct {
	results <-chan []byte      // published results, as JSON; closed when no more come
	status  func() live.Status // asked before each frame
	view    *live.View         // filled by watch
}

// watch shows results until ctx ends, the results end or a key asks to leave: in place on a
// terminal, as lines otherwise. Leaving is what it is for, so it returns nil then.
func (a *app) watch(ctx context.Context, f feed) error {
	if !a.outTTY {
		return a.printResults(ctx, f.results)
	}
	screen, err := live.Open(a.stdout, a.stdin)
	if err != nil {
		return err
	}
	restore := screen.Close
	a.restore.Store(&restore)
	defer func() {
		screen.Close()
		a.restore.Store(nil)
		a.printFrame(f)
	}()
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	for {
		f.view.SetStatus(f.status())
		width, height := screen.Size()
		if err := screen.Draw(f.view.Draw(width, height, a.color)); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
		if leave := f.next(ctx, screen.Keys(), tick.C); leave {
			return nil
		}
	}
}

// next takes results into the view until it is time for a frame.
func (f feed) next(ctx context.Context, keys <-chan byte, tick <-chan time.Time) (leave bool) {
	for {
		select {
		case <-ctx.Done():
			return true
		case key, open := <-keys:
			if !open {
				keys = nil // the terminal went away; the view goes on
			}
			if live.Leaves(key) {
				return true
			}
		case <-tick:
			return false
		case data, ok := <-f.results:
			if !ok {
				return true
			}
			// What is no result of ours, such as one in another format, is not for a view.
			if r, err := live.ParseResult(data); err == nil {
				f.view.Add(r)
			}
		}
	}
}

// printFrame leaves the last state of the view among the lines of the shell.
func (a *app) printFrame(f feed) {
	width, _, err := term.GetSize(int(a.stdout.Fd()))
	if err != nil {
		width = 80
	}
	for _, l := range f.view.Draw(width, 1000, a.color) {
		fmt.Fprintln(a.stdout, l)
	}
}

// printResults prints one line per result.
func (a *app) printResults(ctx context.Context, results <-chan []byte) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case data, ok := <-results:
			if !ok {
				return nil
			}
			if _, err := fmt.Fprintf(a.stdout, "%s\n", data); err != nil {
				return fmt.Errorf("write results: %w", err)
			}
		}
	}
}
