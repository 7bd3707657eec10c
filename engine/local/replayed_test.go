package local

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/reference"
)

// replayed is what these tests run: a table without a window and a window.
const replayed = head + `
CREATE TABLE totals AS SELECT k, SUM(n) AS total FROM s GROUP BY k;
CREATE METRIC TOPK AS SELECT k, total FROM totals ORDER BY total DESC EMIT EVERY 5 SECONDS;
CREATE METRIC COUNTED AS SELECT COUNT(*) FROM s WINDOW TUMBLING (SIZE 10 SECONDS) EMIT FINAL;`

func line7(sec int64, k, n string) format.Record {
	return format.Record{Time: -1, Value: []byte(stamp(sec) + "," + k + ",A," + n + ",1.00,1,B")}
}

// A replayed row counts in a table without a window from the next result on, and in a window that
// is still open. It is late for one that has ended, and no published result changes.
func TestReplayedRowReachesWhatIsOpen(t *testing.T) {
	const at = 1_450_000_000 // the start of a window
	p := bind(t, replayed)
	c := load(t, p, [][]format.Record{{line7(at, "1", "10"), line7(at+13, "1", "1")}}, Options{})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	before := published(c)
	if !strings.Contains(before, `"metric":"COUNTED"`) {
		t.Fatalf("the first window is not published:\n%s", before)
	}
	c.AppendReplayed("s", line7(at+1, "2", "500"))  // its window has ended
	c.AppendReplayed("s", line7(at+11, "3", "700")) // its window is open
	c.AppendReplayed("s", format.Record{Time: -1, Value: []byte("not a row")})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	if got := published(c); got != before {
		t.Errorf("results changed or came without time having gone on:\n%s", firstDifference(got, before))
	}
	c.Append("s", 0, line7(at+23, "1", "1"))
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	got := published(c)
	for _, line := range strings.Split(before, "\n") {
		if !strings.Contains(got, line) {
			t.Errorf("no more there: %s", line)
		}
	}
	for _, want := range []string{
		`"rows":[{"k":3,"total":"700"},{"k":2,"total":"500"},{"k":1,"total":"11"}]`, // of all time, as of 15 s
		`"end":"2015-12-13T09:47:00Z","rows":[{"count":2}]`,                         // the row at 13 s and one of two
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not published: %s\nin\n%s", want, got)
		}
	}
	tally := c.Fold(0).Tally("s")[core.Replayed]
	if tally.Read != 3 || tally.Decoded != 2 || tally.Bad != 1 || tally.Tables[0].Applied != 2 || tally.Tables[1].Late != 1 {
		t.Errorf("account of the replayed rows: %+v", tally)
	}
}

// When nothing else of a stream could be read, its time begins with what is replayed.
func TestReplayedRowsAreTheFirst(t *testing.T) {
	const at = 1_450_000_000
	bad := format.Record{Time: -1, Value: []byte("not a row")}
	c := load(t, bind(t, replayed), [][]format.Record{{bad}, {bad}}, Options{Folds: 2})
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	for n := range int64(3) {
		c.AppendReplayed("s", line7(at+n, "1", "10"))
	}
	if err := c.End(); err != nil {
		t.Fatal(err)
	}
	if got, want := published(c), `"rows":[{"k":1,"total":"30"}]`; !strings.Contains(got, want) {
		t.Errorf("not published: %s\nin\n%s", want, got)
	}
}

// Whatever is replayed at whatever moment, with crashes between: the results are what the evaluator
// makes of the rows and the decisions, and those published before stay.
func TestReplayedEqualsReference(t *testing.T) {
	for name, text := range files {
		p := bind(t, head+text)
		for _, seed := range seeds(t, 10) {
			r := rand.New(rand.NewPCG(seed, 4))
			log := input(r, 200, 1+r.IntN(3))
			again := input(r, 40, 1)[0]
			c := load(t, p, log, Options{Folds: 1 + r.IntN(3), Processes: 1 + r.IntN(2)})
			for _, rec := range again {
				if err := c.Shuffle(r, r.IntN(20), 0.05); err != nil {
					t.Fatalf("%s: PENSTOCK_SEED=%d: %v", name, seed, err)
				}
				c.AppendReplayed("s", rec)
			}
			if err := c.End(); err != nil {
				t.Fatalf("%s: PENSTOCK_SEED=%d: %v", name, seed, err)
			}
			e, err := reference.New(p, reference.Options{})
			if err == nil {
				err = e.Follow("s", core.Replayed)
			}
			if err != nil {
				t.Fatal(err)
			}
			for n, recs := range append(log, again) {
				number := int32(n)
				if n == len(log) {
					number = core.Replayed
				}
				for i := range recs {
					recs[i].Offset = int64(i)
				}
				decided := slices.DeleteFunc(slices.Clone(c.Decisions), func(d core.Decision) bool { return d.Partition != number })
				if err := evaluatePartition(e, "s", number, recs, decided); err != nil {
					t.Fatalf("%s: PENSTOCK_SEED=%d: %v", name, seed, err)
				}
			}
			if got, want := published(c), computed(e); got != want {
				t.Fatalf("%s: PENSTOCK_SEED=%d: results differ from the reference\n%s", name, seed, firstDifference(got, want))
			}
			got, want := c.Fold(0).Tally("s")[core.Replayed], e.Tally("s", core.Replayed)
			if got.Read != want.Read || got.Bad != want.Bad || !slices.Equal(got.Tables, tallies(p, want)) {
				t.Fatalf("%s: PENSTOCK_SEED=%d: tally %+v, reference %+v", name, seed, got, want)
			}
		}
	}
}
