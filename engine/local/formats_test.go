package local

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/query/plan"
)

// writeFormat names a file that the state of this version is written to, for the versions to come:
// PENSTOCK_WRITE_FORMAT=testdata/formats/4.txt go test ./engine/local -run TestStateOfOtherVersions.
const writeFormat = "PENSTOCK_WRITE_FORMAT"

const formatsText = `
CREATE STREAM s (at TIMESTAMP, k VARCHAR, n BIGINT) WITH (topic = 's', timestamp = 'at', delay = '7 seconds');
CREATE TABLE totals AS SELECT k, SUM(n) AS total, COUNT(DISTINCT n) AS kinds FROM s GROUP BY k;
CREATE METRIC TOP AS SELECT k, total, kinds FROM totals ORDER BY total DESC, k LIMIT 3 EMIT EVERY 5 SECONDS;
CREATE METRIC WINDOWS AS SELECT k, COUNT(*) AS c, MAX(n) AS high FROM s WINDOW TUMBLING (SIZE 5 SECONDS) GROUP BY k EMIT FINAL;
CREATE METRIC SLIDING AS SELECT k, SUM(n) AS v FROM s WINDOW SLIDING (SIZE 20 SECONDS) GROUP BY k ORDER BY v DESC, k LIMIT 2 EMIT EVERY 5 SECONDS;
`

const (
	formatFolds   = 2
	formatFlushes = 8
	formatBefore  = 5 // flushes that are in the state; what follows is read by the program that opens it
)

// formatRows are the records of a flush.
func formatRows(flush int) (recs []format.Record) {
	for i := range 12 {
		n := flush*12 + i
		line := fmt.Sprintf("2026-01-01 00:00:%02d,k%d,%d", n*13/24, n*7%5, n*n%97)
		recs = append(recs, format.Record{Offset: int64(n), Time: 1767225600000, Value: []byte(line)})
	}
	return recs
}

// formatRun is two fold partitions over stores in memory.
type formatRun struct {
	t       *testing.T
	folds   []*core.Fold
	stores  []Store
	results []string
}

func newFormatRun(t *testing.T, p *plan.Plan, stores []Store) *formatRun {
	t.Helper()
	r := &formatRun{t: t, stores: stores}
	for n := range formatFolds {
		f, err := core.NewFold(p, int32(n), formatFolds, stores[n])
		if err != nil {
			t.Fatal(err)
		}
		r.folds = append(r.folds, f)
	}
	return r
}

// flush gives the frames of a flush to the partitions, and carries their shares until all is quiet.
func (r *formatRun) flush(frames []core.Message) {
	r.t.Helper()
	for _, m := range frames {
		if err := r.folds[m.Partition].Frame(m.Value); err != nil {
			r.t.Fatal(err)
		}
	}
	for quiet := false; !quiet; {
		quiet = true
		for n, f := range r.folds {
			out, err := f.Take()
			if err != nil {
				r.t.Fatal(err)
			}
			r.stores[n].Apply(out.Writes)
			if err := f.Committed(); err != nil {
				r.t.Fatal(err)
			}
			for _, m := range out.Loop {
				quiet = false
				if err := r.folds[m.Partition].Loop(m.Value); err != nil {
					r.t.Fatal(err)
				}
			}
			for _, x := range out.Results {
				r.results = append(r.results, fmt.Sprintf("%s %s", x.Key, x.Value))
			}
		}
	}
}

// writeFormatFile runs all flushes with this version and writes the state in the middle, the frames
// behind it, and the results that come of them. Local rows are left out, as in a changelog.
func writeFormatFile(t *testing.T, p *plan.Plan, path string) {
	t.Helper()
	router := core.NewRouter(p, p.Streams[0], formatFolds, 1)
	part, err := router.Assign(0, core.Start(0))
	if err != nil {
		t.Fatal(err)
	}
	run := newFormatRun(t, p, []Store{{}, {}})
	var b strings.Builder
	for flush := range formatFlushes {
		if flush == formatBefore {
			for n, s := range run.stores {
				keys := make([]string, 0, len(s))
				for k := range s {
					if k[0] != 'w' && k[0] != 'l' {
						keys = append(keys, k)
					}
				}
				slices.Sort(keys)
				for _, k := range keys {
					fmt.Fprintf(&b, "state %d %x %x\n", n, k, s[k])
				}
			}
			run.results = nil
		}
		if err := part.Rows(formatRows(flush), 1767225600000000); err != nil {
			t.Fatal(err)
		}
		frames := router.Take().Frames
		if flush >= formatBefore {
			for _, m := range frames {
				fmt.Fprintf(&b, "frame %d %d %x\n", flush, m.Partition, m.Value)
			}
		}
		run.flush(frames)
	}
	slices.Sort(run.results)
	for _, x := range run.results {
		fmt.Fprintf(&b, "result %s\n", x)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestStateOfOtherVersions opens the states that versions before this one have written, each with open panes,
// closed ones that a window needs and running totals, and goes on from them: the results are those
// that the version itself would have published. The files in testdata/formats are named by the state's format.
func TestStateOfOtherVersions(t *testing.T) {
	p := bindFormats(t)
	if path := os.Getenv(writeFormat); path != "" {
		writeFormatFile(t, p, path)
	}
	files, err := filepath.Glob("testdata/formats/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { openFormatFile(t, p, path) })
	}
}

func bindFormats(t *testing.T) *plan.Plan {
	t.Helper()
	p, diags := plan.Bind("formats.sql", formatsText)
	if p == nil {
		t.Fatal(diags)
	}
	return p
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openFormatFile(t *testing.T, p *plan.Plan, path string) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stores := []Store{{}, {}}
	flushes := map[string][]core.Message{}
	var order, want []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		f := strings.Fields(rest)
		switch kind {
		case "state":
			stores[f[0][0]-'0'][string(unhex(t, f[1]))] = unhex(t, f[2])
		case "frame":
			if flushes[f[0]] == nil {
				order = append(order, f[0])
			}
			flushes[f[0]] = append(flushes[f[0]], core.Message{Partition: int32(f[1][0] - '0'), Value: unhex(t, f[2])})
		case "result":
			want = append(want, rest)
		}
	}
	if lines.Err() != nil || len(order) == 0 || len(want) < 6 {
		t.Fatalf("%s: %d flushes, %d results, %v", path, len(order), len(want), lines.Err())
	}
	run := newFormatRun(t, p, stores)
	for _, n := range order {
		run.flush(flushes[n])
	}
	slices.Sort(run.results)
	if got, want := strings.Join(run.results, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
