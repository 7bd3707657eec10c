package local

import (
	"fmt"
	"strings"
	"testing"

	"penstock/engine/format"
)

// No record of the changelog is larger than a broker takes, however much came between two flushes:
// the entries of an open pane are split. Ten megabytes of texts in one pane are more than any flush
// holds; the restart reads them back from their pieces.
func TestRecordsOfOpenPanesAreSplit(t *testing.T) {
	c, err := New(bind(t, `CREATE STREAM s (id BIGINT, text VARCHAR) WITH (topic = 's', format = 'csv');
CREATE TABLE texts AS SELECT id, MAX(text) AS text FROM s GROUP BY id;
CREATE METRIC RECORDS AS SELECT COUNT(*) FROM texts EMIT EVERY 5 SECONDS;`), nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Wall = 1_450_000_020_000_000
	const rows = 10_000
	add := func(id int, ms int64) {
		c.Append("s", 0, format.Record{Time: ms, Value: fmt.Appendf(nil, "%d,%s", id, strings.Repeat("x", 1000))})
	}
	for i := range rows {
		add(i, 1_450_000_000_000)
	}
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	total, records := 0, 0
	for key, value := range c.fold[0].changelog {
		if len(value) > 900<<10 {
			t.Errorf("a record of %d bytes, key %q", len(value), key)
		}
		total, records = total+len(value), records+1
	}
	if total < rows*1000 || records < 10 {
		t.Fatalf("%d records of %d bytes together: nothing to split", records, total)
	}
	if err := c.Lose(0); err != nil {
		t.Fatal(err)
	}
	add(rows, 1_450_000_010_000)
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	if len(c.Results) == 0 {
		t.Fatal("no result")
	}
	if got := string(c.Results[0].Value); !strings.Contains(got, fmt.Sprintf(`{"count":%d}`, rows)) {
		t.Errorf("published %s, expected a count of %d", got, rows)
	}
}

// Results are split where a few rows are far larger than the others, too, and into no more records than it takes.
func TestResultsOfLargeRowsAreSplit(t *testing.T) {
	c, err := New(bind(t, `CREATE STREAM s (id BIGINT, text VARCHAR) WITH (topic = 's', format = 'csv');
CREATE TABLE texts AS SELECT id, MAX(text) AS text FROM s GROUP BY id;
CREATE METRIC ALLOF AS SELECT id, text FROM texts ORDER BY id EMIT EVERY 5 SECONDS;`), nil, Options{Folds: 2})
	if err != nil {
		t.Fatal(err)
	}
	c.Wall = 1_450_000_020_000_000
	const rows = 3000
	for i := range rows {
		size := 300
		if i%400 == 0 {
			size = 500_000
		}
		c.Append("s", 0, format.Record{Time: 1_450_000_000_000, Value: fmt.Appendf(nil, "%d,%s", i, strings.Repeat("x", size))})
	}
	if err := c.End(); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, r := range c.Results {
		if len(r.Value) > 900<<10 {
			t.Errorf("a result of %d bytes", len(r.Value))
		}
		got[string(r.Key)] += strings.Count(string(r.Value), `"id":`)
	}
	if got["ALLOF"] != rows {
		t.Errorf("rows of results: %v, expected %d", got, rows)
	}
	if len(c.Results) > 20 {
		t.Errorf("%d records of results: far more than needed", len(c.Results))
	}
}
