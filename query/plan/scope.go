package plan

import (
	"strings"

	"penstock/query/expr"
	"penstock/query/row"
	"penstock/query/syntax"
)

// Indexes from keyMark on are not columns of the input: while a grouped SELECT is bound, they
// stand for its keys, its aggregates and the bounds of its window. group.go turns them into
// the indexes of Table.Group once it knows how many of each there are.
const (
	keyMark    = 1 << 16
	aggMark    = 1 << 20
	windowMark = 1 << 24
)

// Names that the language gives meaning to; no column of a stream may be called so.
const (
	rowTimeName     = "rowtime"
	windowStartName = "window_start"
	windowEndName   = "window_end"
)

// scope is the columns that an expression can see.
type scope struct {
	what    string   // "stream orders", for messages
	names   []string // what may stand before the dot: the name and the alias, as written
	columns []row.Column
	rowTime int // index of rowtime in the rows, -1: not here
	// window tells that window_start and window_end can be used.
	window bool
	stream *Stream // set when rows come from a stream
}

func streamScope(s *Stream, alias *syntax.Ident) *scope {
	return &scope{what: "stream " + s.Name, names: scopeNames(s.Name, alias), columns: s.Columns,
		rowTime: s.RowTime(), stream: s}
}

func scopeNames(name string, alias *syntax.Ident) []string {
	if alias != nil {
		return []string{alias.Name}
	}
	return []string{name}
}

// qualifies tells whether name may stand before the dot.
func (s *scope) qualifies(name *syntax.Ident) bool {
	for _, n := range s.names {
		if strings.EqualFold(n, name.Name) {
			return true
		}
	}
	return false
}

// lookup finds a column by name. Columns of the input win over rowtime and the window's bounds,
// though no stream can have columns of these names.
func (s *scope) lookup(name string) expr.Node {
	for i, c := range s.columns {
		if c.Name == name {
			return expr.Col(i, c.Name, c.Type)
		}
	}
	ts := row.Of(row.Timestamp)
	switch {
	case name == rowTimeName && s.rowTime >= 0:
		return expr.Col(s.rowTime, rowTimeName, ts)
	case name == windowStartName && s.window:
		return expr.Col(windowMark, windowStartName, ts)
	case name == windowEndName && s.window:
		return expr.Col(windowMark+1, windowEndName, ts)
	}
	return nil
}

// visible lists the names that lookup finds.
func (s *scope) visible() []string {
	names := make([]string, 0, len(s.columns)+3)
	for _, c := range s.columns {
		names = append(names, c.Name)
	}
	if s.rowTime >= 0 {
		names = append(names, rowTimeName)
	}
	if s.window {
		names = append(names, windowStartName, windowEndName)
	}
	return names
}

// noFrom is the scope of a SELECT that reads nothing.
const noFrom = "a SELECT without FROM"

// unknownColumn words a name that lookup does not find.
// Others are names that could stand at the place as well.
func (s *scope) unknownColumn(name *syntax.Ident, others []string) *fault {
	f := faultf(codeColumn, "no column %q in %s", name.Raw, s.what)
	switch {
	case s.what == noFrom:
		return f.expect("", "add FROM and what to read")
	case name.Name == windowStartName || name.Name == windowEndName:
		if s.stream != nil {
			f.expect("", "add a window first: WINDOW TUMBLING (SIZE 5 SECONDS)")
		} else {
			f.expect("", "select %s in the CREATE TABLE to read it here", name.Name)
		}
	case name.Name == rowTimeName:
		f.expect("", "only rows of a stream have one; MAX(rowtime) in the CREATE TABLE keeps it")
	default:
		if n := strings.ToLower(name.Name); n != name.Name && s.lookup(n) != nil {
			f.expect("", "names in double quotes keep their case: write %s", n)
		} else {
			f.suggest(name.Name, append(others, s.visible()...))
		}
	}
	return f.note("columns: %s", strings.Join(s.visible(), ", "))
}
