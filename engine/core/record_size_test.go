package core

import (
	"bytes"
	"testing"

	"penstock/query/plan"
)

// A record holds no second entry, and no second share, that would make it larger than a broker takes:
// one of half a megabyte fits, and so does the next, but not both.
func TestLargeEntriesStandAlone(t *testing.T) {
	const large = 500 << 10
	text := bytes.Repeat([]byte("x"), large)
	w := frameWriter{stream: "s", partitions: 1, limit: maxFrameBytes}
	w.begin()
	w.beginTable("first")
	w.entry(panePair{}, text, nil)
	w.endTable()
	w.beginTable("second")
	for range 3 {
		w.entry(panePair{}, text, nil)
	}
	w.endTable()
	w.cutFrame(nil)
	if len(w.done) != 4 {
		t.Errorf("four entries of %d bytes are in %d frames", large, len(w.done))
	}

	f := &Fold{limits: defaultLimits, loop: map[int32][][]byte{}}
	var entries []byte
	for range 4 {
		entries = appendEntry(entries, panePair{}, text, nil)
	}
	if size, count := f.openPiece(entries, 4); count != 1 || size != len(entries)/4 {
		t.Errorf("%d entries, %d bytes, are in the first record of open panes, expected one", count, size)
	}

	f.number = 1
	m := &foldMetric{plan: &plan.Metric{Name: "m"}}
	for range 3 {
		if err := f.sendShare(m, shareRun{rows: text}); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.loop[0]) != 3 {
		t.Errorf("three shares of %d bytes are in %d records", large, len(f.loop[0]))
	}
}
