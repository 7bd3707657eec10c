package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"penstock/cmd/penstock/internal/human"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type produceOptions struct {
	kafkaFlags
	topic, file  string
	pace         rate
	partition    int
	partitions   int
	keyDelimiter string
}

func newProduce(a *app) *cobra.Command {
	o := produceOptions{}
	cmd := &cobra.Command{
		Use:   "produce TOPIC [FILE]",
		Short: "Send the lines of a file, or of stdin, to a topic",
		Long: `Send the lines of a file, or of stdin, to a topic, one record a line.

A line without a key goes to the partitions in turn, so the same input gives the same partitions
each time; a line with a key goes where Kafka's own clients would send it.`,
		Example: `  penstock gen orders --count 500000 | penstock produce orders --partitions 4
  penstock produce orders orders.txt --rate 10/s --brokers localhost:9092`,
		Args: arguments(1, 2, "a topic and perhaps a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic, o.file = args[0], "-"
			if len(args) > 1 {
				o.file = args[1]
			}
			o.keyDelimiter = unescape(o.keyDelimiter)
			return a.produce(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	o.add(f)
	f.Var(&o.pace, "rate", "at most this many lines a second, such as 10/s (default as fast as possible)")
	f.IntVar(&o.partition, "partition", -1, "send everything to this partition")
	f.IntVar(&o.partitions, "partitions", 0, "make the topic with this many partitions when it is missing")
	f.StringVar(&o.keyDelimiter, "key-delimiter", "", `what separates key and value in a line, such as : or \t (default no keys)`)
	return cmd
}

func (a *app) produce(ctx context.Context, o produceOptions) error {
	in, err := a.open(o.file)
	if err != nil {
		return err
	}
	defer in.Close()
	client, err := o.connect(ctx, a, producerOptions(o)...)
	if err != nil {
		return err
	}
	defer client.Close()
	partitions, err := ensureTopic(ctx, kadm.NewClient(client), o.topic, o.partitions)
	if err != nil {
		return err
	}
	if o.partition >= partitions {
		return usage("--partition is %d, but topic %s has partitions 0 to %d", o.partition, o.topic, partitions-1)
	}
	p := &producer{a: a, o: o, client: client, started: time.Now()}
	p.show = a.newProgress(p.started)
	err = p.run(ctx, in)
	p.show.clear()
	sent, size := p.acked()
	elapsed := time.Since(p.started)
	a.say("%s records (%s) to %s in %s, %s/s", thousands(sent), human.Bytes(size), o.topic, human.Seconds(elapsed),
		short(float64(sent)/elapsed.Seconds()))
	return err
}

func producerOptions(o produceOptions) []kgo.Opt {
	return []kgo.Opt{
		kgo.DefaultProduceTopic(o.topic),
		kgo.RecordPartitioner(spread{kafka: kgo.StickyKeyPartitioner(nil), fixed: o.partition}),
		kgo.MaxBufferedRecords(200_000),
		kgo.ProducerLinger(5 * time.Millisecond),
	}
}

// spread is the partitioner of produce: all to a fixed partition, or keys where Kafka sends them
// and records without a key in turn. Kafka's own way for the latter, a partition until a batch is
// full, would depend on timing.
type spread struct {
	kafka kgo.Partitioner
	fixed int // -1: none
}

// ForTopic is called once per topic.
func (s spread) ForTopic(topic string) kgo.TopicPartitioner {
	return &spreadTopic{keyed: s.kafka.ForTopic(topic), fixed: s.fixed, turn: -1}
}

type spreadTopic struct {
	keyed kgo.TopicPartitioner
	fixed int
	turn  int
}

// RequiresConsistency: a record waits for its partition when that is away for a moment.
func (*spreadTopic) RequiresConsistency(*kgo.Record) bool { return true }

// Partition chooses among n partitions.
func (s *spreadTopic) Partition(r *kgo.Record, n int) int {
	switch {
	case s.fixed >= 0:
		return s.fixed
	case r.Key != nil:
		return s.keyed.Partition(r, n)
	}
	s.turn = (s.turn + 1) % n
	return s.turn
}

// producer sends lines and counts what the broker has acknowledged.
type producer struct {
	a       *app
	o       produceOptions
	client  *kgo.Client
	started time.Time
	show    *progress
	issued  int64
	line    int64

	mu     sync.Mutex // guards what acknowledgements write
	sent   int64
	size   int64
	failed error
}

func (p *producer) acked() (records, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent, p.size
}

func (p *producer) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// run sends everything in reads. Reading has a goroutine of its own, because a read of a terminal
// or a pipe cannot be called off; it ends with its input, or with the process.
func (p *producer) run(ctx context.Context, in io.Reader) error {
	blocks := make(chan block, 4)
	ended := make(chan struct{})
	defer close(ended)
	go readBlocks(in, blocks, ended)
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return p.flush(ctx, context.Cause(ctx))
		case <-tick.C:
			p.progress()
		case b, ok := <-blocks:
			if !ok {
				return p.flush(ctx, nil)
			}
			err := p.send(ctx, b.lines)
			if err == nil {
				err = b.err
			}
			if err != nil {
				return p.flush(ctx, err)
			}
		}
	}
}

// flush waits for what is on its way. After a Ctrl-C that is bounded, as the broker may be gone.
func (p *producer) flush(ctx context.Context, err error) error {
	wait := ctx
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
	}
	if flushErr := p.client.Flush(wait); err == nil {
		err = flushErr
	}
	if failed := p.err(); failed != nil {
		return failed
	}
	if errors.Is(err, context.Canceled) {
		return context.Cause(ctx)
	}
	return err
}

