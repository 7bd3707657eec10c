package local

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/engine/format"
)

// A gap of ten years between two rows closes 63 million intervals a metric in one step: they are
// published as runs of equal results, at once.
func TestGapOfTenYears(t *testing.T) {
	c, err := New(bind(t, head+files["orders"]), map[string]int{"s": 2}, Options{Folds: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"2006-01-01 00:00:01", "2016-01-01 00:00:01"} {
		for p := range 2 {
			c.Append("s", p, format.Record{Time: -1, Value: []byte(at + ",1,N,2,3.00,0.5,B")})
		}
	}
	began := time.Now()
	if err := c.End(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
	var b strings.Builder
	for _, o := range c.Results {
		fmt.Fprintf(&b, "%s\n", o.Value)
	}
	if n := len(c.Results); n > 40 {
		t.Errorf("%d records", n)
	}
	for _, want := range []string{
		`{"metric":"BUYS","from":"2006-01-01T00:00:05Z","to":"2015-12-31T23:59:55Z","intervals":63106558,"rows":[{"count":0}]`,
		`{"metric":"TOPK","from":"2006-01-01T00:00:00Z","to":"2015-12-31T23:59:55Z","intervals":63106559`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("missing %s in\n%s", want, b.String())
		}
	}
}

// EMIT CHANGES: the last record of every key is its value as of everything read.
func TestChanges(t *testing.T) {
	text := `
CREATE TABLE totals AS SELECT k, SUM(n) AS total, COUNT(*) AS c FROM s GROUP BY k;
CREATE METRIC all_time AS SELECT k, total FROM totals WHERE c > 1 EMIT CHANGES;
CREATE METRIC windows AS SELECT k, COUNT(*), window_end FROM s WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY k EMIT CHANGES;`
	c, err := New(bind(t, head+text), nil, Options{Folds: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range []string{"00:00:01", "00:00:02", "00:00:12", "00:00:03", "00:00:31", "00:00:32"} {
		c.Append("s", 0, format.Record{Time: -1, Value: fmt.Appendf(nil, "2016-01-01 %s,%d,N,%d,3.00,0.5,B", at, i%2, i)})
		if err := c.Settle(); err != nil {
			t.Fatal(err)
		}
	}
	last := map[string]string{}
	for _, o := range c.Results {
		last[string(o.Key)] = string(o.Value)
	}
	for key, want := range map[string]string{
		`all_time/[0]`:                       `"rows":[{"k":0,"total":"6"}]`,
		`all_time/[1]`:                       `"rows":[{"k":1,"total":"9"}]`,
		`windows/[0,"2016-01-01T00:00:00Z"]`: `"rows":[{"k":0,"count":1,"window_end":"2016-01-01T00:00:10Z"}]`,
		`windows/[1,"2016-01-01T00:00:00Z"]`: `"rows":[{"k":1,"count":1,`,
		`windows/[0,"2016-01-01T00:00:30Z"]`: `"rows":[{"k":0,"count":1,`,
	} {
		if !strings.Contains(last[key], want) {
			t.Errorf("%s: got %s, want %s", key, last[key], want)
		}
	}
}
