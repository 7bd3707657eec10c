package plan

import (
	"fmt"
	"unicode/utf8"

	"penstock/query/syntax"
)

// Codes of the diagnostics this package gives. P10xx are mistakes of syntax and belong to
// query/syntax; P12xx names, P13xx types, P14xx the shape of a statement, P15xx windows and
// emission, P16xx options; P2xxx are warnings.
const (
	codeRelation  = "P1202" // no such stream, table or metric
	codeFunction  = "P1203" // no such function, or not with these arguments
	codeColumn    = "P1204" // no such column
	codeDuplicate = "P1205" // a name defined twice
	codeName      = "P1206" // a name that cannot be used
	codeLiteral   = "P1301" // a literal or a constant that has no value
	codeType      = "P1302" // types that do not go together
	codeGrouping  = "P1401" // a column that is neither grouped nor aggregated
	codeAggregate = "P1402" // an aggregate where none can be
	codeShape     = "P1403" // a statement that cannot be run in this form
	codeOrdinal   = "P1404" // a position or a number out of range
	codeNotYet    = "P1405" // something the language does not have yet
	codeWindow    = "P1501" // a window that cannot be
	codePanes     = "P1502" // a window of too many panes
	codeEmit      = "P1503" // an EMIT that does not go with the rest
	codeOption    = "P1601" // no such option
	codeValue     = "P1602" // a value that an option does not take
	codeTopic     = "P1603" // a topic that cannot be used
	codeTime      = "P1604" // the stream's time column

	codeDivision = "P2101" // constants whose division cuts digits off
	codeUnused   = "P2102" // a stream that nothing reads
	codeGrows    = "P2103" // results without a bound
	codeMoney    = "P2104" // money in DOUBLE PRECISION
	codeIgnored  = "P2105" // something without effect here
	codeNever    = "P2106" // a condition that is never true
)

// fault is what is wrong, apart from its place: the text says what was found and what was
// expected, hint what to do about it (next to the caret), notes whatever else helps.
type fault struct {
	code  string
	text  string
	hint  string
	notes []string
}

func faultf(code, format string, args ...any) *fault {
	return &fault{code: code, text: fmt.Sprintf(format, args...)}
}

// expect adds what was expected, and a hint.
func (f *fault) expect(expected, hint string, args ...any) *fault {
	if expected != "" {
		f.text += "; expected " + expected
	}
	f.hint = fmt.Sprintf(hint, args...)
	return f
}

// note adds a line below.
func (f *fault) note(format string, args ...any) *fault {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
	return f
}

// suggest adds the names that the user may have meant, if any is near.
func (f *fault) suggest(name string, candidates []string) *fault {
	f.hint = syntax.DidYouMean(name, candidates)
	return f
}

// diagnostic puts the fault at its place.
func (f *fault) diagnostic(severity syntax.Severity, at syntax.Span) syntax.Diagnostic {
	return syntax.Diagnostic{Code: f.code, Severity: severity, Message: f.text, Span: at, Label: cut(f.hint), Notes: f.notes}
}

// maxHint keeps a hint that quotes the user's own expression on one line.
const maxHint = 120

func cut(s string) string {
	if utf8.RuneCountInString(s) <= maxHint {
		return s
	}
	return string([]rune(s)[:maxHint-3]) + "..."
}
