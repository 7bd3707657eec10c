package engine

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/tail"
)

// Topic is a topic whose records may be looked at through the engine: those that its plan names, and
// what it wrote of its own for people to read. Other topics of the cluster are not its to show.
type Topic struct {
	Name string   `json:"name"`
	Kind string   `json:"kind"` // stream, metrics, rejects or decisions
	Of   []string `json:"of"`   // the streams that read it, the metrics that are published there
}

// TopicRecord is a record as it is shown. What is no text is there as bytes instead.
type TopicRecord struct {
	Topic     string  `json:"topic"`
	Partition int32   `json:"partition"`
	Offset    int64   `json:"offset"`
	Time      string  `json:"time"` // RFC 3339, UTC
	Key       *string `json:"key"`
	KeyBytes  []byte  `json:"key_base64,omitempty"`
	Value     *string `json:"value"`
	Bytes     []byte  `json:"value_base64,omitempty"`
	Cut       bool    `json:"cut,omitempty"` // key or value is longer than the 4 KiB that are here
}

const (
	// MaxTail is how many of a topic's last records TailTopic returns of a partition at most, and maxShown
	// how much of each: together they bound what one who looks can make the engine keep.
	MaxTail  = 250
	maxShown = 4 << 10
	// mostPerSecond is how many records a second TailTopic passes on. Nobody reads more, and reading a
	// busy topic to the end would cost as much as the engine's own work.
	mostPerSecond = 1000
)

// Topics lists the topics that TailTopic reads.
func (e *Engine) Topics() []Topic {
	var list []Topic
	add := func(name, kind, of string) {
		i := slices.IndexFunc(list, func(t Topic) bool { return t.Name == name })
		if i < 0 {
			i = len(list)
			list = append(list, Topic{Name: name, Kind: kind, Of: []string{}})
		}
		if of != "" {
			list[i].Of = append(list[i].Of, of)
		}
	}
	for _, s := range e.opts.Plan.Streams {
		add(s.Options.Topic, "stream", s.Name)
	}
	for _, m := range e.opts.Plan.Metrics {
		add(m.Topic, "metrics", m.Name)
	}
	own := names{e.opts.App}
	add(own.Rejects(), "rejects", "")
	add(own.Decisions(), "decisions", "")
	return list
}

// FindTopic returns the topic of a name: its own, its stream's, or its kind for what there is one of.
func (e *Engine) FindTopic(name string) (Topic, bool) {
	list := e.Topics()
	for _, is := range []func(Topic) bool{
		func(t Topic) bool { return t.Name == name },
		func(t Topic) bool {
			return t.Kind == "stream" && slices.ContainsFunc(t.Of, func(s string) bool { return strings.EqualFold(s, name) })
		},
		func(t Topic) bool { return t.Kind != "stream" && len(t.Of) == 0 && strings.EqualFold(t.Kind, name) },
	} {
		if i := slices.IndexFunc(list, is); i >= 0 {
			return list[i], true
		}
	}
	return Topic{}, false
}

// errFlood ends reading a topic that brings more than is passed on.
var errFlood = errors.New("more records than are passed on")

// TailTo takes what TailTopic reads. An error of one of them ends it.
type TailTo struct {
	Record  func(TopicRecord) error
	Skipped func(offsets int64) error // so many were left out, markers of transactions counted in
	Polled  func() error              // there is nothing more for the moment
}

// TailTopic passes on the last n records of a topic, oldest first, and then those that are written, until
// ctx ends or the taker returns an error. When there are too many, it goes on at the topic's end and
// tells how many lie between.
func (e *Engine) TailTopic(ctx context.Context, topic Topic, n int, to TailTo) error {
	c := e.kafka()
	if c == nil {
		return ErrNotRunning
	}
	options := append(clientOptions(c.brokers, c.security, "penstock-tail", c.log),
		kgo.FetchMaxBytes(1<<20), kgo.FetchMaxPartitionBytes(256<<10), kgo.MaxConcurrentFetches(1))
	var at map[int32]int64
	for {
		t, err := tail.Open(ctx, c.admin, topic.Name, options)
		if err != nil {
			return err
		}
		t.Keep, t.Polled = shrink, to.Polled
		if at == nil {
			err = lastOf(ctx, t, n, to)
		} else {
			err = skip(t, at, to)
		}
		if err != nil {
			return err
		}
		at = t.Ends
		if err := followUntilFlood(ctx, t, at, to); err != nil {
			return err
		}
	}
}

// lastOf passes on the last n records.
func lastOf(ctx context.Context, t *tail.Topic, n int, to TailTo) error {
	last, err := t.Last(ctx, int64(min(n, MaxTail)))
	if err != nil {
		return err
	}
	for _, r := range last[max(0, len(last)-n):] {
		if err := to.Record(shownRecord(r)); err != nil {
			return err
		}
	}
	return to.Polled()
}

// skip tells what lies between where reading ended and the end of the topic.
func skip(t *tail.Topic, at map[int32]int64, to TailTo) error {
	between := int64(0)
	for p, end := range t.Ends {
		between += max(0, end-at[p])
	}
	if err := to.Skipped(between); err != nil {
		return err
	}
	return to.Polled()
}

// followUntilFlood passes on what comes, and returns nil, at the end of a second, when that was too much.
// at is where it stands.
func followUntilFlood(ctx context.Context, t *tail.Topic, at map[int32]int64, to TailTo) error {
	began, passed := time.Now(), 0
	err := t.Read(ctx, maps.Clone(at), false, func(r *kgo.Record) error {
		if now := time.Now(); now.Sub(began) > time.Second {
			began, passed = now, 0
		}
		if passed++; passed > mostPerSecond {
			return errFlood
		}
		at[r.Partition] = r.Offset + 1
		return to.Record(shownRecord(r))
	})
	if !errors.Is(err, errFlood) {
		return err
	}
	return waitUntil(ctx, began.Add(time.Second))
}

func waitUntil(ctx context.Context, at time.Time) error {
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-wait.C:
		return nil
	}
}

// shrink cuts what of a record is not shown, but for a byte that tells of it, and lets go of the batch
// that it came in. It drops none.
func shrink(r *kgo.Record) bool {
	r.Key = bytes.Clone(r.Key[:min(len(r.Key), maxShown+1)])
	r.Value = bytes.Clone(r.Value[:min(len(r.Value), maxShown+1)])
	r.Headers = nil
	return true
}

func shownRecord(r *kgo.Record) TopicRecord {
	x := TopicRecord{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UTC().Format(time.RFC3339Nano)}
	var cutKey, cutValue bool
	x.Key, x.KeyBytes, cutKey = shownBytes(r.Key)
	x.Value, x.Bytes, cutValue = shownBytes(r.Value)
	x.Cut = cutKey || cutValue
	return x
}

// shownBytes are bytes as text, or as they are where they are none.
func shownBytes(b []byte) (text *string, raw []byte, cut bool) {
	if b == nil {
		return nil, nil, false
	}
	if cut = len(b) > maxShown; cut {
		end := maxShown
		for end > maxShown-utf8.UTFMax && !utf8.RuneStart(b[end]) {
			end--
		}
		b = b[:end]
	}
	if !utf8.Valid(b) {
		return nil, b, cut
	}
	s := string(b)
	return &s, nil, cut
}
