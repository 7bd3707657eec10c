package core

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"penstock/engine/format"
)

// TestKeyFilter: a filter knows every key it was made of, and few others, also of one partition,
// whose keys have the highest bits of their hashes in common.
func TestKeyFilter(t *testing.T) {
	const partitions = 1024
	var in, out []uint64
	for i := 0; len(out) < 3000; i++ {
		h := hashKey(fmt.Appendf(nil, "key %d", i))
		switch {
		case partitionOf(h, partitions) != 7:
		case len(in) < 3000:
			in = append(in, h)
		default:
			out = append(out, h)
		}
	}
	record := append(appendFilter(nil, in), 1, 2, 3)
	f := filterOf(record)
	if f == nil {
		t.Fatal("no filter")
	}
	for _, h := range in {
		if !f.mayHold(h) {
			t.Fatalf("a key is not known: %x", h)
		}
	}
	wrong := 0
	for _, h := range out {
		if f.mayHold(h) {
			wrong++
		}
	}
	if wrong > len(out)*3/100 {
		t.Errorf("%d of %d foreign keys pass", wrong, len(out))
	}
}

// openStore is a partition with many keys in open panes, over several flushes.
func openStore(t *testing.T) memory {
	t.Helper()
	p := fuzzPlan(t)
	r := NewRouter(p, p.Streams[0], 1, 1)
	part, err := r.Assign(0, Start(0))
	if err != nil {
		t.Fatal(err)
	}
	store := memory{}
	fold, err := NewFold(p, 0, 1, store)
	if err != nil {
		t.Fatal(err)
	}
	for flush := range 4 {
		var recs []format.Record
		for i := range 300 {
			line := fmt.Sprintf("2016-01-01 00:00:01,%d,1.50,2", flush*200+i)
			recs = append(recs, format.Record{Offset: int64(flush*300 + i), Time: -1, Value: []byte(line)})
		}
		if err := part.Rows(recs, 0); err != nil {
			t.Fatal(err)
		}
		for _, m := range r.Take().Frames {
			if err := fold.Frame(m.Value); err != nil {
				t.Fatal(err)
			}
		}
		out, err := fold.Take()
		if err != nil {
			t.Fatal(err)
		}
		store.apply(out.Writes)
		if err := fold.Committed(); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// TestLookupOfOpenPanes: keys are found in the records of open panes by their filters, and without
// them, as format 2 has the records.
func TestLookupOfOpenPanes(t *testing.T) {
	for _, old := range []bool{false, true} {
		store := openStore(t)
		filters := 0
		for k, v := range store {
			switch f := filterOf(v); {
			case k[0] == kindMeta && old:
				store[k] = append([]byte{2}, v[1:]...)
			case k[0] == kindOpen && f != nil:
				filters++
				if old {
					store[k] = bytes.Clone(v[len(appendBytes([]byte{0}, f)):])
				}
			}
		}
		if filters == 0 {
			t.Fatal("no record has a filter")
		}
		r, err := NewReader(fuzzPlan(t), 0, 1, store)
		if err != nil {
			t.Fatal(err)
		}
		table := r.fold.plan.Table("totals")
		var keys []string
		read := func(s Scan) (values []string) {
			err := r.Batches(table, s, func(b *RowBatch) bool {
				for i := range b.N {
					keys = append(keys, string(b.Key(i)))
					values = append(values, fmt.Sprint(b.Values(i)))
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			return values
		}
		all := read(Scan{})
		if len(all) != 900 {
			t.Fatalf("%d keys", len(all))
		}
		for i, k := range slices.Clone(keys) {
			if got := read(Scan{Prefix: []byte(k), Whole: true}); !slices.Equal(got, all[i:i+1]) {
				t.Fatalf("old %t: key %x: %s, expected %s", old, k, got, all[i])
			}
		}
	}
}
