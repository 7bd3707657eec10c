package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What a kill -9 leaves on disk is made whole here, before kfake reads it. kfake writes a record
// batch, and each of the markers and offsets that end a transaction, with a write of its own, and
// keeps what is open in memory only:
//
//   - A transaction that was open has no marker. kfake treats it as aborted, but writes none, so
//     that the next transaction of the same producer, once it is committed and the broker killed
//     again, commits the old one too. It gets its abort marker here, and the producer an epoch
//     more, so that it cannot go on with the other half.
//   - A transaction that was being committed has some of its markers and offsets. It is committed
//     to the end; what it takes is in the intent (restart.go).
//   - A batch without its entry in the index shifts the entries of all that follow. It was not
//     acknowledged, so it is cut off.

// lastCommit is the file of the intent, and cleanStop the one that says there is nothing to do.
const (
	lastCommit = "commit"
	cleanStop  = "clean"
)

// indexEntry is the size of an entry of kfake's index, batchHeader that of a record batch.
const (
	indexEntry  = 15
	batchHeader = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openTxn is a transaction without a marker in a partition.
type openTxn struct {
	partition string // directory
	producer  int64
	epoch     int16
}

// recoverData makes the files of a broker whole that did not stop by itself.
func recoverData(dir, logs string) error {
	clean := filepath.Join(dir, cleanStop)
	if err := os.Remove(clean); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err // stopped by itself, or the directory cannot be written
	}
	parts, err := os.ReadDir(filepath.Join(logs, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	it, err := readIntent(filepath.Join(dir, lastCommit))
	if err != nil {
		return err
	}
	ended := map[int64]int16{} // producers, with the epoch that they had
	for _, p := range parts {
		open, err := recoverPartition(filepath.Join(logs, "partitions", p.Name()), it)
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.Name(), err)
		}
		for _, x := range open {
			ended[x.producer] = max(ended[x.producer], x.epoch)
		}
	}
	if it != nil {
		ended[it.Producer] = max(ended[it.Producer], it.Epoch)
		if err := it.writeOffsets(logs); err != nil {
			return err
		}
	}
	for producer, epoch := range ended {
		committed := it != nil && it.Producer == producer && it.Epoch == epoch
		// The epoch is the one after: the producer has to begin again.
		e := map[string]any{"type": "endtx", "pid": producer, "epoch": epoch + 1, "commit": committed}
		if err := appendEntry(filepath.Join(logs, "pids.log"), e); err != nil {
			return err
		}
	}
	err = os.Remove(filepath.Join(dir, lastCommit))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// recoverPartition cuts off what was written in part, and ends the transactions that are open.
func recoverPartition(dir string, it *intent) ([]openTxn, error) {
	var segments []int64
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if base, err := strconv.ParseInt(trimSuffix(e.Name(), ".dat"), 10, 64); err == nil {
			segments = append(segments, base)
		}
	}
	if len(segments) == 0 {
		return nil, nil
	}
	slices.Sort(segments)
	s := &scan{open: map[int64]openTxn{}}
	for i, base := range segments {
		if err := s.segment(dir, base, i == len(segments)-1); err != nil {
			return nil, err
		}
	}
	var list []openTxn
	for _, x := range s.open {
		x.partition = dir
		list = append(list, x)
		commit := it != nil && it.Producer == x.producer && it.Epoch == x.epoch
		if err := s.appendMarker(dir, segments[len(segments)-1], x, commit); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func trimSuffix(name, suffix string) string {
	if len(name) > len(suffix) && name[len(name)-len(suffix):] == suffix {
		return name[:len(name)-len(suffix)]
	}
	return ""
}

// scan goes over the batches of a partition.
type scan struct {
	open  map[int64]openTxn
	next  int64 // the offset behind the last batch
	epoch int32 // leader epoch of the last batch
}

// segment reads the headers of a segment's batches. The last segment is cut where batches and
// index stop to agree.
func (s *scan) segment(dir string, base int64, last bool) error {
	name := filepath.Join(dir, strconv.FormatInt(base, 10))
	f, err := os.OpenFile(name+".dat", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	indexed := int64(1) << 62
	if idx, err := os.Stat(name + ".idx"); last && err == nil {
		indexed = idx.Size() / indexEntry
	} else if last {
		indexed = 0
	}
	var h [batchHeader]byte
	at, n := int64(0), int64(0)
	for ; n < indexed; n++ {
		if _, err := f.ReadAt(h[:], at); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		size := 12 + int64(binary.BigEndian.Uint32(h[8:]))
		if size < batchHeader || at+size > st.Size() {
			break
		}
		s.batch(&h)
		at += size
	}
	if !last {
		return nil
	}
	err = f.Truncate(at)
	if idxErr := os.Truncate(name+".idx", n*indexEntry); !errors.Is(idxErr, fs.ErrNotExist) {
		err = errors.Join(err, idxErr)
	}
	return err
}

func (s *scan) batch(h *[batchHeader]byte) {
	attributes := binary.BigEndian.Uint16(h[21:])
	producer := int64(binary.BigEndian.Uint64(h[producerAt:]))
	s.next = int64(binary.BigEndian.Uint64(h[:])) + int64(binary.BigEndian.Uint32(h[23:])) + 1
	s.epoch = int32(binary.BigEndian.Uint32(h[12:]))
	switch {
	case attributes&0x20 != 0:
		delete(s.open, producer)
	case attributes&0x10 != 0:
		s.open[producer] = openTxn{producer: producer, epoch: int16(binary.BigEndian.Uint16(h[producerAt+8:]))}
	}
}

// appendMarker ends a transaction as kfake would have.
func (s *scan) appendMarker(dir string, base int64, x openTxn, commit bool) error {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	rec := kmsg.Record{Key: key.AppendTo(nil), Value: (&kmsg.EndTxnMarker{}).AppendTo(nil)}
	rec.Length = int32(len(rec.AppendTo(nil)) - 1)
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		FirstOffset: s.next, PartitionLeaderEpoch: s.epoch, Magic: 2, Attributes: 0x30, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: x.producer, ProducerEpoch: x.epoch, FirstSequence: -1, NumRecords: 1, Records: rec.AppendTo(nil),
	}
	raw := b.AppendTo(nil)
	b.Length = int32(len(raw) - 12)
	raw = b.AppendTo(raw[:0])
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli))
	var idx [indexEntry]byte
	idx[0] = 1
	binary.LittleEndian.PutUint32(idx[2:], uint32(s.epoch))
	binary.LittleEndian.PutUint64(idx[6:], uint64(now))
	idx[1] = byte(crc32.Checksum(idx[2:], castagnoli))
	s.next++
	name := filepath.Join(dir, strconv.FormatInt(base, 10))
	return errors.Join(appendTo(name+".dat", raw), appendTo(name+".idx", idx[:]))
}

