package main

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"penstock/engine/rejects"
)

// How many rejected rows are logged one by one, and how often what was left out is counted.
const (
	rejectsPerLine = 10
	rejectsEvery   = 10 * time.Second
)

// rejectLog logs the rows that this process rejects, with reason and place: the first ten of every
// ten seconds one by one, the others as a number. All of them are on the topic.
type rejectLog struct {
	log   *slog.Logger
	topic string

	mu    sync.Mutex
	shown int
	more  int64
	over  *time.Timer // ends the ten seconds; nil while nothing was shown in any
}

// take logs the rows of a flush that is committed. More than one stream may have one at a time.
func (l *rejectLog) take(rows []rejects.Row, total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == nil {
		l.over = time.AfterFunc(rejectsEvery, l.end)
	}
	n := min(len(rows), rejectsPerLine-l.shown)
	for i := range n {
		l.log.LogAttrs(context.Background(), slog.LevelWarn, "bad row", rejectAttrs(&rows[i])...)
	}
	l.shown += n
	l.more += int64(total - n)
}

// end says how many were left out since the last time.
func (l *rejectLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		l.over.Stop()
	}
	if l.more > 0 {
		l.log.Warn("more bad rows", "rows", l.more, "topic", l.topic)
	}
	l.shown, l.more, l.over = 0, 0, nil
}

// rejectAttrs are the fields of a log line.
func rejectAttrs(r *rejects.Row) []slog.Attr {
	var attrs []slog.Attr
	for _, x := range []struct{ key, value string }{
		{"stream", r.Stream}, {"partition", strconv.Itoa(int(r.Partition))}, {"offset", strconv.FormatInt(r.Offset, 10)}, {"kind", r.Kind},
		{"reason", r.Reason}, {"column", r.Column}, {"tables", r.Tables},
	} {
		if x.value != "" {
			attrs = append(attrs, slog.String(x.key, printable([]byte(x.value), 300)))
		}
	}
	return append(attrs, slog.String("row", printable([]byte(r.Value), 100)))
}
