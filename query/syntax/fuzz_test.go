package syntax

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var seedFlag = flag.Int64("seed", 0, "seed of TestDamagedTexts")

var seeds = []string{
	`CREATE STREAM s (a INT NOT NULL CHECK (a > 0), CHECK (b)) WITH (topic = 'x', delay = 5 SECONDS, n = 1.5, h = TRUE);`,
	`CREATE METRIC "M" AS SELECT COUNT(*) FILTER (WHERE a), b.* FROM s x WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 5 MINUTES) WHERE a = 'it''s' EMIT FINAL`,
	`WITH x AS (SELECT * FROM HOP(s, t, INTERVAL '1 day', 2 DAYS)) SELECT DISTINCT a FROM (SELECT b FROM x) y ORDER BY 1 DESC NULLS LAST LIMIT 5 OFFSET 2 EMIT EVERY 5 SECONDS`,
	`SELECT CASE a WHEN 1 THEN -2 ELSE E'\x41' END, CAST(a AS DECIMAL(12,2)), a::text || TRIM(BOTH 'x' FROM b), EXTRACT(hour FROM t), POSITION(a IN b), SUBSTRING(a FROM 1 FOR 2) FROM s`,
	`SELECT a FROM s WHERE NOT a IS NOT DISTINCT FROM b AND c NOT IN (1, NULL) OR d BETWEEN .5 AND 1e5 -- c`,
	`EXPLAIN WHY m; SHOW TABLES;; DESCRIBE /* /* */ */ x`,
	`SELECT a, FORM s GROP BY 'x; SELECT (b FROM "t`,
	"\xff'\x00`",
}

// FuzzParse holds for any text that the parser neither panics nor contradicts itself: what it
// accepts is printed and parsed again to the same tree, spans are within the text, every
// diagnostic can be rendered, and formatting twice is formatting once.
func FuzzParse(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { checkText(t, text) })
}

func checkText(t *testing.T, text string) {
	t.Helper()
	list, diags := Parse(text)
	for _, d := range diags {
		if d.Span.Start < 0 || d.Span.End < d.Span.Start || d.Span.End > len(text) || d.Code == "" || d.Message == "" {
			t.Errorf("%q has the diagnostic %+v", text, d)
		}
	}
	for _, lines := range strings.Split(Render("q.sql", text, diags), "\n\n") {
		if strings.Count(strings.TrimSpace(lines), "\n") > 5 {
			t.Errorf("%q has a diagnostic of more than six lines\n%s", text, lines)
		}
	}
	JSON("q.sql", text, diags)
	Complete(text)
	ParseExpr(text)
	for _, s := range list {
		checkSpans(t, text, s)
		one := s.String()
		again, d := Parse(one)
		if len(d) > 0 || len(again) != 1 || !Equal(s, again[0]) || again[0].String() != one {
			t.Errorf("%q is printed as %q, which is %v %v", text, one, again, d)
		}
	}
	if len(diags) > 0 {
		return
	}
	once, d := Format(text)
	twice, _ := Format(once)
	if len(d) > 0 || once != twice {
		t.Errorf("%q is formatted as %q and then as %q", text, once, twice)
	}
}

// TestDamagedTexts checks texts that were right until tokens were dropped, doubled, swapped or
// replaced. The seed of a failure is printed; run it again with -seed.
func TestDamagedTexts(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("run again with -seed %d", seed)
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	for range 400 {
		text := seeds[r.IntN(len(seeds))]
		for range 1 + r.IntN(3) {
			tokens := Lex(text)
			i, j := r.IntN(len(tokens)), r.IntN(len(tokens))
			a, b := tokens[i].Span, tokens[j].Span
			switch r.IntN(4) {
			case 0:
				text = text[:a.Start] + text[a.End:]
			case 1:
				text = text[:a.End] + text[a.Start:]
			case 2:
				text = text[:a.Start] + " " + text[b.Start:b.End] + " " + text[a.End:]
			case 3:
				at := r.IntN(len(text))
				text = text[:at] + string(" '\"();,.*-/\n\xffeE1"[r.IntN(16)]) + text[at:]
			}
			if len(Lex(text)) == 0 {
				break
			}
		}
		if checkText(t, text); t.Failed() {
			return
		}
	}
}
