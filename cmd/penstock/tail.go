package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type tailOptions struct {
	kafkaFlags
	name    string
	topic   string // where metrics are, when name is not a topic
	from    string
	count   int64
	format  string
	json    bool
	exit    bool
	pattern recordFormat
}

func newTail(a *app) *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail TOPIC|METRIC",
		Short: "Print the records of a topic, or the results of a metric, as they come",
		Long: `Print the records of a topic, or the results of a metric, as they come.

Only what is committed is shown. A name that is no topic is taken for a metric, whose results are
records of --topic with the metric's name as their key.

In --format, %t is the topic, %p the partition, %o the offset, %T the time in milliseconds, %k the
key, %s the value, %h the headers, %% a percent sign; \n and \t are what they are in C.`,
		Example: `  penstock tail metrics
  penstock tail BUYS -o beginning -c 10 -f '%o %s\n'`,
		Args: arguments(1, 1, "the name of a topic or metric"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return a.tail(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	o.add(f)
	f.StringVarP(&o.from, "offset", "o", "-10", "where to begin in each partition: beginning, end, -N (the last N records) or an offset")
	f.Int64VarP(&o.count, "count", "c", 0, "leave after this many records (default never)")
	f.BoolVarP(&o.exit, "exit", "e", false, "leave at the end instead of waiting for more")
	f.StringVarP(&o.format, "format", "f", `%s\n`, "how to print a record")
	f.BoolVar(&o.json, "json", false, "print each record as a JSON object")
	f.StringVar(&o.topic, "topic", "metrics", "topic of the metrics")
	return cmd
}

func (a *app) tail(ctx context.Context, o tailOptions) error {
	var err error
	if o.pattern, err = compileFormat(o.format, o.json); err != nil {
		return err
	}
	from, err := parseStart(o.from)
	if err != nil {
		return err
	}
	client, err := o.connect(ctx, a, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	t := &tailer{o: o, client: client, out: bufio.NewWriterSize(a.stdout, 1<<16), left: o.count}
	if err := t.resolve(ctx, kadm.NewClient(client)); err != nil {
		return err
	}
	defer t.out.Flush()
	if from.last >= 0 {
		err = t.lastThenFollow(ctx, from.last)
	} else {
		err = t.follow(ctx, t.startAt(from))
	}
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// errDone ends a tail that has printed all it was asked for.
var errDone = errors.New("done")

// tailer prints the records of one topic.
type tailer struct {
	o      tailOptions
	client *kgo.Client
	out    *bufio.Writer
	topic  string
	metric string          // only records with this key; empty: all
	first  map[int32]int64 // the oldest offset of each partition
	ends   map[int32]int64 // behind the last committed record when tail began
	left   int64           // records still to print, with --count
}

// resolve finds the topic for the name and the range of offsets that it has now.
func (t *tailer) resolve(ctx context.Context, admin *kadm.Client) error {
	have, names, err := topicPartitions(ctx, admin, t.o.name)
	if err != nil {
		return err
	}
	t.topic = t.o.name
	if have == 0 {
		t.topic, t.metric = t.o.topic, t.o.name
		if have, _, err = topicPartitions(ctx, admin, t.topic); err != nil {
			return err
		}
		if have == 0 {
			return noTopic(t.o.name, names).hint("nor is there a topic %s for it to be a metric of (--topic)", t.topic)
		}
	}
	starts, err := admin.ListStartOffsets(ctx, t.topic)
	if err != nil {
		return fmt.Errorf("offsets of %s: %w", t.topic, err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, t.topic)
	if err != nil {
		return fmt.Errorf("offsets of %s: %w", t.topic, err)
	}
	t.first, t.ends = map[int32]int64{}, map[int32]int64{}
	starts.Each(func(l kadm.ListedOffset) { t.first[l.Partition] = l.Offset })
	ends.Each(func(l kadm.ListedOffset) { t.ends[l.Partition] = l.Offset })
	return errors.Join(starts.Error(), ends.Error())
}

// start is where to begin: the last so many records, or an offset.
type start struct {
	last   int64 // -1: not this way
	offset int64 // offsetBeginning, offsetEnd or an offset
}

const (
	offsetBeginning = -2
	offsetEnd       = -1
)

func parseStart(text string) (start, error) {
	switch strings.ToLower(text) {
	case "beginning":
		return start{last: -1, offset: offsetBeginning}, nil
	case "end":
		return start{last: -1, offset: offsetEnd}, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return start{}, usage("--offset is %q, expected beginning, end, -N or an offset", text)
	case strings.HasPrefix(text, "-"):
		return start{last: -n}, nil
	}
	return start{last: -1, offset: n}, nil
}

func (t *tailer) startAt(from start) map[int32]int64 {
	at := map[int32]int64{}
	for p := range t.ends {
		switch from.offset {
		case offsetBeginning:
			at[p] = t.first[p]
		case offsetEnd:
			at[p] = t.ends[p]
		default:
			at[p] = min(max(from.offset, t.first[p]), t.ends[p])
		}
	}
	return at
}

// lastThenFollow prints the last n records of each partition and goes on from there. Offsets do
// not tell where the n-th last record is: transactions leave markers among them, compaction and
// other metrics leave gaps. So it reads back ever further until it has found n.
func (t *tailer) lastThenFollow(ctx context.Context, n int64) error {
	at := t.startAt(start{offset: offsetEnd})
	kept := map[int32][]*kgo.Record{}
	for back := 2*n + 16; n > 0; back *= 8 {
		todo := map[int32]int64{}
		for p, end := range t.ends {
			from := max(t.first[p], end-back)
			if tried := at[p]; int64(len(kept[p])) < n && from < tried {
				todo[p] = from
				at[p] = from
			}
		}
		if len(todo) == 0 {
			break
		}
		for p := range todo {
			kept[p] = nil
		}
		err := t.read(ctx, todo, true, func(r *kgo.Record) error {
			list := append(kept[r.Partition], r)
			if int64(len(list)) > n {
				list = list[1:]
			}
			kept[r.Partition] = list
			return nil
		})
		if err != nil {
			return err
		}
	}
	var all []*kgo.Record
	for _, list := range kept {
		all = append(all, list...)
	}
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if !a.Timestamp.Equal(b.Timestamp) {
			return a.Timestamp.Before(b.Timestamp)
		}
		if a.Partition != b.Partition {
			return a.Partition < b.Partition
		}
		return a.Offset < b.Offset
	})
	for _, r := range all {
		if err := t.print(r); err != nil {
			return err
		}
	}
	return t.follow(ctx, t.startAt(start{offset: offsetEnd}))
}

// follow prints from the given offsets on, to the end that the topic had at the start with --exit,
// for ever otherwise.
func (t *tailer) follow(ctx context.Context, at map[int32]int64) error {
	if err := t.out.Flush(); err != nil {
		return err
	}
	return t.read(ctx, at, t.o.exit, t.print)
}

// read passes the records from the given offsets on to fn; toEnd ends it where the topic ended
// when tail began.
func (t *tailer) read(ctx context.Context, at map[int32]int64, toEnd bool, fn func(*kgo.Record) error) error {
	offsets := map[int32]kgo.Offset{}
	open := map[int32]bool{}
	for p, offset := range at {
		if !toEnd || offset < t.ends[p] {
			offsets[p] = kgo.NewOffset().At(offset)
			open[p] = true
		}
	}
	if len(open) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(t.client.Opts(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.topic: offsets}),
		kgo.KeepControlRecords())...)
	if err != nil {
		return fmt.Errorf("read %s: %w", t.topic, err)
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
			end := t.ends[r.Partition]
			if toEnd && r.Offset >= end-1 {
				delete(open, r.Partition)
			}
			past := toEnd && r.Offset >= end
			if past || r.Attrs.IsControl() || t.metric != "" && !strings.EqualFold(string(r.Key), t.metric) {
				continue
			}
			if err := fn(r); err != nil {
				return err
			}
		}
		if err := t.out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (t *tailer) print(r *kgo.Record) error {
	if _, err := t.out.Write(t.o.pattern.append(nil, r)); err != nil {
		return err
	}
	if t.left > 0 {
		if t.left--; t.left == 0 {
			return errDone
		}
	}
	return nil
}
