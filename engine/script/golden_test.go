package script

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"penstock/engine/broker/kafkatest"
	"penstock/query/plan"
	"penstock/query/syntax"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// the query file of the golden tests
const goldenQuery = `CREATE STREAM s (at TIMESTAMP, k VARCHAR, n BIGINT) WITH (topic = 's', timestamp = 'at');
CREATE STREAM kafka (k VARCHAR) WITH (topic = 'k');
CREATE TABLE t AS SELECT k, SUM(n) AS v FROM s GROUP BY k;
CREATE METRIC m AS SELECT k, COUNT(*) FROM s WINDOW TUMBLING (SIZE 5 SECONDS) GROUP BY k EMIT FINAL;
CREATE METRIC c AS SELECT COUNT(*) FROM kafka WINDOW TUMBLING (SIZE 5 SECONDS) EMIT FINAL;
`

// TestGolden pins what is said of faulty files, and how failures look. Commands:
//
//	check    what Check says of a file
//	run      what a failing file shows
//	update   the file with what was got
func TestGolden(t *testing.T) {
	datadriven.Walk(t, filepath.Join("testdata", "golden"), func(t *testing.T, path string) {
		dir := t.TempDir()
		file := filepath.Join(dir, "x"+Extension)
		if err := os.WriteFile(filepath.Join(dir, "x.sql"), []byte(goldenQuery), 0o600); err != nil {
			t.Fatal(err)
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := golden(t, file, d)
			return strings.ReplaceAll(out, dir+string(filepath.Separator), "")
		})
	})
}

func golden(t *testing.T, file string, d *datadriven.TestData) string {
	text := d.Input + "\n"
	read := (&Options{}).read
	switch d.Cmd {
	case "check":
		tests, diags := Check(file, text, read)
		if len(diags) == 0 {
			return fmt.Sprintf("ok: %d\n", tests)
		}
		return syntax.Render(file, text, diags)
	case "run", "update":
		var results []*Result
		err := RunFile(context.Background(), file, text, Options{}, func(r *Result) {
			r.Elapsed = 0
			results = append(results, r)
		})
		if err != nil {
			return err.Error()
		}
		if d.Cmd == "update" {
			return Update(text, results)
		}
		var b strings.Builder
		for _, r := range results {
			b.WriteString(r.Text(true))
		}
		return b.String()
	}
	return "unknown command\n"
}

// Whatever text a cell holds, the table that shows it is read back as the same.
func TestCellsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "NULL", "'", "E'", "a|b", " x ", "\xff", "\\", "--", "(nothing)"})), 2, 4).Draw(t, "texts")
		var cells []string
		for _, s := range texts {
			cells = append(cells, cell(s))
		}
		got := splitCells(strings.Join(cells, " | "))
		if len(got) != len(texts) {
			t.Fatalf("%q became %d cells: %q", texts, len(got), got)
		}
		for i, g := range got {
			b, err := literal(g)
			if err != nil || string(b) != texts[i] || cells[i] == "NULL" {
				t.Fatalf("%q was shown as %s and read as %q: %v", texts[i], cells[i], b, err)
			}
		}
	})
}

// Whatever lines a topic holds, the steps that are written of them insert the same.
func TestStepsInsertTheLines(t *testing.T) {
	p, _ := plan.Bind("x.sql", goldenQuery+"CREATE STREAM on_kafka_time (at TIMESTAMP) WITH (topic = 'o');\n")
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.OneOf(rapid.StringMatching(`[^\n]*`), rapid.SampledFrom([]string{"", "NULL", "'a','b'", "'a'", "E'", " x", "x\r", "a|b", "--", "\xff"})), 1, 4).Draw(t, "lines")
		for i, l := range lines {
			lines[i] = strings.ReplaceAll(l, "\n", "")
		}
		for stream, timestamps := range map[string]map[string]string{"s": nil, "on_kafka_time": {"on_kafka_time": "at"}} {
			in := map[string]io.Reader{stream: strings.NewReader(strings.Join(lines, "\n") + "\n")}
			text, err := Steps(p, in, timestamps)
			if err != nil {
				t.Fatal(err)
			}
			f, diags := Parse("x.sqltest", text)
			if len(diags) > 0 || len(f.Tests) != 1 {
				t.Fatalf("%v in\n%s", diags, text)
			}
			for i, r := range f.Tests[0].commands[0].records {
				if string(r.value) != lines[i] || r.null || r.hasTime != (timestamps != nil) {
					t.Fatalf("line %q was written as\n%s and read as %+v", lines[i], text, r)
				}
			}
		}
	})
}

// Update and then run again: everything passes, and a second update changes nothing.
func TestUpdateSettles(t *testing.T) {
	for _, path := range testFiles(t) {
		text := readText(t, path)
		stripped := withoutExpected(text)
		now := updated(t, path, stripped)
		if again := updated(t, path, now); again != now {
			t.Errorf("%s: a second update changes the file", path)
		}
		err := RunFile(context.Background(), path, now, Options{}, func(r *Result) {
			if !r.Passed() {
				t.Errorf("%s", r.Text(false))
			}
		})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func updated(t *testing.T, path, text string) string {
	t.Helper()
	var results []*Result
	if err := RunFile(context.Background(), path, text, Options{}, func(r *Result) { results = append(results, r) }); err != nil {
		t.Fatalf("%s: %v\n%s", path, err, text)
	}
	return Update(text, results)
}

// withoutExpected takes out what stands below each EXPECT.
func withoutExpected(text string) string {
	var b strings.Builder
	below := false
	for _, l := range strings.SplitAfter(text, "\n") {
		indented := strings.HasPrefix(l, " ")
		if !indented {
			below = strings.HasPrefix(l, "EXPECT")
		}
		if !below || !indented {
			b.WriteString(l)
		}
	}
	return b.String()
}

// TestFuzzFiles runs every file in circumstances drawn at random; PENSTOCK_SEED runs one again.
func TestFuzzFiles(t *testing.T) {
	seed := rand.Uint64N(1<<31) + 1
	if s := os.Getenv("PENSTOCK_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range testFiles(t) {
		c := Circumstances{Folds: 1 + int(seed%5), Spread: 1 + int(seed/5%4), Processes: 1 + int(seed%3), Tiny: seed%3 == 0, Seed: seed, CrashShare: 0.05}
		err := RunFile(context.Background(), path, readText(t, path), Options{Circumstances: c, Judge: true}, func(r *Result) {
			if !r.Passed() {
				t.Errorf("PENSTOCK_SEED=%d:\n%s", seed, r.Text(false))
			}
		})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestOnKafka runs a file of every folder through the engine, on every Kafka there is; all of
// them run with: penstock test --embedded ./...
func TestOnKafka(t *testing.T) {
	files := []string{"windows/hopping", "windows/sliding_top", "late/partitions_have_clocks_of_their_own", "bad/fail",
		"restarts/everything_at_once", "changes/filtered_out_again", "clocks/idle_partition", "formats/json_result",
		"gaps/clock_jumps_within_bounds", "tables/queries", "groups/keys_like_our_own"}
	for _, b := range kafkatest.Brokers(t) {
		t.Run(b.Name, func(t *testing.T) {
			o := Options{Kafka: &KafkaOptions{Brokers: []string{b.Addr}, Dir: t.TempDir()}, Judge: true}
			for _, name := range files {
				path := filepath.Join("..", "..", "testdata", filepath.FromSlash(name)+Extension)
				err := RunFile(context.Background(), path, readText(t, path), o, func(r *Result) {
					if !r.Passed() {
						t.Errorf("%s", r.Text(false))
					}
				})
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
}
