package prompt

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"penstock/query/expr"
	"penstock/query/syntax"
)

// candidate is one thing that may stand at the cursor.
type candidate struct {
	text string
	kind string // keyword, table, column, ...
}

// completion is what may replace the text of a line from an offset to the cursor.
type completion struct {
	from int
	list []candidate
}

// common is what all candidates begin with, when that is more than what was typed; a single one
// is completed with what comes behind it.
func (c completion) common(word string) string {
	if len(c.list) == 0 {
		return word
	}
	prefix := c.list[0].text
	for _, other := range c.list[1:] {
		n := 0
		for n < len(prefix) && n < len(other.text) {
			a, size := utf8.DecodeRuneInString(prefix[n:])
			b, _ := utf8.DecodeRuneInString(other.text[n:])
			if unicode.ToLower(a) != unicode.ToLower(b) {
				break
			}
			n += size
		}
		prefix = prefix[:min(n, len(prefix))]
	}
	if len(c.list) == 1 {
		return prefix + behind(c.list[0])
	}
	if len(prefix) < len(word) || strings.EqualFold(prefix, word) {
		return word
	}
	return prefix
}

// behind is what follows a completed word without a doubt.
func behind(c candidate) string {
	switch c.kind {
	case "function", "aggregate":
		return "("
	case "folder", "column of":
		return ""
	}
	return " "
}

// cycle is completion on a narrow screen: each Tab puts the next candidate in place.
type cycle struct {
	before, after string
	list          []candidate
	at            int
	line          string
	pos           int
}

func newCycle(line []rune, pos int, c completion) cycle {
	return cycle{before: string(line[:pos])[:c.from], after: string(line[pos:]), list: c.list}
}

// goesOn tells whether nothing was typed since the last candidate.
func (c *cycle) goesOn(line []rune, pos int) bool {
	return len(c.list) > 0 && string(line) == c.line && pos == c.pos
}

func (c *cycle) next() ([]rune, int) {
	entry := c.list[c.at%len(c.list)]
	c.at++
	head := c.before + entry.text
	if len(c.list) == 1 {
		head += behind(entry)
	}
	c.line, c.pos = head+c.after, utf8.RuneCountInString(head)
	return []rune(c.line), c.pos
}

// completer knows what may stand where. Relations are those of the server, as of the last time
// they were asked for.
type completer struct {
	relations func() []Relation
	settings  func() []string // names for \pset
}

