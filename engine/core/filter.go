package core

import "encoding/binary"

// keyFilter tells of most keys that a record of open panes does not hold that it does not: a Bloom
// filter over the hashes of its keys. The panes of a busy table are open in dozens of records with
// thousands of entries each, and a lookup would read through all of them for one key.
//
// It stands at the start of the record, behind a count of no entries. Records without one are
// those of few entries, of format 2, and those a pane was taken out of; they are searched.
type keyFilter []byte

const (
	filterBits   = 10 // per key: with this many probes one foreign key in a hundred is not noticed
	filterProbes = 4
)

// appendFilter appends the filter of keys with these hashes. One key needs none.
func appendFilter(dst []byte, hashes []uint64) []byte {
	if len(hashes) < 2 {
		return dst
	}
	f := make(keyFilter, (len(hashes)*filterBits+7)/8)
	for _, h := range hashes {
		for i := range uint64(filterProbes) {
			bit := f.bit(h, i)
			f[bit/8] |= 1 << (bit % 8)
		}
	}
	return appendBytes(binary.AppendUvarint(dst, 0), f)
}

// filterOf returns the filter of a record, nil when it has none.
func filterOf(record []byte) keyFilter {
	r := reader{b: record}
	if r.count() != 0 {
		return nil
	}
	f := r.bytes()
	if r.err != nil || len(f) == 0 {
		return nil
	}
	return f
}

// mayHold tells whether a key with this hash may be in the record.
func (f keyFilter) mayHold(hash uint64) bool {
	for i := range uint64(filterProbes) {
		if bit := f.bit(hash, i); f[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}

// bit is the place of a probe. The highest bits of the hash choose the partition, so within one they
// are much the same: the first probe goes by the lowest ones.
func (f keyFilter) bit(hash, probe uint64) uint64 {
	return (hash&(1<<32-1) + probe*(hash>>32|1)) % uint64(8*len(f))
}
