package engine

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"penstock/engine/read"
	"penstock/query/plan"
	"penstock/query/row"
	"penstock/query/syntax"
)

// Query is a question to a running engine. The zero value of every field but SQL works.
type Query struct {
	// SQL is one statement: SELECT, SHOW, DESCRIBE or EXPLAIN.
	SQL string
	// Closed asks for the state as of the last interval that is closed everywhere, which is exact:
	// the same as a metric would publish. Otherwise what was read since then is in it.
	Closed bool
	// MaxRows and MaxBytes bound the answer and what is held while it is made; default 1,000,000
	// rows and 256 MiB. More than a quarter of the engine's memory is never held.
	MaxRows  int
	MaxBytes int64
}

// Answer is what a query answers.
type Answer struct {
	// Title and Notes are around the rows of SHOW and DESCRIBE; Text is the answer of EXPLAIN.
	Title string
	Text  string
	Notes []string
	Why   *Why // of EXPLAIN WHY
	Rows  *read.Rows
	// Failed counts rows that were left out because a condition could not be computed for them;
	// Reason says why, for the first.
	Failed int64
	Reason string
	Fresh  Freshness
	Took   time.Duration

	budget *read.Budget // that its rows are counted in; nil: in none
}

// holds counts the rows among what all queries hold until Close, or until the garbage collector
// finds that nobody has the answer any more.
func (a *Answer) holds(b *read.Budget) {
	a.budget = b
	runtime.AddCleanup(a, (*read.Budget).Release, b)
}

// Close tells that the rows are not needed any more: other queries may then hold as much. Safe twice.
func (a *Answer) Close() {
	if a.budget != nil {
		a.budget.Release()
	}
}

// Freshness says what an answer was made from. An answer that reads no table has no partitions.
type Freshness struct {
	// AsOf is up to when rows are in it in any case (microseconds): the lowest clock of the streams'
	// partitions, or with Closed, or for a metric, the end of the interval. HasTime is false while
	// there is none.
	AsOf    int64
	HasTime bool
	// Exact: it is the state as of AsOf, no row of later.
	Exact bool
	// Offsets are by stream and source partition the first offset that is not in the answer.
	Offsets map[string]map[int32]int64
	// Lag is how many records of the streams are not in it, -1 when that is not known.
	Lag int64
	// Partitions is how many table partitions the answer needs, Missing those that are not in it.
	Partitions int
	Missing    []MissingPartition
	// Members are the processes that answered, with what each one's part is as of.
	Members []MemberPart
}

// Partial tells whether rows may be missing.
func (f Freshness) Partial() bool { return len(f.Missing) > 0 }

// MissingPartition is a table partition that is not in an answer, and why.
type MissingPartition struct {
	Partition int32
	State     string // restoring, unowned, unreachable, elsewhere
	Percent   int    // of restoring; -1 when not known
	Owner     string // instance, when there is one
	Reason    string
}

// String says it in a few words, as in "p1 restoring 61 %".
func (m MissingPartition) String() string {
	switch {
	case m.State == stateRestoring && m.Percent >= 0:
		return fmt.Sprintf("p%d restoring %d %%", m.Partition, m.Percent)
	case m.State == stateUnowned:
		return fmt.Sprintf("p%d: no process has it", m.Partition)
	case m.Reason != "":
		return fmt.Sprintf("p%d %s: %s", m.Partition, m.State, m.Reason)
	}
	return fmt.Sprintf("p%d %s", m.Partition, m.State)
}

const (
	stateRestoring   = "restoring"
	stateUnowned     = "unowned"
	stateUnreachable = "unreachable"
	stateBehind      = "behind"
)

// MemberPart is what one process contributed.
type MemberPart struct {
	Instance   string
	Partitions []int32
	AsOf       int64
	HasTime    bool
}

// BindError is returned for a statement that is not understood. Diags has everything wrong with it.
type BindError struct {
	SQL   string
	Diags []syntax.Diagnostic
}

func (e *BindError) Error() string {
	for _, d := range e.Diags {
		if d.Severity == syntax.Error {
			line, column := syntax.Place(e.SQL, d.Span.Start)
			return fmt.Sprintf("%d:%d: %s", line, column, d.Message)
		}
	}
	return "the statement is not understood"
}

// ErrNotRunning is returned for queries to an engine that has not begun or has ended.
var ErrNotRunning = errors.New("the engine is not running")

// listingAnswer is the answer of SHOW and DESCRIBE.
func listingAnswer(l *plan.Listing) *Answer {
	a := &Answer{Title: l.Title, Notes: l.Notes, Rows: read.NewRows(l.Columns)}
	for _, r := range l.Rows {
		a.Rows.Add(r)
	}
	return a
}

// textAnswer is the answer of EXPLAIN: its text, a row for each line.
func textAnswer(title, text string) *Answer {
	a := &Answer{Title: title, Text: text, Rows: read.NewRows([]row.Column{{Name: "plan", Type: row.Of(row.Varchar)}})}
	for line := range strings.Lines(text) {
		a.Rows.Add([]row.Value{row.Text(strings.TrimSuffix(line, "\n"))})
	}
	return a
}

// add puts what a partition's part was made from into the freshness of the whole.
func (f *Freshness) add(stream string, p *partAnswer) {
	at, ok := p.Clock, p.HasClock
	if f.Exact {
		at, ok = p.Closed, p.Begun
	}
	// A part without a clock, or without a source partition, has nothing of it: neither has the whole.
	if first := len(f.Members) == 0; first {
		f.AsOf, f.HasTime = at, ok
		f.Offsets = map[string]map[int32]int64{stream: maps.Clone(p.Offsets)}
	} else {
		f.AsOf, f.HasTime = min(f.AsOf, at), f.HasTime && ok
		maps.DeleteFunc(f.Offsets[stream], func(n int32, _ int64) bool { _, has := p.Offsets[n]; return !has })
		for n, o := range f.Offsets[stream] {
			f.Offsets[stream][n] = min(o, p.Offsets[n])
		}
	}
	i := slices.IndexFunc(f.Members, func(m MemberPart) bool { return m.Instance == p.instance })
	if i < 0 {
		i = len(f.Members)
		f.Members = append(f.Members, MemberPart{Instance: p.instance})
	}
	m := &f.Members[i]
	m.Partitions = append(m.Partitions, p.Partition)
	if ok && (!m.HasTime || at < m.AsOf) {
		m.AsOf, m.HasTime = at, true
	}
}
