package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that the first SIGINT or SIGTERM ends with the cause
// errInterrupted. The second one leaves at once, whatever still runs, after putting the terminal
// back. stop ends the watching.
func (a *app) interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for hits := 0; ; {
			select {
			case <-done:
				return
			case signal := <-signals:
				if f := a.interrupted.Load(); f != nil && signal == os.Interrupt {
					(*f)()
					continue
				}
				if hits++; hits > 1 {
					a.abort()
				}
				cancel(errInterrupted)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-finished
		cancel(nil)
	}
}

// abort leaves the process without waiting for anything.
func (a *app) abort() {
	if f := a.restore.Load(); f != nil {
		(*f)()
	}
	a.say("aborted")
	os.Exit(exitInterrupted)
}
