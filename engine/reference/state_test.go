package reference

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"penstock/engine/format"
	"penstock/query/plan"
)

// TestStateGoesOn writes the state of an evaluation at random moments, as JSON, and goes on from it
// with another evaluator: what all of them return has to be what one returns that saw everything.
func TestStateGoesOn(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { checkState(t, rand.New(rand.NewPCG(seed, 11))) })
	}
}

func checkState(t *testing.T, rng *rand.Rand) {
	sql := fmt.Sprintf("CREATE STREAM s (t TIMESTAMP, k VARCHAR, v BIGINT, x DOUBLE PRECISION) WITH (topic = 's', timestamp = 't', timestamp_format = 'epoch', delay = '%d seconds');\n", rng.IntN(2)*rng.IntN(10))
	for i := range 3 {
		sql += randomMetric(rng, i)
	}
	window := []string{"", "WINDOW TUMBLING (SIZE 5 SECONDS)", "WINDOW HOPPING (SIZE 10 SECONDS, ADVANCE BY 5 SECONDS)"}[rng.IntN(3)]
	sql += "CREATE METRIC changes AS SELECT k, COUNT(*) AS n, SUM(x) AS total, FIRST(v) AS oldest, MAX(x) AS most FROM s " + window + " GROUP BY k EMIT CHANGES;\n"
	sql += "CREATE TABLE kept AS SELECT k, COUNT(*) AS n, AVG(v) AS mean, COUNT(DISTINCT v) AS several FROM s " + window + " GROUP BY k;\n"
	p, diags := plan.Bind("random.sql", sql)
	if p == nil {
		t.Fatalf("%s\n%v", sql, diags)
	}
	three := Options{Partitions: map[string]int{"s": 3}}
	whole, err := New(p, three)
	if err != nil {
		t.Fatal(err)
	}
	part, err := New(p, three)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range rng.IntN(150) {
		move, partition, rec := rng.IntN(12) == 0, int32(rng.IntN(3)), randomRecord(rng, i)
		for _, e := range []*Evaluator{whole, part} {
			if move {
				err = e.MoveClock("s", partition, rec.Offset, int64(1000+i/2)*1_000_000)
			} else {
				err = e.Add("s", partition, []format.Record{rec})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(12) == 0 {
			got = append(got, finals(part)...)
			part = throughState(t, p, part)
		}
	}
	changes := func(e *Evaluator) (list []string) {
		for _, o := range e.Results() {
			if o.Metric == "changes" {
				list = append(list, string(o.Key)+" "+string(o.Value))
			}
		}
		slices.Sort(list)
		return list
	}
	got = append(got, finals(part)...)
	for what, pair := range map[string][2][]string{
		"results": {got, finals(whole)}, "changes": {changes(part), changes(whole)}, "table": {tableLines(t, part), tableLines(t, whole)},
		"tally": {{fmt.Sprint(part.Tally("s", 1))}, {fmt.Sprint(whole.Tally("s", 1))}},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Fatalf("%s\n%s through states:\n%q\nas a whole:\n%q", sql, what, pair[0], pair[1])
		}
	}
	for _, m := range p.Metrics {
		if n := part.State().Published[m.Name]; n != whole.State().Published[m.Name] {
			t.Errorf("%s: %d results counted, expected %d", m.Name, n, whole.State().Published[m.Name])
		}
	}
}

func randomRecord(rng *rand.Rand, i int) format.Record {
	line := fmt.Sprintf("%d,%c,%d,%d.5", 1000+i/2-rng.IntN(9), 'a'+rune(rng.IntN(4)), rng.IntN(6), rng.IntN(20)-10)
	if rng.IntN(20) == 0 {
		line = "no row"
	}
	return format.Record{Offset: int64(i), Time: -1, Value: []byte(line)}
}

// finals are the results but for EMIT CHANGES, by metric in their order.
func finals(e *Evaluator) (list []string) {
	for _, o := range e.Results() {
		if o.Metric != "changes" {
			list = append(list, fmt.Sprintf("%s %s", o.Metric, o.Value))
		}
	}
	return list
}

func tableLines(t *testing.T, e *Evaluator) []string {
	t.Helper()
	columns, rows, err := e.OpenTable("kept")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, vals := range rows {
		list = append(list, string(format.AppendRow(nil, columns, vals)))
	}
	return list
}

func throughState(t *testing.T, p *plan.Plan, e *Evaluator) *Evaluator {
	t.Helper()
	text, err := json.Marshal(e.State())
	if err != nil {
		t.Fatal(err)
	}
	var st State
	if err := json.Unmarshal(text, &st); err != nil {
		t.Fatal(err)
	}
	next, err := Restore(p, &st)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// TestStateIsSmall: of a table without a window the rows are not kept.
func TestStateIsSmall(t *testing.T) {
	p, diags := plan.Bind("s.sql", "CREATE STREAM s (t TIMESTAMP, v BIGINT) WITH (topic = 's', timestamp = 't', timestamp_format = 'epoch');\n"+
		"CREATE METRIC m AS SELECT COUNT(*) AS n, SUM(v) AS total FROM s EMIT EVERY 5 SECONDS;\n")
	if p == nil {
		t.Fatal(diags)
	}
	e, err := New(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		if err := e.Add("s", 0, []format.Record{{Offset: int64(i), Time: -1, Value: fmt.Appendf(nil, "%d,%d", 1000+i, i)}}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(e.State())
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 2000 {
		t.Errorf("%d bytes", len(text))
	}
	var other State
	if err := json.Unmarshal(text, &other); err != nil {
		t.Fatal(err)
	}
	other.Streams[0].Tables[0].Base[0].Key = 7
	if _, err := Restore(p, &other); err == nil {
		t.Error("a state with a key that is not there was taken")
	}
}
