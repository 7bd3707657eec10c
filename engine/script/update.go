package script

import (
	"slices"
	"strings"
)

// Update returns the text of a test file with what its expectations got, where that is other than
// what is written. Columns that an expectation names stay; everything around it stays as it is.
// All results are of the same text.
func Update(text string, results []*Result) string {
	type edit struct {
		start, end int
		text       string
	}
	var edits []edit
	for _, r := range results {
		for _, c := range r.Test.commands {
			got := r.got[c]
			if got == nil || !r.failedAt(c) {
				continue
			}
			lines := got.lines()
			if c.kind == expectError {
				lines = []string{got.rows[0][0]}
			}
			e := edit{text: "  " + strings.Join(lines, "\n  ") + "\n"}
			if len(c.body) > 0 {
				last := c.body[len(c.body)-1]
				e.start, e.end = c.body[0].start, endOfLine(text, last.start)
			} else {
				at := c.at.End
				if c.kind == expectSelect {
					at = c.nameAt.End
				}
				e.start = endOfLine(text, at)
				e.end = e.start
				if e.start > 0 && text[e.start-1] != '\n' {
					e.text = "\n" + e.text
				}
			}
			edits = append(edits, e)
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, e := range edits {
		b.WriteString(text[at:e.start] + e.text)
		at = e.end
	}
	return b.String() + text[at:]
}

// failedAt tells whether a command got something else than it expects.
func (r *Result) failedAt(c *command) bool {
	return slices.ContainsFunc(r.Failures, func(f Failure) bool { return f.Line == c.line && f.got != nil })
}

// endOfLine is the offset behind the line that holds an offset.
func endOfLine(text string, at int) int {
	if i := strings.IndexByte(text[min(at, len(text)):], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}
