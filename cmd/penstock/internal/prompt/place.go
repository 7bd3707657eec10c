package prompt

import (
	"strings"
	"unicode"

	"penstock/query/syntax"
)

// place is where the cursor stands in a statement.
type place struct {
	prefix        string // the statement up to the word at the cursor
	word          string // the beginning of a word at the cursor
	qualifier     string // the name before a dot before the word
	depth         int    // parentheses that are open
	inside        bool   // a text or a comment: nothing is completed
	lower         bool   // keywords are written in lower case here
	wantsRelation bool   // behind FROM, DESCRIBE, ...
	wantsType     bool   // behind CAST(x AS, and ::
	reads         []string
	aliases       map[string]string // in lower case -> relation
}

// placeOf finds where an offset of a text is, and what the statement around it reads.
func placeOf(text string, at int) place {
	p := place{aliases: map[string]string{}}
	begin, end := statementAround(text, at)
	before := text[begin:at]
	tokens := syntax.Lex(before)
	if n := len(tokens); n > 0 {
		last := tokens[n-1]
		open := last.Kind == syntax.Invalid && strings.ContainsAny(before[last.Start:last.Start+1], `'"/`)
		comment := last.Kind == syntax.Comment && (last.End == len(before) && strings.HasPrefix(before[last.Start:], "--"))
		if p.inside = open || comment; p.inside {
			return p
		}
		if last.End == len(before) && (last.Kind == syntax.Name || last.Kind == syntax.Keyword) {
			p.word = before[last.Start:]
			tokens = tokens[:n-1]
		}
	}
	p.prefix = before[:len(before)-len(p.word)]
	p.look(p.prefix, tokens)
	p.readNames(text[begin:end], at-begin)
	return p
}

// statementAround returns the bounds of the statement that an offset is in.
func statementAround(text string, at int) (begin, end int) {
	end = len(text)
	for _, t := range syntax.Lex(text) {
		if t.Kind != syntax.Operator || text[t.Start:t.End] != ";" {
			continue
		}
		if t.Start >= at {
			return begin, t.Start
		}
		begin = t.End
	}
	return begin, end
}

// look takes what the tokens before the word say.
func (p *place) look(text string, tokens []syntax.Token) {
	word := func(i int) string {
		if i < 0 || i >= len(tokens) {
			return ""
		}
		return strings.ToUpper(text[tokens[i].Start:tokens[i].End])
	}
	var calls []string // what stands before each open parenthesis
	for i, t := range tokens {
		switch {
		case word(i) == "(":
			calls = append(calls, word(i-1))
		case word(i) == ")":
			calls = calls[:max(0, len(calls)-1)]
		case t.Kind == syntax.Keyword:
			p.lower = strings.ToLower(text[t.Start:t.End]) == text[t.Start:t.End]
		}
	}
	if p.word != "" {
		p.lower = !strings.ContainsFunc(p.word, unicode.IsUpper)
	}
	p.depth = len(calls)
	n := len(tokens)
	switch word(n - 1) {
	case "AS":
		p.wantsType = p.depth > 0 && calls[p.depth-1] == "CAST"
	case "::":
		p.wantsType = true
	case "FROM", "DESCRIBE", "EXPLAIN", "WHY", "TABLE":
		p.wantsRelation = !(word(n-1) == "TABLE" && word(n-2) == "CREATE")
	case ".":
		if n > 1 {
			p.qualifier = strings.Trim(text[tokens[n-2].Start:tokens[n-2].End], `"`)
		}
	}
}

// allows tells whether a word may stand at the place: the parser finds no fault before its end.
func (p *place) allows(word string) bool {
	text := p.prefix + word
	_, diags := syntax.Parse(text + " " + strings.Repeat(")", p.depth))
	for _, d := range diags {
		if d.Span.Start < len(text) {
			return false
		}
	}
	return true
}

// cased writes a keyword as the user writes them.
func (p *place) cased(word string) string {
	if p.lower {
		return strings.ToLower(word)
	}
	return word
}

// group is what stands between two parentheses, or the whole statement.
type group struct {
	parent  int
	selects bool
	reads   []string
	inner   bool // reads from a sub-query
}

// readNames finds the relations that the SELECT around an offset reads, with their aliases. Of a
// sub-query in FROM it takes what that reads.
func (p *place) readNames(text string, at int) {
	tokens := syntax.Lex(text)
	groups := []group{{parent: -1}}
	current, home := 0, -1
	word := func(i int) string {
		if i < 0 || i >= len(tokens) {
			return ""
		}
		return strings.ToUpper(text[tokens[i].Start:tokens[i].End])
	}
	for i, t := range tokens {
		if home < 0 && t.Start >= at {
			home = current
		}
		switch w := word(i); {
		case w == "(":
			groups = append(groups, group{parent: current})
			current = len(groups) - 1
		case w == ")" && current > 0:
			current = groups[current].parent
		case w == "SELECT":
			groups[current].selects = true
		case w == "FROM" && word(i+1) == "(":
			groups[current].inner = true
		case w == "FROM" || w == "TABLE":
			if i+1 < len(tokens) && (tokens[i+1].Kind == syntax.Name || tokens[i+1].Kind == syntax.QuotedName || tokens[i+1].Kind == syntax.Keyword) && word(i+2) != "(" && word(i+2) != "." {
				name := unquoted(text[tokens[i+1].Start:tokens[i+1].End])
				groups[current].reads = append(groups[current].reads, name)
				p.alias(text, tokens[min(i+2, len(tokens)):], name, at)
			}
		}
	}
	if home < 0 {
		home = current
	}
	for home > 0 && !groups[home].selects {
		home = groups[home].parent
	}
	p.reads = collect(groups, home)
}

func collect(groups []group, g int) []string {
	reads := groups[g].reads
	for i := range groups {
		// A window call such as TUMBLE(TABLE orders, ...) is a group that does not select.
		if groups[i].parent == g && (groups[g].inner || !groups[i].selects) {
			reads = append(reads, collect(groups, i)...)
		}
	}
	return reads
}

// alias keeps the name that follows a relation, unless the cursor is on it.
func (p *place) alias(text string, tokens []syntax.Token, relation string, at int) {
	if len(tokens) > 0 && strings.EqualFold(text[tokens[0].Start:tokens[0].End], "AS") {
		tokens = tokens[1:]
	}
	if len(tokens) > 0 && (tokens[0].Kind == syntax.Name || tokens[0].Kind == syntax.QuotedName) && tokens[0].End != at {
		p.aliases[strings.ToLower(unquoted(text[tokens[0].Start:tokens[0].End]))] = relation
	}
}

func unquoted(name string) string {
	if strings.HasPrefix(name, `"`) {
		return strings.ReplaceAll(strings.Trim(name, `"`), `""`, `"`)
	}
	return name
}
