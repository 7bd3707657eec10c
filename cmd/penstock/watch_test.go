package main

import (
	"context"
	"os"
	"strings"

	"penstock/cmd/penstock/live"
)

// fakeWatch is a program of TestMain: the live view over results that stand in the environment.
func fakeWatch() {
	a := newApp()
	a.color = true
	ctx, stop := a.interruptible(context.Background())
	defer stop()
	results := make(chan []byte, 100)
	for _, line := range strings.Split(os.Getenv("RESULTS"), "\n") {
		results <- []byte(line)
	}
	view := live.NewView("watched", "BUYS", "TOP")
	err := a.watch(ctx, feed{results: results, view: view, status: func() live.Status { return live.Status{Read: 42} }})
	if os.Getenv("HANG") != "" {
		select {} // a shutdown that does not end
	}
	os.Exit(a.report(ctx, err))
}
