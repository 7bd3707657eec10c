package storage

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var damageSeeds = flag.Int("damage.seeds", 60, "how many seeds the damage test runs")

// TestDamage changes the files of a closed store at random: bits flipped, files
// cut, emptied, zeroed, removed, swapped. Either it is found out, or what is read
// is right; and setting the state aside always helps.
func TestDamage(t *testing.T) {
	found := 0
	for range *damageSeeds {
		seed := rand.Uint64()
		if damageOnce(t, seed) {
			found++
		}
		if t.Failed() {
			t.Logf("seed %d", seed)
			return
		}
	}
	t.Logf("%d of %d were found out, the others harmless", found, *damageSeeds)
}

func damageOnce(t *testing.T, seed uint64) (found bool) {
	rng := rand.New(rand.NewPCG(seed, 1))
	fs, m := vfs.NewMem(), newModel()
	for range 1 + rng.IntN(3) {
		if err := work("state", small(fs), m); err != nil {
			t.Fatal(err)
		}
	}
	// Any offset may be left: a file that is lost takes what was in it along,
	// the changelog has it. But rows and offset have to match.
	m.floor, m.orEmpty = 0, true
	names, err := fs.List("state/db")
	if err != nil {
		t.Fatal(err)
	}
	what := damage(t, rng, fs, names)
	inTime(t, what, func() {
		s, err := Open("state", small(fs))
		if err == nil {
			err = m.check(s.Partition("table", 0))
			err = errors.Join(err, s.Close())
		}
		var ours *Error
		switch {
		case err == nil:
		case !errors.As(err, &ours):
			t.Errorf("%s: not found out: %v", what, err)
		case ours.Kind != ErrCorrupt && ours.Kind != ErrDisk:
			t.Errorf("%s: blamed on the wrong thing: %v", what, err)
		default:
			found = true
		}
	})
	if _, err := SetAside("state", small(fs)); err != nil {
		t.Errorf("%s: set aside: %v", what, err)
		return found
	}
	s, err := Open("state", small(fs))
	if err != nil {
		t.Errorf("%s: open after setting aside: %v", what, err)
		return found
	}
	defer s.Close()
	mustApply(t, s.Partition("table", 0), 1, func(b *Batch) { b.Set([]byte("k"), []byte("v")) })
	return found
}

func damage(t *testing.T, rng *rand.Rand, fs *vfs.MemFS, names []string) string {
	t.Helper()
	path := func() string { return "state/db/" + names[rng.IntN(len(names))] }
	a := path()
	data := readFile(t, fs, a)
	what := ""
	switch rng.IntN(6) {
	case 0, 1:
		what = "bits flipped in"
		for range 1 + rng.IntN(4) {
			if len(data) > 0 {
				data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
			}
		}
	case 2:
		what, data = "cut", data[:rng.IntN(len(data)+1)]
	case 3:
		what = "zeroed in"
		if len(data) > 0 {
			from := rng.IntN(len(data))
			clear(data[from:min(len(data), from+512)])
		}
	case 4:
		if err := fs.Remove(a); err != nil {
			t.Fatal(err)
		}
		return "removed " + a
	case 5:
		b := path()
		other := readFile(t, fs, b)
		writeFile(t, fs, b, data)
		what, data = "swapped with "+b, other
	}
	writeFile(t, fs, a, data)
	return fmt.Sprintf("%s %s", what, a)
}

func readFile(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, fs vfs.FS, path string, data []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(data) > 0 {
		if _, err := f.Write(append([]byte{}, data...)); err != nil { // Write may change what it gets
			t.Fatal(err)
		}
	}
}
