package syntax

import (
	"strings"
	"testing"
)

// On a narrow terminal the carets stay under their word, and nothing of the place wraps.
func TestRenderWidth(t *testing.T) {
	text := "select client_id, total from client_totals where client_id = 'x' and total > 5"
	d := Diagnostic{Code: "P1302", Message: "no", Label: "write a number without quotes"}
	d.Span.Start = strings.Index(text, "'x'")
	d.Span.End = d.Span.Start + 3
	for columns, want := range map[int]string{
		30: "error[P1302]: no\n  --> q:1:62\n   |\n 1 | ...ent_id = 'x' and to...\n   |             ^^^\n   = write a number without quotes\n",
		0:  "error[P1302]: no\n  --> q:1:62\n   |\n 1 | " + text + "\n   |                                                              ^^^ write a number without quotes\n",
	} {
		got := RenderWidth("q", text, []Diagnostic{d}, columns)
		if columns == 0 {
			got = Render("q", text, []Diagnostic{d})
		}
		if got != want {
			t.Errorf("%d columns:\n%s\nexpected\n%s", columns, got, want)
		}
		for _, l := range strings.Split(got, "\n")[1:5] {
			if columns > 0 && len(l) > columns {
				t.Errorf("%q is longer than %d", l, columns)
			}
		}
	}
}
