package script

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/cockroachdb/datadriven" // declares -rewrite
)

// circumstances are what no test of testdata may depend on.
var circumstances = []struct {
	name string
	Circumstances
}{
	{"one partition", Circumstances{}},
	{"many partitions", Circumstances{Folds: 4}},
	{"rows dealt over partitions", Circumstances{Folds: 2, Spread: 3}},
	{"two processes that change at every step", Circumstances{Folds: 3, Processes: 2, After: "rebalance"}},
	{"a restart at every step", Circumstances{Folds: 2, After: "restart"}},
	{"the store lost at every step", Circumstances{Folds: 3, After: "lose"}},
	{"route crashes at every step", Circumstances{Folds: 2, After: "crash route"}},
	{"fold crashes at every step before its commit", Circumstances{Folds: 2, After: "crash fold"}},
	{"fold crashes at every step after its commit", Circumstances{Folds: 3, After: "crash after"}},
	{"tiny caches and flushes", Circumstances{Folds: 2, Tiny: true}},
	{"tiny, with a restart at every step", Circumstances{Folds: 3, Tiny: true, After: "restart"}},
	{"random flushes", Circumstances{Folds: 3, Spread: 2, Processes: 2, Seed: 1, CrashShare: 0.05}},
	{"random flushes, tiny caches", Circumstances{Folds: 2, Tiny: true, Seed: 2, CrashShare: 0.05}},
}

func testFiles(t testing.TB) []string {
	t.Helper()
	files, err := Find([]string{"../../testdata/...", "../../examples/..."})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readText(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFiles runs every test file of testdata and of the examples in all circumstances, and lets the
// reference evaluator judge every expectation. With -rewrite it writes what was got.
func TestFiles(t *testing.T) {
	for _, path := range testFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), Extension), func(t *testing.T) {
			text := readText(t, path)
			for i, c := range circumstances {
				o := Options{Circumstances: c.Circumstances, Judge: true}
				var results []*Result
				err := RunFile(context.Background(), path, text, o, func(r *Result) { results = append(results, r) })
				if err != nil {
					t.Fatalf("%v", err)
				}
				for _, r := range results {
					if !r.Passed() {
						t.Errorf("%s:\n%s", c.name, r.Text(false))
					}
				}
				if i == 0 && rewriting() {
					if now := Update(text, results); now != text {
						if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
							t.Fatal(err)
						}
						t.Logf("wrote %s", path)
					}
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

func rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

// TestThereAreEnough keeps the promise of at least 150 files, and that one test takes little time.
func TestThereAreEnough(t *testing.T) {
	files, err := Find([]string{"../../testdata/..."})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 150 {
		t.Errorf("%d test files below testdata, expected 150", len(files))
	}
	tests := 0
	began := time.Now()
	for _, path := range files {
		err := RunFile(context.Background(), path, readText(t, path), Options{}, func(*Result) { tests++ })
		if err != nil {
			t.Fatal(err)
		}
	}
	// 100 ms are promised, and ten times that allowed to a machine that does other things too.
	each := time.Since(began) / time.Duration(max(1, tests))
	if each > time.Second {
		t.Errorf("a test takes %s, promised are 100 ms", each)
	}
	t.Logf("%d tests in %d files, %s each", tests, len(files), each)
}
