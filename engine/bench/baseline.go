package bench

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// paneMillis is the interval of the example's metrics.
const paneMillis = 5000

// maps is what a program written by hand would do with a partition of orders: split the line,
// parse what is needed, and keep four results in Go maps. It checks nothing else and survives nothing.
type maps struct {
	buys, sells map[int64]int64
	totals      map[int64]int64
	volumes     map[string]map[int64]int64 // by pane, for the last hour
}

func newMaps() *maps {
	return &maps{buys: map[int64]int64{}, sells: map[int64]int64{}, totals: map[int64]int64{}, volumes: map[string]map[int64]int64{}}
}

func (m *maps) add(ms int64, line []byte) {
	var f [7][]byte
	n := 0
	for n < 6 {
		i := bytes.IndexByte(line, ',')
		if i < 0 {
			return
		}
		f[n], line = line[:i], line[i+1:]
		n++
	}
	f[6] = line
	client, err1 := strconv.ParseInt(string(f[2]), 10, 64)
	amount, err2 := strconv.ParseInt(string(f[4]), 10, 64)
	cents, ok := parseCents(f[5])
	if err1 != nil || err2 != nil || !ok {
		return
	}
	pane := ms / paneMillis
	switch string(f[6]) {
	case "B":
		m.buys[pane]++
	case "S":
		m.sells[pane]++
	default:
		return
	}
	m.totals[client] += amount * cents
	v := m.volumes[string(f[3])]
	if v == nil {
		v = map[int64]int64{}
		m.volumes[string(f[3])] = v
	}
	v[pane] += amount
}

func parseCents(b []byte) (int64, bool) {
	i := bytes.IndexByte(b, '.')
	if i < 0 || len(b)-i != 3 {
		return 0, false
	}
	whole, err1 := strconv.ParseInt(string(b[:i]), 10, 64)
	part, err2 := strconv.ParseInt(string(b[i+1:]), 10, 64)
	return whole*100 + part, err1 == nil && err2 == nil
}

// aggregate reads with maps, one for each partition, and keeps what is in them all.
func (w *worker) aggregate(ctx context.Context, read func(context.Context, func() *maps) error) error {
	var mu sync.Mutex
	var all []*maps
	err := read(ctx, func() *maps {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, newMaps())
		return all[len(all)-1]
	})
	if err != nil {
		return err
	}
	w.stop()
	w.got.Expected = expect(all)
	return nil
}

// spans are the offsets of a topic's partitions, first and next.
func (w *worker) spans(ctx context.Context) (map[int32][2]int64, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.task.Brokers...))
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, w.task.Topic)
	if err != nil {
		return nil, fmt.Errorf("start of %s: %w", w.task.Topic, err)
	}
	// Committed: nothing behind an open transaction can be read.
	ends, err := adm.ListCommittedOffsets(ctx, w.task.Topic)
	if err != nil {
		return nil, fmt.Errorf("end of %s: %w", w.task.Topic, err)
	}
	spans := map[int32][2]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		first, _ := starts.Lookup(o.Topic, o.Partition)
		spans[o.Partition] = [2]int64{first.Offset, o.Offset}
	})
	return spans, nil
}

// readSarama reads the topic once, partitions at the same time, and gives each record to the
// partition's maps. It is for a topic without transactions.
func (w *worker) readSarama(ctx context.Context, make func() *maps) error {
	spans, err := w.spans(ctx)
	if err != nil {
		return err
	}
	cfg := sarama.NewConfig()
	cfg.Consumer.Fetch.Default = 4 << 20
	cfg.ChannelBufferSize = 1024
	c, err := sarama.NewConsumer(w.task.Brokers, cfg)
	if err != nil {
		return fmt.Errorf("sarama: %w", err)
	}
	defer func() { _ = c.Close() }()
	var wg sync.WaitGroup
	var total atomic.Int64
	for p, span := range spans {
		if span[0] == span[1] {
			continue
		}
		pc, err := c.ConsumePartition(w.task.Topic, p, sarama.OffsetOldest)
		if err != nil {
			return fmt.Errorf("sarama: %w", err)
		}
		wg.Go(func() {
			defer func() { _ = pc.Close() }()
			total.Add(drain(ctx, pc.Messages(), span[1], make))
		})
	}
	wg.Wait()
	w.got.Rows = int(total.Load())
	return ctx.Err()
}

// drain takes messages up to an offset.
func drain(ctx context.Context, messages <-chan *sarama.ConsumerMessage, end int64, make func() *maps) (n int64) {
	var m *maps
	if make != nil {
		m = make()
	}
	for {
		select {
		case msg := <-messages:
			n++
			if m != nil {
				m.add(msg.Timestamp.UnixMilli(), msg.Value)
			}
			if msg.Offset+1 >= end {
				return n
			}
		case <-ctx.Done():
			return n
		}
	}
}

// readFranz does the same with franz-go, one goroutine a partition. The topic may be one of
// transactions: what was not committed is not counted.
func (w *worker) readFranz(ctx context.Context, make func() *maps) error {
	spans, err := w.spans(ctx)
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.task.Brokers...), kgo.ConsumeTopics(w.task.Topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(4<<20))
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	for p, span := range spans {
		if span[0] == span[1] {
			delete(spans, p)
		}
	}
	lists := map[int32]chan []*kgo.Record{}
	var wg sync.WaitGroup
	w.got.Rows = 0
	for len(spans) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			n := len(p.Records)
			if n == 0 {
				return
			}
			if p.Records[n-1].Offset+1 >= spans[p.Partition][1] {
				delete(spans, p.Partition)
			}
			w.got.Rows += data(p.Records)
			if make == nil {
				return
			}
			list := lists[p.Partition]
			if list == nil {
				list = newList(&wg, make())
				lists[p.Partition] = list
			}
			list <- p.Records
		})
	}
	for _, list := range lists {
		close(list)
	}
	wg.Wait()
	return nil
}

// data counts the records that are no markers of transactions.
func data(recs []*kgo.Record) (n int) {
	for _, r := range recs {
		if !r.Attrs.IsControl() {
			n++
		}
	}
	return n
}

func newList(wg *sync.WaitGroup, m *maps) chan []*kgo.Record {
	list := make(chan []*kgo.Record, 4)
	wg.Go(func() {
		for recs := range list {
			for _, rec := range recs {
				m.add(rec.Timestamp.UnixMilli(), rec.Value)
			}
		}
	})
	return list
}
