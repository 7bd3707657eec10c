package local

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"penstock/query/plan"
	"penstock/query/syntax"
)

// generator draws query files over the stream of head: every kind of window, emission,
// aggregate, filter and order, as far as the binder accepts their combination.
type generator struct{ r *rand.Rand }

func (g generator) one(list ...string) string { return list[g.r.IntN(len(list))] }

func (g generator) maybe(chance int, text string) string {
	if g.r.IntN(chance) == 0 {
		return text
	}
	return ""
}

func (g generator) key() string {
	return g.one("k", "name", "side", "k % 2", "n / 5", "d", "LOWER(name)", "k = 3", "CAST(t AS DATE)", "EXTRACT(MINUTE FROM t)", "SUBSTRING(name, 2)")
}

func (g generator) condition() string {
	return g.one("side = 'B'", "n > 5", "k IN (1, 2, 4)", "name LIKE 'N%1'", "d BETWEEN 5 AND 40.5", "f < 0", "NOT (k = 2 OR n < 3)",
		"name IS NOT NULL", "f > 0 AND 10 / n > 1", "t > TIMESTAMP '2015-12-13 09:47:30'", "CASE WHEN k > 2 THEN n > 4 ELSE f < 1 END")
}

func (g generator) aggregate() string {
	arg := g.one("n", "d", "f", "n * d", "k", "n + 1", "NULLIF(n, 3)", "d / 3", "ABS(f)")
	any := g.one("n", "d", "f", "name", "t", "UPPER(side)", "k > 2", "CAST(t AS DATE)")
	call := g.one("COUNT(*)", "COUNT("+any+")", "COUNT(DISTINCT "+any+")", "SUM("+arg+")", "AVG("+arg+")",
		"MIN("+any+")", "MAX("+any+")", "FIRST("+any+")", "LAST("+any+")", "SUM(n * 1000000000000)")
	return call + g.maybe(4, " FILTER (WHERE "+g.condition()+")")
}

// metric draws one metric straight on the stream.
func (g generator) metric(name string) string {
	window, emit := "", ""
	step := []int{1, 2, 5, 10}[g.r.IntN(4)]
	times := 1 + g.r.IntN(6)
	switch g.r.IntN(7) {
	case 5:
		window, emit = fmt.Sprintf("WINDOW HOPPING (SIZE %d SECONDS, ADVANCE BY %d SECONDS)", 7+g.r.IntN(5), 1+g.r.IntN(6)), "EMIT FINAL"
	case 6:
		window, emit = g.one("", "WINDOW TUMBLING (SIZE 7 SECONDS)", "WINDOW HOPPING (SIZE 9 SECONDS, ADVANCE BY 4 SECONDS)"), "EMIT CHANGES"
	case 0:
		window, emit = fmt.Sprintf("WINDOW TUMBLING (SIZE %d SECONDS)", step*times), "EMIT FINAL"
	case 1:
		window, emit = fmt.Sprintf("WINDOW HOPPING (SIZE %d SECONDS, ADVANCE BY %d SECONDS)", step*times, step), "EMIT FINAL"
	case 2:
		window, emit = fmt.Sprintf("WINDOW SLIDING (SIZE %d SECONDS)", step*times), fmt.Sprintf("EMIT EVERY %d SECONDS", 5*(1+g.r.IntN(2)))
	case 3:
		window = fmt.Sprintf("WINDOW HOPPING (SIZE %d SECONDS, ADVANCE BY %d SECONDS)", step*times, step)
		emit = fmt.Sprintf("EMIT EVERY %d SECONDS", 1+g.r.IntN(10))
	case 4:
		emit = fmt.Sprintf("EMIT EVERY %d SECONDS", 1+g.r.IntN(10))
	}
	var cols, names []string
	keys := g.r.IntN(3)
	var group []string
	for i := range keys {
		k := g.key()
		group = append(group, k)
		cols = append(cols, fmt.Sprintf("%s AS g%d", k, i))
		names = append(names, fmt.Sprintf("g%d", i))
	}
	for i := range 1 + g.r.IntN(3) {
		cols = append(cols, fmt.Sprintf("%s AS a%d", g.aggregate(), i))
		names = append(names, fmt.Sprintf("a%d", i))
	}
	if window != "" && g.r.IntN(4) == 0 {
		cols = append(cols, g.one("window_start", "window_end"))
	}
	text := fmt.Sprintf("CREATE METRIC %s AS SELECT %s FROM s %s", name, strings.Join(cols, ", "), window)
	text += g.maybe(2, " WHERE "+g.condition())
	if keys > 0 {
		text += " GROUP BY " + strings.Join(group, ", ")
	}
	text += g.maybe(3, " HAVING "+g.one("COUNT(*) > 1", "SUM(n) > 10", "MAX(k) < 5"))
	if keys > 0 && g.r.IntN(2) == 0 && emit != "EMIT CHANGES" {
		text += " ORDER BY " + names[g.r.IntN(len(names))] + g.one("", " DESC", " NULLS FIRST", " DESC NULLS LAST")
		text += g.maybe(3, fmt.Sprintf(", %s DESC", names[g.r.IntN(len(names))]))
		text += g.maybe(2, fmt.Sprintf(" LIMIT %d", 1+g.r.IntN(4)))
		text += g.maybe(6, fmt.Sprintf(" OFFSET %d", g.r.IntN(3)))
	}
	return text + " " + emit + ";"
}

