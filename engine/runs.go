package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/IBM/sarama"

	"penstock/engine/format"
)

// maxRun is the most records of one run: enough that Goka's cost per message vanishes, few
// enough to be one batch of the core (row.MaxBatch).
const maxRun = 1024

// run is a stretch of records of one partition, in order of their offsets.
type run struct {
	topic     string
	partition int32
	records   []format.Record
}

// runs holds the records of the runs that are under way from sarama to a callback of Goka's. A
// Goka message carries only bytes, so a run travels as the eight bytes of its id and is fetched
// here by the callback; nothing is copied.
type runs struct {
	mu   sync.Mutex
	next uint64
	held map[uint64]*run
	free [][]format.Record
}

func newRuns() *runs { return &runs{held: map[uint64]*run{}} }

// reset forgets the runs of a session that is over: messages that Goka had queued and dropped.
func (r *runs) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.held)
}

// put keeps a run and returns the message value that stands for it.
func (r *runs) put(x *run) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	r.held[r.next] = x
	return binary.BigEndian.AppendUint64(nil, r.next)
}

// take returns the run that a message value stands for and forgets it. A run that is not there
// belonged to an earlier session.
func (r *runs) take(value []byte) (*run, error) {
	if len(value) != 8 {
		return nil, fmt.Errorf("a run's id has 8 bytes, not %d", len(value))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := binary.BigEndian.Uint64(value)
	x := r.held[id]
	delete(r.held, id)
	if x == nil {
		return nil, fmt.Errorf("run %d is not known", id)
	}
	return x, nil
}

// done gives the slice of a run back for use by another. The records' bytes are not reused, so
// rows may go on pointing into them.
func (r *runs) done(x *run) {
	clear(x.records)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.free) < 64 {
		r.free = append(r.free, x.records[:0])
	}
	x.records = nil
}

func (r *runs) slice() []format.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.free); n > 0 {
		s := r.free[n-1]
		r.free = r.free[:n-1]
		return s
	}
	return make([]format.Record, 0, maxRun)
}

// packedClaim is a claim whose messages are runs.
type packedClaim struct {
	sarama.ConsumerGroupClaim
	out    chan *sarama.ConsumerMessage
	cancel context.CancelFunc
	done   chan struct{}
}

// packClaim begins to gather the messages of a claim into runs. stop has to be called.
func packClaim(ctx context.Context, claim sarama.ConsumerGroupClaim, r *runs) *packedClaim {
	ctx, cancel := context.WithCancel(ctx)
	p := &packedClaim{
		ConsumerGroupClaim: claim, out: make(chan *sarama.ConsumerMessage),
		cancel: cancel, done: make(chan struct{}),
	}
	go p.pump(ctx, r)
	return p
}

// Messages implements sarama.ConsumerGroupClaim. The channel closes when the claim's does.
func (p *packedClaim) Messages() <-chan *sarama.ConsumerMessage { return p.out }

// stop ends the gathering and waits for its goroutine.
func (p *packedClaim) stop() {
	p.cancel()
	<-p.done
}

// pump gathers whatever is there into one run and offers it; while nobody takes it, the run
// grows. So runs are long when the engine is busy and short, and at once there, when it is not.
func (p *packedClaim) pump(ctx context.Context, r *runs) {
	defer close(p.done)
	defer close(p.out)
	in := p.ConsumerGroupClaim.Messages()
	for {
		var first *sarama.ConsumerMessage
		select {
		case m, ok := <-in:
			if !ok {
				return
			}
			first = m
		case <-ctx.Done():
			return
		}
		x := &run{topic: first.Topic, partition: first.Partition, records: r.slice()}
		x.add(first)
		if !p.offer(ctx, in, r, x) {
			return
		}
	}
}

// offer fills a run from what is at hand and sends it. It returns false when the claim is over;
// a run that was not sent then is read again by the next session.
func (p *packedClaim) offer(ctx context.Context, in <-chan *sarama.ConsumerMessage, r *runs, x *run) bool {
	for len(x.records) < maxRun {
		select {
		case m, ok := <-in:
			if !ok {
				return false
			}
			x.add(m)
			continue
		default:
		}
		break
	}
	out := &sarama.ConsumerMessage{Topic: x.topic, Partition: x.partition}
	// The callback may fetch the run as soon as the message is out, so it is registered before;
	// it may still grow until then, because only this goroutine touches it.
	out.Value = r.put(x)
	for {
		more := in
		if len(x.records) >= maxRun {
			more = nil
		}
		out.Offset = x.records[len(x.records)-1].Offset
		select {
		case p.out <- out:
			return true
		case m, ok := <-more:
			if !ok {
				return false
			}
			x.add(m)
		case <-ctx.Done():
			return false
		}
	}
}

func (x *run) add(m *sarama.ConsumerMessage) {
	x.records = append(x.records, format.Record{
		Offset: m.Offset, Time: m.Timestamp.UnixMilli(), Key: m.Key, Value: m.Value,
	})
}
