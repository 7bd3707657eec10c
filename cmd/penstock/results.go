package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readResults passes on what is published on topics, from the beginning on and committed results
// only, until ctx ends; then it closes out. It returns the error that kept it from reading.
func readResults(ctx context.Context, brokers, topics []string, out chan<- []byte) error {
	defer close(out)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("penstock-view"),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetches.Errors() {
			if errors.Is(e.Err, kerr.UnknownTopicOrPartition) {
				continue // the engine makes it in a moment
			}
			return fmt.Errorf("read results of %s: %w", e.Topic, e.Err)
		}
		for iter := fetches.RecordIter(); !iter.Done(); {
			select {
			case out <- iter.Next().Value:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
