package local

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/syntax"
)

// startSecond is near where the rows of the simulator begin, 2015-12-13 09:46:40.
const startSecond = 1_450_000_000

// simFiles are query files beside those of the other tests and the drawn ones: values that fall, keys
// enough for a kept top to run dry, changes, and two streams.
var simFiles = []string{
	files["orders"], files["windows"], files["again"],
	`
CREATE METRIC TOP AS SELECT n * 1000 + k * 100 + CAST(d AS BIGINT) AS id, SUM(n - 10) AS v FROM s WINDOW SLIDING (SIZE 10 SECONDS)
  GROUP BY n * 1000 + k * 100 + CAST(d AS BIGINT) ORDER BY v DESC LIMIT 2 EMIT EVERY 5 SECONDS;
CREATE TABLE wide AS SELECT n * 1000 + k * 100 + CAST(d AS BIGINT) AS id, SUM(f) AS v, LAST(n) AS l FROM s GROUP BY n * 1000 + k * 100 + CAST(d AS BIGINT);
CREATE METRIC low AS SELECT id, v FROM wide WHERE l > 2 ORDER BY v LIMIT 1 EMIT EVERY 10 SECONDS;`,
	`
CREATE METRIC TOP AS SELECT CAST(d AS BIGINT) AS id, SUM(n - 10) AS v FROM s WINDOW SLIDING (SIZE 40 SECONDS)
  GROUP BY CAST(d AS BIGINT) ORDER BY v DESC LIMIT 1 EMIT EVERY 2 SECONDS;
CREATE TABLE walk AS SELECT CAST(d AS BIGINT) AS id, SUM(n - 10) AS v FROM s GROUP BY CAST(d AS BIGINT);
CREATE METRIC best AS SELECT id, v FROM walk ORDER BY v DESC LIMIT 1 EMIT EVERY 5 SECONDS;
CREATE METRIC worst AS SELECT id, v FROM walk WHERE v < 20 ORDER BY v LIMIT 2 EMIT EVERY 2 SECONDS;`,
	`
CREATE TABLE totals AS SELECT k, SUM(n) AS total, COUNT(*) AS c FROM s GROUP BY k;
CREATE METRIC all_time AS SELECT k, total FROM totals WHERE c > 1 EMIT CHANGES;
CREATE METRIC windows AS SELECT k, COUNT(*), MAX(d), window_end FROM s WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY k EMIT CHANGES;
CREATE METRIC hops AS SELECT name, MIN(n) FROM s WINDOW HOPPING (SIZE 20 SECONDS, ADVANCE BY 5 SECONDS) GROUP BY name EMIT CHANGES;
CREATE METRIC plain AS SELECT COUNT(*), MIN(name) FROM s WINDOW SLIDING (SIZE 15 SECONDS) EMIT EVERY 3 SECONDS;`,
	`
CREATE STREAM u (t TIMESTAMP, k BIGINT, n BIGINT) WITH (topic = 'u', format = 'csv', timestamp = 't');
CREATE METRIC su AS SELECT k, SUM(n), COUNT(*) FROM u WINDOW TUMBLING (SIZE 7 SECONDS) GROUP BY k EMIT FINAL;
CREATE METRIC cu AS SELECT COUNT(DISTINCT n), MAX(n), FIRST(k) FROM u WINDOW SLIDING (SIZE 12 SECONDS) EMIT EVERY 4 SECONDS;
CREATE METRIC cs AS SELECT COUNT(*) FROM s WINDOW TUMBLING (SIZE 5 SECONDS) EMIT FINAL;
CREATE TABLE names AS SELECT name, COUNT(DISTINCT k) AS ks, LAST(d) AS d FROM s GROUP BY name;
CREATE METRIC m AS SELECT * FROM names ORDER BY ks DESC, d LIMIT 3 EMIT EVERY 5 SECONDS;`,
}

// drawFile draws a query file: one of those above or a random one, its stream with a time
// column or with Kafka's timestamps, rows more or less out of order.
func drawFile(r *rand.Rand) (string, *plan.Plan) {
	var text string
	if r.IntN(2) == 0 {
		text = head + simFiles[r.IntN(len(simFiles))]
	} else {
		text, _ = generator{r}.file()
	}
	text = strings.Replace(text, "delay = '2 seconds'", fmt.Sprintf("delay = '%d seconds'", r.IntN(5)), 1)
	if r.IntN(3) == 0 {
		text = strings.Replace(text, "timestamp = 't', ", "max_ahead = '2 minutes', ", 1)
	}
	p, diags := plan.Bind("sim.sql", text)
	for _, d := range diags {
		if d.Severity == syntax.Error {
			panic(syntax.Render("sim.sql", text, diags))
		}
	}
	return text, p
}

// drawInput draws the rows of a stream in the order in which they are produced: mostly in order,
// some late, some bad, some of the future, now and then a gap, seldom a long one.
func drawInput(r *rand.Rand, st *plan.Stream, partitions int) []pendingRow {
	var list []pendingRow
	sec := int64(startSecond)
	long := r.IntN(12) == 0
	for range 60 + r.IntN(200) {
		if r.IntN(3) == 0 {
			sec += int64(r.IntN(3))
		}
		if r.IntN(100) == 0 {
			sec += int64(r.IntN(120))
		}
		if long && r.IntN(60) == 0 {
			sec += 1000 + int64(r.IntN(10000))
		}
		at := sec - int64(r.IntN(3))
		if r.IntN(15) == 0 {
			at -= int64(r.IntN(60))
		}
		ms := int64(0)
		if r.IntN(4) == 0 {
			ms = int64(r.IntN(1000))
		}
		rec := format.Record{Time: -1, Key: []byte("key"), Value: []byte(drawLine(r, st, at, ms))}
		if st.TimeColumn < 0 {
			rec.Time = at*1000 + ms
			if r.IntN(50) == 0 {
				rec.Time += int64(r.IntN(400_000)) // perhaps too far ahead
			}
		}
		list = append(list, pendingRow{r.IntN(partitions), rec})
	}
	return list
}

func drawLine(r *rand.Rand, st *plan.Stream, at, ms int64) string {
	when := stamp(at)
	if ms > 0 {
		when += fmt.Sprintf(".%03d", ms)
	}
	line := fmt.Sprintf("%s,%d,%d", when, r.IntN(6), r.IntN(20))
	if st.Name == "s" {
		line = fmt.Sprintf("%s,%d,N%d,%d,%d.%02d,%g,%c", when, r.IntN(6), r.IntN(5), r.IntN(20), r.IntN(50), r.IntN(100), r.NormFloat64(),
			"BSBSBSX"[r.IntN(7)])
	}
	if r.IntN(30) == 0 {
		line = line[:r.IntN(len(line))]
	}
	return line
}

func stack() string { return string(debug.Stack()) }