// complete lists what may stand before the cursor at pos of the line; open is what was entered of
// the statement before.
func (c *completer) complete(open, line string, pos int) completion {
	line = strings.ReplaceAll(line, string(newline), "\n")
	pos = min(pos, len(line))
	if strings.TrimSpace(open) == "" {
		if head := strings.TrimLeft(line[:pos], " "); strings.HasPrefix(head, `\`) || strings.HasPrefix(head, ".") {
			return c.command(line[:pos])
		}
	}
	p := placeOf(open+line, len(open)+pos)
	if p.inside {
		return completion{}
	}
	list := c.legal(p)
	list = matching(list, p.word)
	return completion{from: pos - len(p.word), list: list}
}

// matching keeps the candidates that begin with a word, whatever its case, each once.
func matching(list []candidate, word string) []candidate {
	var out []candidate
	seen := map[candidate]bool{}
	for _, c := range list {
		if len(c.text) >= len(word) && strings.EqualFold(c.text[:len(word)], word) && !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out
}

// legal lists what the grammar and the catalog allow at a place. Whether a keyword may stand
// there is found by parsing the statement up to it: the first fault must come later.
func (c *completer) legal(p place) []candidate {
	var list []candidate
	if p.qualifier != "" {
		for _, r := range c.relations() {
			if strings.EqualFold(r.Name, p.aliases[strings.ToLower(p.qualifier)]) || strings.EqualFold(r.Name, p.qualifier) {
				list = append(list, columnsOf(r)...)
			}
		}
		return list
	}
	name := p.allows("zzq")
	value := name && p.allows("zzq(1)")
	switch {
	case p.wantsType:
		for _, word := range typeWords {
			list = append(list, candidate{p.cased(word), "type"})
		}
		return list
	case p.wantsRelation && name:
		list = append(list, c.named()...)
	case value:
		list = append(list, c.columns(p)...)
		list = append(list, functions()...)
	}
	for _, word := range syntax.Keywords() {
		class := wordClass(word)
		if class == plainWord && name && !(value && slices.Contains(valueWords, word)) {
			continue // legal only because it may be a name
		}
		if class == labelWord && name && (value || p.wantsRelation) {
			continue
		}
		if (p.word == "" || matchesFold(word, p.word)) && p.allows(word) {
			list = append(list, candidate{p.cased(word), "keyword"})
		}
	}
	if !name {
		for kind, words := range map[string][]string{"unit": unitWords} {
			for _, word := range words {
				if matchesFold(word, p.word) && p.allows(word) {
					list = append(list, candidate{p.cased(word), kind})
				}
			}
		}
		if p.wantsRelation {
			list = append(list, c.named()...)
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return rank(list[i].kind) < rank(list[j].kind) })
	return list
}

func matchesFold(word, prefix string) bool {
	return len(word) >= len(prefix) && strings.EqualFold(word[:len(prefix)], prefix)
}

// rank puts what is most specific to the place first.
func rank(kind string) int {
	return slices.Index([]string{"column", "table", "metric", "stream", "unit", "type", "keyword", "aggregate", "function"}, kind)
}

var (
	// valueWords are names by class that begin a value as well.
	valueWords = []string{"DATE", "TIMESTAMP", "INTERVAL"}
	unitWords  = []string{"SECONDS", "MINUTES", "HOURS", "DAYS"}
	typeWords  = []string{"BIGINT", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE PRECISION", "INTEGER", "TIMESTAMP", "VARCHAR"}
)

const (
	reservedWord = iota
	labelWord    // a name behind AS only
	plainWord    // a name anywhere
)

// wordClasses are the classes of all keywords, found out by asking the parser.
var wordClasses = sync.OnceValue(func() map[string]int {
	legal := func(text string) bool {
		_, diags := syntax.Parse(text)
		return !syntax.HasErrors(diags)
	}
	classes := map[string]int{}
	for _, word := range syntax.Keywords() {
		switch {
		case !legal("SELECT x AS " + word + " FROM t;"):
			classes[word] = reservedWord
		case !legal("SELECT x " + word + " FROM t;"):
			classes[word] = labelWord
		default:
			classes[word] = plainWord
		}
	}
	return classes
})

// wordClass tells whether a keyword may be a name.
func wordClass(word string) int { return wordClasses()[word] }

func (c *completer) named() []candidate {
	var list []candidate
	for _, r := range c.relations() {
		list = append(list, candidate{quoted(r.Name), r.Kind})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].text < list[j].text })
	return list
}

// columns lists the columns of what the statement reads; of everything while its FROM is not
// written yet.
func (c *completer) columns(p place) []candidate {
	var list []candidate
	for _, r := range c.relations() {
		if len(p.reads) == 0 || slices.ContainsFunc(p.reads, func(n string) bool { return strings.EqualFold(n, r.Name) }) {
			list = append(list, columnsOf(r)...)
		}
	}
	for alias := range p.aliases {
		list = append(list, candidate{alias, "table"})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].text < list[j].text })
	return list
}

func columnsOf(r Relation) []candidate {
	var list []candidate
	for _, col := range r.Columns {
		list = append(list, candidate{quoted(col.Name), "column"})
	}
	return list
}

// quoted is a name as it must be written: in double quotes when it is no plain one.
func quoted(name string) string {
	tokens := syntax.Lex(name)
	if len(tokens) == 1 && (tokens[0].Kind == syntax.Name || tokens[0].Kind == syntax.Keyword && wordClass(strings.ToUpper(name)) != reservedWord) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func functions() []candidate {
	var list []candidate
	for _, f := range expr.Aggregates() {
		list = append(list, candidate{strings.ToLower(f.Name), "aggregate"})
	}
	for _, f := range expr.Functions() {
		list = append(list, candidate{strings.ToLower(f.Name), "function"})
	}
	return list
}
