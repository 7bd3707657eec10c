package local

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const before = head + `
CREATE TABLE totals AS SELECT k, SUM(n) AS total FROM s WHERE n > 1 GROUP BY k HAVING COUNT(*) > 0;
CREATE METRIC a AS SELECT COUNT(*) FROM s WINDOW TUMBLING (SIZE 5 SECONDS) EMIT FINAL;
CREATE METRIC b AS SELECT k, total FROM totals ORDER BY total DESC LIMIT 3 EMIT EVERY 10 SECONDS;
CREATE METRIC c AS SELECT name, COUNT(*) FROM s GROUP BY name EMIT CHANGES;
`

// TestChangedFile goes on from the state of one query file with another: what would mix two
// definitions is refused, everything else goes on.
func TestChangedFile(t *testing.T) {
	cases := map[string]struct{ old, new, want string }{
		"comments, layout, case":        {"CREATE METRIC a AS SELECT", "-- one\ncreate metric a as\n\tselect", ""},
		"delay":                         {"delay = '2 seconds'", "delay = '3 seconds'", ""},
		"a wider column":                {"n BIGINT", "n BIGINT NOT NULL", ""},
		"WHERE of a table":              {"n > 1", "n > 2", "table totals is defined otherwise"},
		"aggregate of a table":          {"SUM(n) AS total", "MAX(n) AS total", "table totals is defined otherwise"},
		"HAVING of a metric's table":    {"COUNT(*) > 0", "COUNT(*) > 5", "metric b is defined otherwise"},
		"LIMIT":                         {"LIMIT 3", "LIMIT 4", "metric b is defined otherwise"},
		"interval, other panes":         {"EVERY 10 SECONDS", "EVERY 3 SECONDS", "kept in panes of"},
		"interval, same panes":          {"EVERY 10 SECONDS", "EVERY 20 SECONDS", "metric b is defined otherwise"},
		"window of a metric's own":      {"SIZE 5 SECONDS", "SIZE 6 SECONDS", "metric a is defined otherwise"},
		"EMIT CHANGES, other columns":   {"SELECT name, COUNT(*) FROM s", "SELECT name, SUM(n) FROM s", "metric c is defined otherwise"},
		"a metric more on a table":      {"CREATE METRIC c", "CREATE METRIC d AS SELECT COUNT(*) FROM totals EMIT EVERY 10 SECONDS; CREATE METRIC c", "metric d is new"},
		"EMIT CHANGES more on a table":  {"CREATE METRIC c", "CREATE METRIC d AS SELECT k, total FROM totals EMIT CHANGES; CREATE METRIC c", "metric d is new"},
		"a metric more on a stream":     {"CREATE METRIC c", "CREATE METRIC d AS SELECT SUM(n) FROM s EMIT EVERY 5 SECONDS; CREATE METRIC c", "metric d is new"},
		"a metric less":                 {"CREATE METRIC a AS SELECT COUNT(*) FROM s WINDOW TUMBLING (SIZE 5 SECONDS) EMIT FINAL;", "", ""},
		"a metric less, its table kept": {"CREATE METRIC b AS SELECT k, total FROM totals ORDER BY total DESC LIMIT 3 EMIT EVERY 10 SECONDS;", "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(before, c.old) {
				t.Fatalf("the file has no %q", c.old)
			}
			err := goOn(t, before, strings.Replace(before, c.old, c.new, 1))
			switch {
			case err == nil && c.want != "":
				t.Errorf("it went on, expected %q", c.want)
			case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--app")):
				t.Errorf("got %v, expected %q and what to do", err, c.want)
			}
		})
	}
}

// goOn runs one query file over half of a log and another over the rest, and requires that
// the metrics and tallies which both have are as if the second had run alone.
func goOn(t *testing.T, first, second string) error {
	t.Helper()
	log := input(rand.New(rand.NewPCG(7, 7)), 400, 2)
	c := load(t, bind(t, first), log, Options{Folds: 2})
	for n := range log {
		if _, err := c.Read("s", n, len(log[n])/2); err != nil {
			t.Fatal(err)
		}
	}
	c.FlushRoute("s")
	for f := range c.Folds() {
		if err := c.Feed(f, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := c.FlushFold(f, 0, true); err != nil {
			t.Fatal(err)
		}
	}
	c.plan = bind(t, second)
	if err := c.Restart(); err != nil {
		return err
	}
	alone := load(t, c.plan, log, Options{Folds: 2})
	for _, x := range []*Cluster{c, alone} {
		if err := x.Settle(); err != nil {
			t.Fatal(err)
		}
		if err := x.End(); err != nil {
			t.Fatal(err)
		}
	}
	for n := range log {
		tables := c.plan.Tables
		got, want := c.Position("s", n).Tally.Tables, alone.Position("s", n).Tally.Tables
		if !slices.Equal(got, want) && c.plan.Streams[0].Options.Delay == bind(t, first).Streams[0].Options.Delay {
			t.Errorf("partition %d: tables %v count %v, expected %v", n, tables, got, want)
		}
	}
	return nil
}
