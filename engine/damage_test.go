package engine

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/storage"
)

// rowsOf is the rows that a stopped process has on disk and in the changelog. Not the rows of windows
// and the number of their flush, which are added up again, nor the record that changes with every flush.
func rowsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := storage.Open(dir, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows := map[string]string{}
	for p := range int32(4) {
		if err := s.Partition(tableState, p).Scan(nil, nil, func(k, v []byte) bool {
			if !strings.ContainsRune("wlm", rune(k[0])) {
				rows[string(rune('0'+p))+string(k)] = string(v)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(rows) == 0 {
		t.Fatal("there are no rows")
	}
	return rows
}

// spoil overwrites the files of a pattern with something else, in place.
func spoil(t *testing.T, pattern, with string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files, %v", pattern, err)
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat(with, int(info.Size())/len(with)+1)
		if _, err := file.WriteAt([]byte(text[:info.Size()]), 0); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamagedState: damage that is found when the state is opened, or when it is read, is set aside,
// and the tables come back from their changelog without anybody's help.
func TestDamagedState(t *testing.T) {
	f := newFaultRun(t)
	want := rowsOf(t, f.dir)
	db := filepath.Join(f.dir, "db")
	damages := []struct {
		what    string
		before  func() // the engine opens its state
		between func() // that and its run
	}{
		{what: "description", before: func() { spoil(t, filepath.Join(f.dir, "state.json"), "{") }},
		{what: "manifest", before: func() { spoil(t, filepath.Join(db, "MANIFEST-*"), "x") }},
		{what: "last words", before: func() {
			text := "panic: keys out of order\n\ngoroutine 7 [running]:\ngithub.com/cockroachdb/pebble/v2.(*DB).compact(0x0)\n"
			if err := os.WriteFile(filepath.Join(f.dir, "PANIC"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{what: "tables", between: func() { spoil(t, filepath.Join(db, "*.sst"), "x") }},
	}
	for _, d := range damages {
		t.Run(d.what, func(t *testing.T) {
			aside := filepath.Join(f.dir, "db.damaged")
			if err := os.RemoveAll(aside); err != nil {
				t.Fatal(err)
			}
			if d.before != nil {
				d.before()
			}
			e := testEngine(t, f.options(f.dir, false))
			if d.between != nil {
				d.between()
			}
			f.serve(e, func() bool {
				_, err := os.Stat(aside)
				return err == nil
			})
			f.check()
			if got := rowsOf(t, f.dir); !maps.Equal(got, want) {
				t.Errorf("%d rows came back, of %d", len(got), len(want))
			}
		})
	}
}

// TestDamagedAgainAndAgain: damage that comes back is the machine's, which somebody has to look at.
func TestDamagedAgainAndAgain(t *testing.T) {
	f := newFaultRun(t)
	e := testEngine(t, f.options(f.dir, true))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range mostAsides + 1 {
		spoil(t, filepath.Join(f.dir, "db", "MANIFEST-*"), "x")
		err := e.openStore()
		if n < mostAsides && err != nil {
			t.Fatal(err)
		}
		if n == mostAsides {
			if !errors.Is(err, storage.ErrCorrupt) || !strings.Contains(err.Error(), "look at the disk and the memory of this machine") {
				t.Errorf("the fourth time: %v", err)
			}
			return
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
