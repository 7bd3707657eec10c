package plan

import (
	"regexp"
	"strings"

	"penstock/query/syntax"
)

// definition is one name of the catalog and where the text defines it. Exactly one of stream,
// table and metric is set, unless broken.
type definition struct {
	name   string // as messages show it
	at     syntax.Span
	stream *Stream
	table  *Table
	metric *Metric
	// broken: the statement has a mistake that was reported, and nothing can be said about what
	// it defines.
	broken bool
	used   bool
	topic  syntax.Span // of a metric: where its topic is given, or its name
	every  syntax.Span // of a metric: where its interval stands
}

func (d *definition) kind() string {
	switch {
	case d.stream != nil:
		return "stream"
	case d.table != nil:
		return "table"
	case d.metric != nil:
		return "metric"
	}
	return "statement"
}

// Stream, Table and Metric find what a name means, whatever its case; nil when there is none.
// Hidden tables are found by their "$" name.
func (p *Plan) Stream(name string) *Stream {
	for _, s := range p.Streams {
		if strings.EqualFold(s.Name, name) {
			return s
		}
	}
	return nil
}

// Table finds a table, see Stream.
func (p *Plan) Table(name string) *Table {
	for _, t := range p.Tables {
		if strings.EqualFold(t.Name, name) {
			return t
		}
	}
	return nil
}

// Metric finds a metric, see Stream.
func (p *Plan) Metric(name string) *Metric {
	for _, m := range p.Metrics {
		if strings.EqualFold(m.Name, name) {
			return m
		}
	}
	return nil
}

// TablesOf lists the tables that read a stream.
func (p *Plan) TablesOf(s *Stream) []*Table {
	var list []*Table
	for _, t := range p.Tables {
		if t.Stream == s {
			list = append(list, t)
		}
	}
	return list
}

// MetricsOf lists the metrics that read a table.
func (p *Plan) MetricsOf(t *Table) []*Metric {
	var list []*Metric
	for _, m := range p.Metrics {
		if m.Read.Table == t {
			list = append(list, m)
		}
	}
	return list
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// define adds a name to the catalog, or says why it cannot be had. The definition is entered in
// any case, so that statements behind it are checked against something.
func (b *binder) define(name *syntax.Ident, d *definition) bool {
	d.at = name.Span
	if d.name == "" {
		d.name = name.Raw
	}
	if !namePattern.MatchString(name.Raw) {
		b.fail(name.Span, faultf(codeName, "%q cannot name a stream, table or metric", name.Raw).
			expect("a letter or _, then letters, digits and _, 63 in all: names become parts of topic names",
				"write for example %s", safeName(name.Raw)))
		return false
	}
	key := strings.ToLower(name.Raw)
	if old := b.names[key]; old != nil && !(old.broken && old.at == syntax.Span{}) {
		line, _ := syntax.Place(b.text, old.at.Start)
		b.fail(name.Span, faultf(codeDuplicate, "there is a %s %s already, in line %d", old.kind(), old.name, line).
			expect("", "choose another name; names differ by more than case"))
		return false
	}
	b.names[key] = d
	return true
}

func safeName(raw string) string {
	s := strings.Map(func(r rune) rune {
		if r < 128 && nameRune(r) {
			return r
		}
		return '_'
	}, raw)
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "_" + s
	}
	return s[:min(len(s), 63)]
}

// lookup finds what a FROM, DESCRIBE or EXPLAIN names. It is nil when nothing has the name (the
// reason was reported) or when its own mistake was reported before.
func (b *binder) lookup(name *syntax.Ident) *definition {
	if d := b.names[strings.ToLower(name.Name)]; d != nil {
		d.used = true
		if d.broken {
			b.errors++ // so that nobody takes this statement for a good one
			return nil
		}
		return d
	}
	b.fail(name.Span, b.unknownRelation(name))
	return nil
}

func (b *binder) unknownRelation(name *syntax.Ident) *fault {
	f := faultf(codeRelation, "no stream, table or metric named %q", name.Raw)
	if at := b.definedLater(name); at >= 0 {
		line, _ := syntax.Place(b.text, at)
		return f.expect("", "it is defined in line %d: move that statement up", line)
	}
	var all []string
	for _, group := range b.existing() {
		all = append(all, group.names...)
	}
	f.suggest(name.Raw, all)
	var parts []string
	for _, group := range b.existing() {
		if len(group.names) > 0 {
			parts = append(parts, group.what+" "+strings.Join(group.names, ", "))
		}
	}
	if len(parts) == 0 {
		return f.note("nothing is defined yet: begin with CREATE STREAM")
	}
	return f.note("there are: %s", strings.Join(parts, "; "))
}

// definedLater looks for a CREATE of the name further down.
func (b *binder) definedLater(name *syntax.Ident) int {
	if b.prompt {
		return -1
	}
	for _, m := range createPattern.FindAllStringSubmatchIndex(b.text[name.End:], -1) {
		if strings.EqualFold(strings.Trim(b.text[name.End+m[2]:name.End+m[3]], `"`), name.Name) {
			return name.End + m[2]
		}
	}
	return -1
}

type nameGroup struct {
	what  string
	names []string
}

// existing lists the names that can be read, by kind and in order of their definition.
func (b *binder) existing() []nameGroup {
	groups := []nameGroup{{what: "streams"}, {what: "tables"}, {what: "metrics"}}
	for _, s := range b.plan.Streams {
		groups[0].names = append(groups[0].names, s.Name)
	}
	for _, t := range b.plan.Tables {
		if !t.Hidden {
			groups[1].names = append(groups[1].names, t.Name)
		}
	}
	for _, m := range b.plan.Metrics {
		groups[2].names = append(groups[2].names, m.Name)
	}
	return groups
}
