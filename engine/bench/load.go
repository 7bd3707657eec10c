package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// loader sends lines to the partitions of a topic in turn.
type loader struct {
	client     *kgo.Client
	topic      string
	partitions int
	next       func([]byte) []byte
	buf        []byte
	sent       int
	bytes      int
	failed     atomic.Pointer[error]
}

// newLoader makes the topic if it is not there.
func (w *worker) newLoader(ctx context.Context, linger time.Duration) (*loader, error) {
	next := fatLines()
	if !w.task.Profile.Fat {
		var err error
		if next, err = w.lines(w.task.Profile); err != nil {
			return nil, err
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.task.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(1<<20), kgo.MaxBufferedRecords(1<<17), kgo.ProducerLinger(linger))
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	made, err := kadm.NewClient(cl).CreateTopic(ctx, int32(w.task.Partitions), -1, nil, w.task.Topic)
	if err == nil {
		err = made.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		cl.Close()
		return nil, fmt.Errorf("make topic %s: %w", w.task.Topic, err)
	}
	return &loader{client: cl, topic: w.task.Topic, partitions: w.task.Partitions, next: next}, nil
}

// send sends the next line, and returns it.
func (l *loader) send(ctx context.Context, at time.Time) []byte {
	if len(l.buf)+256 > cap(l.buf) {
		l.buf = make([]byte, 0, 1<<18)
	}
	n := len(l.buf)
	l.buf = l.next(l.buf)
	line := l.buf[n:len(l.buf):len(l.buf)]
	l.bytes += len(line)
	rec := &kgo.Record{Topic: l.topic, Partition: int32(l.sent % l.partitions), Value: line, Timestamp: at}
	l.sent++
	l.client.Produce(ctx, rec, func(_ *kgo.Record, err error) {
		if err != nil {
			l.failed.Store(&err)
		}
	})
	return line
}

// flush waits until everything is acknowledged.
func (l *loader) flush(ctx context.Context) error {
	err := l.client.Flush(ctx)
	if failed := l.failed.Load(); failed != nil {
		err = *failed
	}
	if err != nil {
		return fmt.Errorf("produce to %s: %w", l.topic, err)
	}
	return nil
}

// load fills the topic, each partition in order of time.
func (w *worker) load(ctx context.Context) error {
	l, err := w.newLoader(ctx, 5*time.Millisecond)
	if err != nil {
		return err
	}
	defer l.client.Close()
	start := time.Now().Add(-w.task.Span)
	for i := range w.task.Rows {
		l.send(ctx, start.Add(time.Duration(float64(w.task.Span)*float64(i)/float64(w.task.Rows))))
	}
	if err := l.flush(ctx); err != nil {
		return err
	}
	w.got.Note = fmt.Sprintf("%d MB", l.bytes/1e6)
	return nil
}
