package bench

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

// maps is what a program written by hand would do with a partition of orders: split the line,
// parse what is needed, and keep four results in Go maps. It checks nothing else and survives nothing.
type maps struct {
	buys, sells map[int64]int64
	totals      map[int64]int64
	volumes     map[string]map[int64]int64 // by pane of five seconds, for the last hour
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
	pane := ms / 5000
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

// readSarama reads the topic once, partitions at the same time, and gives each record to maps.
func (r *run) readSarama(ctx context.Context, make func() *maps) (string, error) {
	cfg := sarama.NewConfig()
	cfg.Consumer.Fetch.Default = 4 << 20
	cfg.ChannelBufferSize = 1024
	c, err := sarama.NewConsumer(r.Brokers, cfg)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for p := range r.Partitions {
		pc, err := c.ConsumePartition(r.topic, int32(p), sarama.OffsetOldest)
		if err != nil {
			return "", err
		}
		want := (r.Rows + r.Partitions - 1 - p) / r.Partitions
		wg.Go(func() {
			defer func() { _ = pc.Close() }()
			var m *maps
			if make != nil {
				m = make()
			}
			for n := 0; n < want; n++ {
				select {
				case msg := <-pc.Messages():
					if m != nil {
						m.add(msg.Timestamp.UnixMilli(), msg.Value)
					}
				case <-ctx.Done():
					err := ctx.Err()
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return "", *err
	}
	return "", nil
}

// readFranz does the same with franz-go, one goroutine a partition.
func (r *run) readFranz(ctx context.Context, make func() *maps) (string, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Brokers...), kgo.ConsumeTopics(r.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(4<<20))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	lists := map[int32]chan []*kgo.Record{}
	var wg sync.WaitGroup
	for left := r.Rows; left > 0; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return "", fmt.Errorf("poll: %w", err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			left -= len(p.Records)
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
	return "", nil
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