func appendTo(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// appendEntry appends an entry to one of kfake's logs: length, checksum, version, JSON.
func appendEntry(name string, e any) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	b := make([]byte, 10, 10+len(data))
	binary.LittleEndian.PutUint32(b, uint32(2+len(data)))
	binary.LittleEndian.PutUint16(b[8:], 1)
	b = append(b, data...)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	if err := cutPartialEntry(name); err != nil {
		return err
	}
	return appendTo(name, b)
}

// cutPartialEntry cuts off an entry that was not written to its end: nothing behind it would be read.
func cutPartialEntry(name string) error {
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	at := 0
	for at+10 <= len(raw) {
		size := 8 + int(binary.LittleEndian.Uint32(raw[at:]))
		if size < 10 || at+size > len(raw) || crc32.Checksum(raw[at+8:at+size], castagnoli) != binary.LittleEndian.Uint32(raw[at+4:]) {
			break
		}
		at += size
	}
	if at == len(raw) {
		return nil
	}
	return os.Truncate(name, int64(at))
}

// intent is a commit that was begun: what EndTxn was asked to commit.
type intent struct {
	Producer int64
	Epoch    int16
	Offsets  []intentOffset
}

type intentOffset struct {
	Group     string
	Topic     string
	Partition int32
	Offset    int64
	Epoch     int32
	Metadata  *string
}

func readIntent(name string) (*intent, error) {
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(raw) < 4 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	it := new(intent)
	if binary.BigEndian.Uint32(raw) != crc32.Checksum(raw[4:], castagnoli) || json.Unmarshal(raw[4:], it) != nil {
		return nil, nil // not written to its end: the commit had not begun
	}
	return it, nil
}

func (it *intent) writeOffsets(logs string) error {
	now := time.Now().UnixMilli()
	for _, o := range it.Offsets {
		e := map[string]any{"type": "commit", "g": o.Group, "t": o.Topic, "p": o.Partition, "o": o.Offset, "e": o.Epoch, "m": o.Metadata, "lc": now}
		if err := appendEntry(filepath.Join(logs, "groups.log"), e); err != nil {
			return err
		}
	}
	return nil
}
