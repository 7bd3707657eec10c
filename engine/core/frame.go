package core

import (
	"encoding/binary"
	"fmt"
)

// A frame is what route sends to one fold partition at a flush: how far each source partition
// of this process came (offsets, clock, cuts), and the partials of this fold partition's keys.
// It is split when it grows over maxFrameBytes; only the last part carries the advances.
//
//	version, stream name, number of source partitions the decisions name,
//	advances:  partition, from, to, clock, first clock, tally, cuts
//	tables:    name, entries (panes, key, partials)

const (
	frameVersion  = 1
	maxFrameBytes = 512 << 10 // unless SetFrameBytes says otherwise
)

// cut says that at an offset a source partition's clock passed every time up to upTo (and after
// the cut before it): cut_p(t) is the offset of the first cut with upTo >= t.
type cut struct{ upTo, offset int64 }

// advance is how far a source partition came in one flush.
type advance struct {
	partition int32
	from, to  int64
	started   bool
	clock     int64
	first     int64 // its first clock
	tally     Tally
	cuts      []cut
}

func (a *advance) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(uint32(a.partition)))
	dst = binary.AppendVarint(dst, a.from)
	dst = binary.AppendVarint(dst, a.to)
	dst = appendBool(dst, a.started)
	dst = binary.AppendVarint(dst, a.clock)
	dst = binary.AppendVarint(dst, a.first)
	dst = appendTally(dst, &a.tally)
	return appendCuts(dst, a.cuts)
}

func (r *reader) advance() (a advance) {
	a.partition = int32(uint32(r.uvarint()))
	a.from, a.to = r.varint(), r.varint()
	a.started = r.bool()
	a.clock, a.first = r.varint(), r.varint()
	a.tally = r.tally()
	a.cuts = r.cuts()
	return a
}

func appendTally(dst []byte, t *Tally) []byte {
	for _, n := range []int64{t.Read, t.Decoded, t.Bad, int64(len(t.Tables))} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	for i, x := range t.Tables {
		dst = binary.BigEndian.AppendUint32(dst, t.name(i))
		for _, n := range []int64{x.Applied, x.Filtered, x.Late, x.Failed} {
			dst = binary.AppendUvarint(dst, uint64(n))
		}
	}
	return dst
}

func (r *reader) tally() (t Tally) {
	next := func() int64 { return int64(r.uvarint()) }
	t.Read, t.Decoded, t.Bad = next(), next(), next()
	t.Tables = make([]TableTally, r.count())
	t.names = make([]uint32, len(t.Tables))
	for i := range t.Tables {
		t.names[i] = r.fixed32()
		t.Tables[i] = TableTally{next(), next(), next(), next()}
	}
	return t
}

func appendCuts(dst []byte, cuts []cut) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(cuts)))
	var last cut
	for _, c := range cuts {
		dst = binary.AppendVarint(dst, c.upTo-last.upTo)
		dst = binary.AppendVarint(dst, c.offset-last.offset)
		last = c
	}
	return dst
}

func (r *reader) cuts() []cut {
	n := r.count()
	if n == 0 {
		return nil
	}
	cuts := make([]cut, n)
	var last cut
	for i := range cuts {
		last.upTo += r.varint()
		last.offset += r.varint()
		cuts[i] = last
	}
	return cuts
}

// frameWriter builds the frames of one flush for one fold partition.
type frameWriter struct {
	stream     string
	partitions int32 // source partitions that the decisions name
	done       [][]byte
	buf        []byte
	limit      int    // a frame that is larger is cut
	table      string // whose entries are being written
	countAt    int    // where the table's number of entries stands
	entries    uint32
	any        bool // the frame has an entry
}

func (w *frameWriter) begin() {
	w.any = false
	w.buf = append(w.buf, frameVersion)
	w.buf = appendString(w.buf, w.stream)
	w.buf = binary.AppendUvarint(w.buf, uint64(w.partitions))
}

// beginTable starts a section of entries. The number of entries is filled in at its end, in four bytes.
func (w *frameWriter) beginTable(name string) {
	w.table = name
	w.buf = appendBool(w.buf, true)
	w.buf = appendString(w.buf, name)
	w.countAt, w.entries = len(w.buf), 0
	w.buf = append(w.buf, 0, 0, 0, 0)
}

func (w *frameWriter) endTable() {
	binary.BigEndian.PutUint32(w.buf[w.countAt:], w.entries)
}

func (w *frameWriter) entry(p panePair, key, partials []byte) {
	if len(w.buf) > w.limit || w.any && len(w.buf)+len(key)+len(partials) > defaultMaxRecord {
		w.endTable()
		w.cutFrame(nil)
		w.begin()
		w.beginTable(w.table)
	}
	w.buf = appendEntry(w.buf, p, key, partials)
	w.entries++
	w.any = true
}

// cutFrame ends the frame with the given advances, which only the last part has.
func (w *frameWriter) cutFrame(advances []advance) {
	w.buf = appendBool(w.buf, false)
	w.buf = binary.AppendUvarint(w.buf, uint64(len(advances)))
	for i := range advances {
		w.buf = advances[i].append(w.buf)
	}
	w.done = append(w.done, append([]byte(nil), w.buf...))
	w.buf = w.buf[:0]
}

// frameHeader reads the beginning of a frame; the tables and the advances follow.
func (r *reader) frameHeader() (stream string, partitions int32, err error) {
	if v := r.byte(); v != frameVersion && r.err == nil {
		return "", 0, fmt.Errorf("frame of version %d, this program reads %d", v, frameVersion)
	}
	stream = string(r.bytes())
	partitions = int32(r.uvarint())
	return stream, partitions, r.err
}

// entryCount reads the fixed-width number of entries of a table's section.
func (r *reader) entryCount() int { return int(r.fixed32()) }

func (r *reader) fixed32() uint32 {
	if len(r.b) < 4 {
		r.fail()
		return 0
	}
	n := binary.BigEndian.Uint32(r.b)
	r.b = r.b[4:]
	return n
}
