package syntax

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHostileTexts feeds texts that are deep, long or full of faults, each so large that work
// growing with its square would take minutes.
func TestHostileTexts(t *testing.T) {
	const limit = 20 * time.Second
	rep := strings.Repeat
	for _, c := range []struct{ name, text, code string }{ // code of the first diagnostic, empty: none
		{"200,000 parentheses", "SELECT " + rep("(", 200_000) + "1" + rep(")", 200_000) + " FROM s", CodeLimit},
		{"40,000 parentheses", "SELECT " + rep("(", 40_000) + "1" + rep(")", 40_000) + " FROM s", CodeLimit},
		{"90,000 open parentheses", "SELECT " + rep("(", 90_000), CodeLimit},
		{"200 parentheses", "SELECT " + rep("(", 200) + "1" + rep(")", 200) + " FROM s", ""},
		{"200 open parentheses", "SELECT " + rep("(", 200) + "1 FROM s", CodeParen},
		{"199 calls and a fault", "SELECT " + rep("f(1, ", 199) + "1 1" + rep(")", 199) + " FROM s", CodeExpected},
		{"201 parentheses", "SELECT " + rep("(", 201) + "1" + rep(")", 201) + " FROM s", CodeLimit},
		{"40,000 CASE", "SELECT " + rep("CASE WHEN ", 40_000), CodeLimit},
		{"90,000 NOT", "SELECT " + rep("NOT ", 90_000) + "a FROM s", CodeLimit},
		{"90,000 signs", "SELECT " + rep("- ", 90_000) + "a FROM s", CodeLimit},
		{"20,000 casts", "SELECT a" + rep("::int", 20_000) + " FROM s", CodeLimit},
		{"20,000 sub-selects", "SELECT a FROM " + rep("(SELECT a FROM ", 20_000), CodeLimit},
		{"10,000 operands", "SELECT a" + rep(" + a", 9_999) + " FROM s", ""},
		{"40,000 operands", "SELECT a" + rep(" + a", 40_000) + " FROM s", CodeLimit},
		{"500,000 operands", "SELECT a" + rep("+a", 500_000) + " FROM s", CodeLimit},
		{"40,000 columns, one comma missing", "SELECT a" + rep(", a", 40_000) + " a a FROM s", CodeExpected},
		{"60,000 faulty statements", rep("SELCT a FROM s;\n", 60_000), CodeExpected},
		{"5,000 missing semicolons", rep("SELECT a FROM s\n", 5_000), CodeExpected},
		{"150,000 comments", rep("/* */", 150_000), ""},
		{"500,000 open comments", rep("/*", 500_000), CodeOpen},
		{"1 MiB of text", "SELECT '" + rep("x", 1<<20-20) + "' FROM s", ""},
		{"500,000 quotes over lines, the last open", rep("'\n", 499_999), CodeOpen},
		{"more than 1 MiB", rep(" ", 1<<20+1), CodeLimit},
	} {
		start := time.Now()
		_, diags := Parse(c.text)
		Render("q.sql", c.text, diags)
		took := time.Since(start)
		code := ""
		if len(diags) > 0 {
			code = diags[0].Code
		}
		if code != c.code {
			t.Errorf("%s: code %q, expected %q: %v", c.name, code, c.code, diags[:min(1, len(diags))])
		}
		if len(diags) > maxFaulty+1 {
			t.Errorf("%s: %d diagnostics", c.name, len(diags))
		}
		if took > limit {
			t.Errorf("%s: took %v, limit %v", c.name, took, limit)
		}
		t.Logf("%-45s %v", c.name, took)
	}
}

// TestDeepTextIsRefusedAtOnce holds the 50 ms within which a prompt or a server has to answer;
// the best of some runs counts, as the machine may be busy.
func TestDeepTextIsRefusedAtOnce(t *testing.T) {
	text := "SELECT " + strings.Repeat("(", 10_000) + "1" + strings.Repeat(")", 10_000) + " FROM s"
	best := time.Hour
	for range 10 {
		start := time.Now()
		if _, diags := Parse(text); len(diags) != 1 || diags[0].Code != CodeLimit {
			t.Fatal(diags)
		}
		best = min(best, time.Since(start))
	}
	if best > 50*time.Millisecond {
		t.Errorf("took %v", best)
	}
}

// TestKeywordsOfGrammar holds that the lexer knows every word that the grammar's tags mention,
// and has each in one class.
func TestKeywordsOfGrammar(t *testing.T) {
	for _, m := range regexp.MustCompile(`"([A-Z]+)"`).FindAllStringSubmatch(statementParser().String(), -1) {
		if keywords[m[1]] == 0 {
			t.Errorf("the grammar has %s, the keywords have not", m[1])
		}
	}
	all := Keywords()
	if slices.Sort(all); len(slices.Compact(all)) != len(keywords) {
		t.Error("a keyword is in two classes")
	}
}