// send sends complete lines; the last may lack its line end. The records keep the bytes.
func (p *producer) send(ctx context.Context, lines []byte) error {
	records := make([]kgo.Record, 0, 1+len(lines)/32)
	for len(lines) > 0 {
		line := lines
		if i := bytes.IndexByte(lines, '\n'); i >= 0 {
			line, lines = lines[:i], lines[i+1:]
		} else {
			lines = nil
		}
		p.line++
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(records) == cap(records) {
			records = make([]kgo.Record, 0, 1024)
		}
		records = append(records, kgo.Record{Value: line})
		r := &records[len(records)-1]
		if p.o.keyDelimiter != "" {
			if key, value, ok := bytes.Cut(line, []byte(p.o.keyDelimiter)); ok {
				r.Key, r.Value = key, value
			}
		}
		if err := p.wait(ctx); err != nil {
			return err
		}
		p.issued++
		p.client.Produce(ctx, r, p.acknowledged)
		if p.issued%1024 == 0 {
			if err := p.err(); err != nil {
				return err
			}
			p.progress()
		}
	}
	return nil
}

// wait holds the next record back until the rate allows it.
func (p *producer) wait(ctx context.Context) error {
	if p.o.pace.perSecond == 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	due := p.started.Add(time.Duration(float64(p.issued) / p.o.pace.perSecond * float64(time.Second)))
	for {
		ahead := time.Until(due)
		if ahead <= 0 {
			return nil
		}
		p.progress()
		timer := time.NewTimer(min(ahead, redrawEvery))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// acknowledged is called by the client for every record, from a goroutine of its own.
func (p *producer) acknowledged(r *kgo.Record, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.sent++
		p.size += int64(len(r.Key) + len(r.Value))
		return
	}
	if p.failed == nil && !errors.Is(err, context.Canceled) {
		p.failed = fmt.Errorf("send to %s: %w", p.o.topic, err)
		if errors.Is(err, kerr.MessageTooLarge) {
			p.failed = fmt.Errorf("send to %s: a line of %s is larger than the broker takes", p.o.topic, human.Bytes(int64(len(r.Value))))
		}
	}
}

func (p *producer) progress() {
	now := time.Now()
	sent, size := p.acked()
	perSecond := float64(sent) / max(now.Sub(p.started).Seconds(), 0.001)
	p.show.step(now, func() string {
		return fmt.Sprintf("sent to %s: %s records, %s, %s/s", p.o.topic, thousands(sent), human.Bytes(size), short(perSecond))
	}, "sending", func() []slog.Attr {
		return []slog.Attr{
			slog.String("topic", p.o.topic), slog.Int64("records", sent),
			slog.Int64("bytes", size), slog.Float64("per_second", perSecond),
		}
	})
}

// block is whole lines of the input, and the error that ended it.
type block struct {
	lines []byte
	err   error
}

// blockBytes is how much is read at once; no line may be longer than maxLineBytes.
const (
	blockBytes   = 256 << 10
	maxLineBytes = 16 << 20
)

// readBlocks cuts the input into blocks that end at line ends. Each block has memory of its own,
// which the records made from it keep. A block is passed on as soon as it holds a line, so that a
// slow input is not held back.
func readBlocks(in io.Reader, out chan<- block, ended <-chan struct{}) {
	defer close(out)
	buf := make([]byte, 0, blockBytes)
	for {
		if cap(buf)-len(buf) < blockBytes/4 {
			buf = append(make([]byte, 0, max(2*len(buf), blockBytes)), buf...)
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		b := block{}
		switch end := bytes.LastIndexByte(buf, '\n') + 1; {
		case err == io.EOF:
			b.lines = buf
		case err != nil:
			b = block{lines: buf[:end], err: fmt.Errorf("read input: %w", plainPathError(err))}
		case end == 0 && len(buf) > maxLineBytes:
			b.err = fmt.Errorf("a line is longer than %s", human.Bytes(maxLineBytes))
		case end == 0:
			continue
		default:
			b.lines = buf[:end:end]
			buf = append(make([]byte, 0, blockBytes), buf[end:]...)
		}
		select {
		case out <- b:
		case <-ended:
			return
		}
		if err != nil || b.err != nil {
			return
		}
	}
}

// unescape reads \t, \n and \\ in a flag, which a shell passes on as they are.
func unescape(s string) string {
	return strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\r`, "\r", `\\`, `\`).Replace(s)
}
