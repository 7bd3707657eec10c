package syntax

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity tells whether a statement can run.
type Severity uint8

// A file with an Error does not run; a Warning is worth reading.
const (
	Error Severity = iota
	Warning
)

// String gives the word that begins a rendered diagnostic.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Diagnostic is one thing wrong with a text. The parser and the planner both make them; Render
// and JSON show them.
type Diagnostic struct {
	Code     string // P1001; stays the same for ever
	Severity Severity
	Message  string // what was expected and found, lower case, no full stop
	Span     Span
	Label    string   // behind the carets, usually "did you mean ..?"
	Notes    []string // hints below, the first two are shown
}

// Place returns line and column of an offset into text, both from 1, the column in characters.
func Place(text string, offset int) (line, column int) {
	offset = max(0, min(offset, len(text)))
	begin := strings.LastIndexByte(text[:offset], '\n') + 1
	return strings.Count(text[:begin], "\n") + 1, utf8.RuneCountInString(text[begin:offset]) + 1
}

// Report is a diagnostic as other programs read it.
type Report struct {
	Code      string   `json:"code"`
	Severity  string   `json:"severity"`
	Message   string   `json:"message"`
	File      string   `json:"file,omitempty"`
	Line      int      `json:"line"`
	Column    int      `json:"column"`
	EndLine   int      `json:"end_line"`
	EndColumn int      `json:"end_column"`
	Hint      string   `json:"hint,omitempty"`
	Notes     []string `json:"notes,omitempty"`
}

// Reports turns diagnostics of one text into what JSON encodes.
func Reports(file, text string, diags []Diagnostic) []Report {
	out := make([]Report, len(diags))
	for i, d := range diags {
		r := Report{Code: d.Code, Severity: d.Severity.String(), Message: d.Message, File: file, Hint: d.Label, Notes: d.Notes}
		r.Line, r.Column = Place(text, d.Span.Start)
		r.EndLine, r.EndColumn = Place(text, max(d.Span.Start, d.Span.End))
		out[i] = r
	}
	return out
}

// JSON renders diagnostics as an array of Report.
func JSON(file, text string, diags []Diagnostic) []byte {
	out, err := json.Marshal(Reports(file, text, diags))
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return out
}

// HasErrors tells whether any of the diagnostics is more than a warning.
func HasErrors(diags []Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d Diagnostic) bool { return d.Severity == Error })
}