// table draws a table and a metric that reads it, perhaps grouping again.
func (g generator) table(name string) string {
	text := fmt.Sprintf("CREATE TABLE %s AS SELECT %s AS g, %s AS a, %s AS b, COUNT(*) AS c FROM s%s GROUP BY 1%s;\n", name,
		g.key(), g.aggregate(), g.aggregate(), g.maybe(2, " WHERE "+g.condition()), g.maybe(3, " HAVING COUNT(*) > 1"))
	every := fmt.Sprintf(" EMIT EVERY %d SECONDS;", 1+g.r.IntN(10))
	switch g.r.IntN(4) {
	case 0:
		text += fmt.Sprintf("CREATE METRIC m%s AS SELECT c, COUNT(*) AS n, MAX(a) AS x FROM %s GROUP BY c ORDER BY n DESC LIMIT 3%s", name, name, every)
	case 1:
		text += fmt.Sprintf("CREATE METRIC m%s AS SELECT COUNT(*), SUM(c) FROM %s%s%s", name, name, g.maybe(2, " WHERE c > 1"), every)
	case 2:
		text += fmt.Sprintf("CREATE METRIC m%s AS SELECT DISTINCT c FROM %s ORDER BY c DESC LIMIT 2%s", name, name, every)
	case 3:
		text += fmt.Sprintf("CREATE METRIC m%s AS SELECT * FROM %s ORDER BY b DESC, a LIMIT 2%s", name, name, every)
	}
	return text
}

// file draws a query file that the binder accepts.
func (g generator) file() (string, *plan.Plan) {
	for {
		var b strings.Builder
		b.WriteString(strings.Replace(head, "2 seconds", fmt.Sprintf("%d seconds", g.r.IntN(5)), 1))
		for i := range 1 + g.r.IntN(3) {
			if g.r.IntN(3) == 0 {
				b.WriteString(g.table(fmt.Sprintf("t%d", i)) + "\n")
			} else {
				b.WriteString(g.metric(fmt.Sprintf("m%d", i)) + "\n")
			}
		}
		p, diags := plan.Bind("random.sql", b.String())
		bad := false
		for _, d := range diags {
			bad = bad || d.Severity == syntax.Error
		}
		if !bad {
			return b.String(), p
		}
	}
}

// Random query files over random streams: the dataflow, shuffled and crashed, publishes what the
// plain evaluator computes.
func TestRandomFilesEqualReference(t *testing.T) {
	for _, seed := range seeds(t, 150) {
		r := rand.New(rand.NewPCG(seed, 11))
		text, p := generator{r}.file()
		log := input(r, 100+r.IntN(200), 1+r.IntN(3))
		c := load(t, p, log, Options{Folds: 1 + r.IntN(3), Tiny: r.IntN(2) == 0})
		err := c.Shuffle(r, 150, 0.02)
		if err == nil {
			err = c.End()
		}
		if err != nil {
			t.Fatalf("PENSTOCK_SEED=%d: %v\n%s", seed, err, text)
		}
		if got, want := published(c), computed(evaluate(t, p, log)); got != want {
			t.Fatalf("PENSTOCK_SEED=%d: results differ from the reference\n%s\n%s", seed, firstDifference(got, want), text)
		}
	}
}
