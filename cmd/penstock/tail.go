package main

import (
	"bufio"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/tail"
)

type tailOptions struct {
	kafkaFlags
	name   string
	topic  string // where metrics are, when name is not a topic
	from   string
	count  int64
	format string
	json   bool
	exit   bool
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
key, %s the value, %h the headers, %% a percent sign; \n and \t are what they are in C.
On a terminal, bytes that are no text are shown as \x1b; elsewhere records are printed as they are.`,
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
	pattern, err := compileFormat(o.format, o.json, a.outTTY)
	if err != nil {
		return err
	}
	from, err := parseStart(o.from)
	if err != nil {
		return err
	}
	client, err := o.connect(ctx, a)
	if err != nil {
		return err
	}
	defer client.Close()
	t := &tailer{o: o, out: bufio.NewWriterSize(a.stdout, 1<<16), pattern: pattern, left: o.count}
	if err := t.open(ctx, client); err != nil {
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
	o       tailOptions
	out     *bufio.Writer
	topic   *tail.Topic
	pattern recordFormat
	left    int64 // records still to print, with --count
}

// open finds the topic for the name.
func (t *tailer) open(ctx context.Context, client *kgo.Client) error {
	admin := kadm.NewClient(client)
	have, names, err := topicPartitions(ctx, admin, t.o.name)
	if err != nil {
		return err
	}
	topic := t.o.name
	if have == 0 {
		topic = t.o.topic
		if have, _, err = topicPartitions(ctx, admin, topic); err != nil {
			return err
		}
		if have == 0 {
			return noTopic(t.o.name, names).hint("nor is there a topic %s for it to be a metric of (--topic)", topic)
		}
	}
	if t.topic, err = tail.Open(ctx, admin, topic, client.Opts()); err != nil {
		return err
	}
	if topic != t.o.name {
		t.topic.Keep = func(r *kgo.Record) bool { return strings.EqualFold(string(r.Key), t.o.name) }
	}
	t.topic.Polled = t.out.Flush
	return nil
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
	for p, end := range t.topic.Ends {
		switch from.offset {
		case offsetBeginning:
			at[p] = t.topic.First[p]
		case offsetEnd:
			at[p] = end
		default:
			at[p] = min(max(from.offset, t.topic.First[p]), end)
		}
	}
	return at
}

// lastThenFollow prints the last n records of each partition and goes on from there.
func (t *tailer) lastThenFollow(ctx context.Context, n int64) error {
	all, err := t.topic.Last(ctx, n)
	if err != nil {
		return err
	}
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
	return t.topic.Read(ctx, at, t.o.exit, t.print)
}

func (t *tailer) print(r *kgo.Record) error {
	if _, err := t.out.Write(t.pattern.append(nil, r)); err != nil {
		return err
	}
	if t.left > 0 {
		if t.left--; t.left == 0 {
			return errDone
		}
	}
	return nil
}
