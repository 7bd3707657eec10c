package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is a topic with the range of offsets that it had when it was opened.
type Topic struct {
	Name  string
	First map[int32]int64 // the oldest offset of each partition
	Ends  map[int32]int64 // behind the last committed record

	// Keep tells whether a record is wanted; nil: all are. It may change the record, to let go of what
	// is large.
	Keep func(*kgo.Record) bool
	// Polled is called when what was fetched has been passed on, before more is waited for; nil: nothing.
	Polled func() error

	options []kgo.Opt
}

// Open asks for the offsets of a topic. options are those of a client: where the brokers are, and
// what they want to see.
func Open(ctx context.Context, admin *kadm.Client, name string, options []kgo.Opt) (*Topic, error) {
	starts, err := admin.ListStartOffsets(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", name, err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", name, err)
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", name, err)
	}
	t := &Topic{Name: name, First: map[int32]int64{}, Ends: map[int32]int64{}, options: options}
	starts.Each(func(l kadm.ListedOffset) { t.First[l.Partition] = l.Offset })
	ends.Each(func(l kadm.ListedOffset) { t.Ends[l.Partition] = l.Offset })
	return t, nil
}

// Last returns the last n records of each partition, by their time. Offsets do not tell where the
// n-th last record is: transactions leave markers among them, compaction and records that are not
// wanted leave gaps. So it reads back ever further until it has found n.
func (t *Topic) Last(ctx context.Context, n int64) ([]*kgo.Record, error) {
	at := map[int32]int64{}
	for p, end := range t.Ends {
		at[p] = end
	}
	kept := map[int32][]*kgo.Record{}
	for back := 2*n + 16; n > 0; back *= 8 {
		todo := map[int32]int64{}
		for p, end := range t.Ends {
			from := max(t.First[p], end-back)
			if int64(len(kept[p])) < n && from < at[p] {
				todo[p], at[p] = from, from
				kept[p] = nil
			}
		}
		if len(todo) == 0 {
			break
		}
		err := t.Read(ctx, todo, true, func(r *kgo.Record) error {
			list := append(kept[r.Partition], r)
			if int64(len(list)) > n {
				list = list[1:]
			}
			kept[r.Partition] = list
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var all []*kgo.Record
	for _, list := range kept {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b *kgo.Record) int {
		return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return all, nil
}

// Read passes on the records from the given offsets, until ctx ends or fn returns an error, which it
// returns. toEnd ends it where the topic ended when it was opened.
func (t *Topic) Read(ctx context.Context, from map[int32]int64, toEnd bool, fn func(*kgo.Record) error) error {
	offsets := map[int32]kgo.Offset{}
	open := map[int32]bool{}
	for p, offset := range from {
		if !toEnd || offset < t.Ends[p] {
			offsets[p] = kgo.NewOffset().At(offset)
			open[p] = true
		}
	}
	if len(open) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(t.options),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.Name: offsets}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords())...) // a marker may be the last thing before the end
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	defer client.Close()
	for len(open) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("read %s partition %d: %w", e.Topic, e.Partition, e.Err)
		}
		for iter := fetches.RecordIter(); !iter.Done(); {
			r := iter.Next()
			end := t.Ends[r.Partition]
			if toEnd && r.Offset >= end-1 {
				delete(open, r.Partition)
			}
			if toEnd && r.Offset >= end || r.Attrs.IsControl() || t.Keep != nil && !t.Keep(r) {
				continue
			}
			if err := fn(r); err != nil {
				return err
			}
		}
		if t.Polled == nil {
			continue
		}
		if err := t.Polled(); err != nil {
			return err
		}
	}
	return nil
}
