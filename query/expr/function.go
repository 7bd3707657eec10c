package expr

import (
	"fmt"
	"slices"
	"strings"

	"penstock/query/row"
)

// Info describes a function or an aggregate for help and suggestions.
type Info struct {
	Name      string
	Signature string
	Help      string
}

// entry is a line of the table in functions.go: forms that are tried in order, or make for
// what is not a plain operation over its arguments.
type entry struct {
	name  string
	sig   string
	help  string
	forms []form
	make  func(args []Node) (Node, error)
}

// form is one way to call a function.
type form struct {
	in   []row.Kind // of the parameters
	out  row.Kind
	do   impl
	bind func(args []Node, t row.Type) impl // instead of do: looks at types, hoists constants
	// typed gives the result type where out alone does not (DECIMAL).
	typed func(args []Node) (row.Type, error)
	show  func(args []Node) string // nil: NAME(args)
	op    *op
}

var functionsByName = map[string]*entry{}

func init() {
	for i := range functionTable {
		e := &functionTable[i]
		for k := range e.forms {
			f := &e.forms[k]
			bind := f.bind
			if bind == nil {
				do := f.do
				bind = func([]Node, row.Type) impl { return do }
			}
			f.op = &op{name: e.name, bind: bind, show: f.show}
		}
		functionsByName[e.name] = e
	}
	for _, a := range functionAliases {
		functionsByName[a[0]] = functionsByName[a[1]]
	}
}

// Functions lists the functions by name.
func Functions() []Info {
	list := make([]Info, len(functionTable))
	for i, e := range functionTable {
		list[i] = Info{e.name, e.sig, e.help}
	}
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Call returns the call of a function by its upper-case name. An unknown name is an
// *UnknownFunction.
func Call(name string, args []Node) (Node, error) {
	e := functionsByName[name]
	if e == nil {
		if hint, ok := refusedFunctions[name]; ok {
			return nil, typeError(hint, "%s would change with every reading, and a result must not", name)
		}
		if IsAggregate(name) {
			return nil, typeError("an aggregate belongs in SELECT, HAVING or ORDER BY",
				"%s is an aggregate, found it where a row is computed", name)
		}
		return nil, &UnknownFunction{Name: name, Similar: similar(name)}
	}
	if e.make != nil {
		return e.make(args)
	}
	best, cost := -1, 0
	for i := range e.forms {
		c, ok := e.forms[i].cost(args)
		if ok && (best < 0 || c < cost) {
			best, cost = i, c
		}
	}
	if best < 0 {
		return nil, e.noForm(args)
	}
	return e.forms[best].call(args)
}

// rank orders the kinds by which an argument's implicit cast is preferred; a cast goes to the
// next larger number first.
var rank = map[row.Kind]int{row.Integer: 1, row.Bigint: 2, row.Decimal: 3, row.Double: 4, row.Date: 1, row.Timestamp: 2}

// cost tells whether the arguments fit the form, and how many steps the implicit casts take.
func (f *form) cost(args []Node) (int, bool) {
	if len(args) != len(f.in) {
		return 0, false
	}
	total := 0
	for i, a := range args {
		from, to := a.Type(), f.in[i]
		switch {
		case from.Kind == to && !isLiteral(a):
		case from.Kind == row.Unknown:
		case isLiteral(a):
			if to != row.Varchar {
				total += 10 // text is what a string literal is, unless nothing takes text
			}
		case from.Numeric() && row.Of(to).Numeric() && rank[from.Kind] < rank[to],
			isDay(from) && to == row.Timestamp:
			total += rank[to] - rank[from.Kind]
		default:
			return 0, false
		}
	}
	return total, true
}

func (f *form) call(args []Node) (Node, error) {
	cast := make([]Node, len(args))
	for i, a := range args {
		t := row.Of(f.in[i])
		if t.Kind == row.Decimal {
			t = decimalArg(a)
		}
		if t.Kind == row.Varchar && a.Type().Kind == row.Varchar {
			cast[i] = a
			continue
		}
		var err error
		if cast[i], err = coerce(a, t); err != nil {
			return nil, err
		}
	}
	t := row.Of(f.out)
	if f.typed != nil {
		var err error
		if t, err = f.typed(cast); err != nil {
			return nil, err
		}
	}
	return newApply(f.op, t, cast...), nil
}

// decimalArg is the DECIMAL type that an argument gets.
func decimalArg(a Node) row.Type {
	t := a.Type()
	if t.Numeric() {
		return asDecimal(t)
	}
	return row.DecimalType(row.MaxPrecision, 10) // a literal or NULL
}

func (e *entry) noForm(args []Node) error {
	types := make([]string, len(args))
	for i, a := range args {
		types[i] = a.Type().String()
	}
	return typeError("expected "+e.sig, "no function %s(%s)", e.name, strings.Join(types, ", "))
}

// wantArgs checks a number of arguments; most < 0 means any.
func wantArgs(name string, args []Node, least, most int) error {
	if len(args) >= least && (most < 0 || len(args) <= most) {
		return nil
	}
	want := fmt.Sprint(least)
	switch {
	case most < 0:
		want = "at least " + want
	case most > least:
		want = fmt.Sprintf("%d to %d", least, most)
	}
	hint := ""
	if e := functionsByName[name]; e != nil {
		hint = e.sig
	}
	return typeError(hint, "%s takes %s arguments, found %d", name, want, len(args))
}

// similar returns the names of functions and aggregates nearest to name, at most two.
func similar(name string) []string {
	type near struct {
		name string
		dist int
	}
	var list []near
	add := func(other string) {
		if d := distance(name, other); d <= max(1, len(name)/3) {
			list = append(list, near{other, d})
		}
	}
	for other := range functionsByName {
		add(other)
	}
	for _, a := range Aggregates() {
		add(a.Name)
	}
	slices.SortFunc(list, func(a, b near) int {
		if a.dist != b.dist {
			return a.dist - b.dist
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, n := range list[:min(2, len(list))] {
		names = append(names, n.name)
	}
	return names
}

// distance is Damerau-Levenshtein: insertions, deletions, changes, and swaps of neighbours.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last = last, next
	}
	return last[len(b)]
}
