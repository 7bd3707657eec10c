package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
)

// How many rejected rows are logged one by one, and how often what was left out is counted.
const (
	rejectsPerLine = 10
	rejectsEvery   = 10 * time.Second
)

// logRejects logs the rows that an application rejects from now on, with reason and place, until
// ctx ends: the first ten of every ten seconds one by one, the others as a number. All of them
// are on the topic.
func (a *app) logRejects(ctx context.Context, o engine.Options, app string) {
	topic := app + "-rejects"
	client, err := kgo.NewClient(append(o.Security.ClientOptions(),
		kgo.SeedBrokers(o.Brokers...),
		kgo.ClientID("penstock-rejects"),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().UnixMilli())),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.UnknownTopicRetries(-1), // the engine makes it in a moment
	)...)
	if err != nil {
		a.log.Warn("rejected rows are not logged", "err", err)
		return
	}
	defer client.Close()
	window, shown, more := time.Now(), 0, 0
	for ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, time.Second)
		fetches := client.PollFetches(wait)
		cancel()
		for iter := fetches.RecordIter(); !iter.Done(); {
			r := iter.Next()
			if shown++; shown > rejectsPerLine {
				more++
				continue
			}
			a.log.LogAttrs(ctx, slog.LevelWarn, "bad row", rejectAttrs(r)...)
		}
		if time.Since(window) < rejectsEvery {
			continue
		}
		if more > 0 {
			a.log.Warn("more bad rows", "rows", more, "topic", topic)
		}
		window, shown, more = time.Now(), 0, 0
	}
}

// rejectAttrs turns the headers of a rejected row into fields of a log line.
func rejectAttrs(r *kgo.Record) []slog.Attr {
	attrs := make([]slog.Attr, 0, len(r.Headers)+1)
	for _, h := range r.Headers {
		switch h.Key {
		case "topic", "timestamp":
		default:
			attrs = append(attrs, slog.String(h.Key, printable(h.Value, 300)))
		}
	}
	return append(attrs, slog.String("row", printable(r.Value, 100)))
}
