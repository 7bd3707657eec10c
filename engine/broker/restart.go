package broker

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transactions watches the requests of transactions, for two things that kfake does not survive
// when it is killed.
//
// It writes down what a commit is about to do, in one write before kfake does it in many, so that
// a commit that was cut off can be done to its end (recover.go). The note is taken back with the
// first request that shows that the commit is over.
//
// And it refuses to commit a transaction of which nothing was seen since the start. kfake may take
// that for the repetition of a commit whose answer was lost, and say that it is done; the producer
// would go on behind records that nobody will ever read.
type transactions struct {
	mu      sync.Mutex
	seen    map[int64]bool // producer ids
	offsets map[int64][]intentOffset
	file    *os.File // of the intent; nil: topics are in memory
	noted   bool
}

// watched are the requests that concern transactions, or follow them.
var watched = []kmsg.Key{kmsg.Produce, kmsg.OffsetCommit, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn}

// guard watches the requests of transactions from now on.
func (b *Broker) guard(intentFile string) error {
	t := &transactions{seen: map[int64]bool{}, offsets: map[int64][]intentOffset{}}
	if intentFile != "" {
		f, err := os.OpenFile(intentFile, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("open the broker's note of commits: %w", err)
		}
		t.file = f
	}
	b.txns = t
	for _, key := range watched {
		b.cluster.ControlKey(key.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			b.cluster.KeepControl()
			resp := t.look(req)
			return resp, nil, resp != nil
		})
	}
	return nil
}

// close ends the notes of a broker that has stopped by itself.
func (t *transactions) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// look notes what a request tells, or answers it.
func (t *transactions) look(req kmsg.Request) kmsg.Response {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.noted {
		t.noted = t.file.Truncate(0) != nil
	}
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		if req.TransactionID != nil {
			t.produced(req)
		}
	case *kmsg.InitProducerIDRequest:
		delete(t.offsets, req.ProducerID)
	case *kmsg.AddPartitionsToTxnRequest:
		t.seen[req.ProducerID] = true
		for _, x := range req.Transactions {
			t.seen[x.ProducerID] = true
		}
	case *kmsg.AddOffsetsToTxnRequest:
		t.seen[req.ProducerID] = true
	case *kmsg.TxnOffsetCommitRequest:
		t.seen[req.ProducerID] = true
		t.offset(req)
	case *kmsg.EndTxnRequest:
		return t.end(req)
	}
	return nil
}

// producerAt is where a record batch holds its producer id.
const producerAt = 43

func (t *transactions) produced(req *kmsg.ProduceRequest) {
	for _, topic := range req.Topics {
		for _, p := range topic.Partitions {
			if len(p.Records) >= producerAt+8 {
				t.seen[int64(binary.BigEndian.Uint64(p.Records[producerAt:]))] = true
			}
		}
	}
}

// offset notes the offsets that a transaction is to commit. Of two for one partition the later counts.
func (t *transactions) offset(req *kmsg.TxnOffsetCommitRequest) {
	for _, topic := range req.Topics {
		for _, p := range topic.Partitions {
			t.offsets[req.ProducerID] = append(t.offsets[req.ProducerID], intentOffset{
				Group: req.Group, Topic: topic.Topic, Partition: p.Partition, Offset: p.Offset, Epoch: p.LeaderEpoch, Metadata: p.Metadata,
			})
		}
	}
}

func (t *transactions) end(req *kmsg.EndTxnRequest) kmsg.Response {
	it := intent{Producer: req.ProducerID, Epoch: req.ProducerEpoch, Offsets: t.offsets[req.ProducerID]}
	delete(t.offsets, req.ProducerID)
	if !req.Commit {
		return nil
	}
	refuse := !t.seen[req.ProducerID]
	if !refuse && t.file != nil {
		refuse = t.note(it) != nil // a commit that cannot be noted cannot be made whole
	}
	if !refuse {
		return nil
	}
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ErrorCode = kerr.InvalidProducerEpoch.Code
	return resp
}

func (t *transactions) note(it intent) error {
	data, err := json.Marshal(it)
	if err != nil {
		return err
	}
	raw := binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, castagnoli))
	_, err = t.file.WriteAt(append(raw, data...), 0)
	t.noted = true
	return err
}
