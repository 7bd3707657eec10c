package plan

import (
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	"penstock/query/syntax"
)

// slip changes one letter of a word as a hurried typist does: leaves it out, doubles it, swaps it
// with the next, or hits another key.
func slip(r *rand.Rand, word string) string {
	i := r.IntN(len(word))
	switch r.IntN(4) {
	case 0:
		return word[:i] + word[i+1:]
	case 1:
		return word[:i] + word[i:i+1] + word[i:]
	case 2:
		if i+1 < len(word) {
			return word[:i] + word[i+1:i+2] + word[i:i+1] + word[i+2:]
		}
		return word + word[i:]
	}
	return word[:i] + string(rune('a'+r.IntN(26))) + word[i+1:]
}

var wordPattern = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]{2,}`)

// TestSlips makes one slip in a word of a good file, many times over. Of those that make a
// mistake at all, nearly every one has to be blamed at its place, and most have to suggest the
// word that was meant.
func TestSlips(t *testing.T) {
	const seed, rounds = 20160322, 600
	r := rand.New(rand.NewPCG(seed, 1))
	raw, err := os.ReadFile("../../examples/orders/orders.sql")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	create := strings.Index(text, "CREATE METRIC BUYS") // slips in declarations only rename
	var mistakes, placed, suggested int
	for range rounds {
		words := wordPattern.FindAllStringIndex(text[create:], -1)
		at := words[r.IntN(len(words))]
		begin, end := create+at[0], create+at[1]
		word := text[begin:end]
		if comment := strings.LastIndex(text[:begin], "\n"); strings.HasPrefix(text[comment+1:], "--") {
			continue
		}
		bad := slip(r, word)
		if strings.EqualFold(bad, word) {
			continue
		}
		changed := text[:begin] + bad + text[end:]
		p, diags := Bind("slip.sql", changed)
		if p != nil {
			continue // another name for a metric, or the like
		}
		mistakes++
		if d, ok := diagnosticAt(diags, begin); ok {
			placed++
			if strings.Contains(strings.ToLower(d.Label), strings.ToLower(word)) {
				suggested++
			}
		}
	}
	t.Logf("seed %d: %d mistakes, %d blamed at their place, %d with the word that was meant", seed, mistakes, placed, suggested)
	if mistakes < rounds/2 {
		t.Errorf("only %d of %d slips were mistakes", mistakes, rounds)
	}
	if placed*100 < mistakes*95 {
		t.Errorf("%d of %d blamed at their place, want 95 %%", placed, mistakes)
	}
	if suggested*100 < mistakes*80 {
		t.Errorf("%d of %d suggest the word that was meant, want 80 %%", suggested, mistakes)
	}
}

// diagnosticAt finds a diagnostic that begins where the slip is.
func diagnosticAt(diags []syntax.Diagnostic, begin int) (syntax.Diagnostic, bool) {
	for _, d := range diags {
		if d.Span.Start == begin {
			return d, true
		}
	}
	return syntax.Diagnostic{}, false
}

// TestBindNeverPanics binds files with pieces cut out, doubled and moved: whatever comes out, it
// is a plan or an error, and the same one twice.
func TestBindNeverPanics(t *testing.T) {
	const seed, rounds = 7, 300
	r := rand.New(rand.NewPCG(seed, 2))
	var files []string
	for _, name := range []string{"orders/orders.sql", "clicks/clicks.sql", "sensors/sensors.sql"} {
		raw, err := os.ReadFile("../../examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(raw))
	}
	words := strings.Fields(strings.Join(files, " "))
	for i := range rounds {
		text := files[r.IntN(len(files))]
		for range 1 + r.IntN(4) {
			a := r.IntN(len(text))
			b := min(len(text), a+r.IntN(30))
			switch r.IntN(3) {
			case 0:
				text = text[:a] + text[b:]
			case 1:
				text = text[:b] + text[a:]
			case 2:
				text = text[:a] + " " + words[r.IntN(len(words))] + " " + text[b:]
			}
		}
		p, diags := Bind("x.sql", text)
		if p == nil != syntax.HasErrors(diags) {
			t.Fatalf("seed %d round %d: plan %v with %d diagnostics for\n%s", seed, i, p != nil, len(diags), text)
		}
		again, same := Bind("x.sql", text)
		if syntax.Render("x.sql", text, diags) != syntax.Render("x.sql", text, same) || p != nil && p.Explain("") != again.Explain("") {
			t.Fatalf("seed %d round %d: two answers for\n%s", seed, i, text)
		}
	}
}
