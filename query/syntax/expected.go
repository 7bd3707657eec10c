package syntax

import "strings"

// ruleWords say what a rule of the grammar is to a reader.
var ruleWords = map[string]string{
	"NameRule": "a name", "TypeRule": "a type", "OptionRule": "an option", "OptionValueRule": "a value",
	"DurationRule": "a length of time such as 5 SECONDS", "SelectRule": "SELECT", "FromRule": "the name of a stream or table",
	"ElementRule": "a column", "CreateStreamRule": "a name", "CreateAsRule": "a name", "WithRule": "a name",
	"WhenRule": "WHEN", "IsRule": "NULL, TRUE, FALSE or UNKNOWN", "MatchRule": "LIKE, IN or BETWEEN",
	`"MATERIALIZED"`: "MATERIALIZED VIEW", "<ident>": "a name", "<quoted>": "a name", "<number>": "a number", "<string>": "a text in single quotes",
}

// expected words what the grammar wanted at the failure. Of a long tail of rules only the first
// terminal says something; where a choice begins, the first of each alternative.
func (e *explainer) expected() string {
	switch {
	case e.index == 0:
		return "a statement"
	case e.whole:
		return "the end of the statement"
	case e.expect == "":
		return "an expression"
	case e.is(e.index-1, "DISTINCT"):
		return "an expression"
	case e.is(e.index-1, "EXPLAIN", "WHY"):
		return "a name, SELECT or CREATE"
	case e.isUnit():
		return "a unit such as SECONDS"
	}
	var out []string
	for _, alternative := range alternatives(e.expect) {
		word := firstTerminal(alternative)
		if w := ruleWords[word]; w != "" {
			word = w
		}
		if strings.HasPrefix(word, `"`) {
			word = strings.Trim(word, `"`)
		}
		if len(out) == 0 || out[len(out)-1] != word && !strings.HasPrefix(word, "<") {
			out = append(out, word)
		}
	}
	if n := len(out); n > 1 {
		return strings.Join(out[:n-1], ", ") + " or " + out[n-1]
	}
	return out[0]
}

// isUnit tells whether a number of a length of time was read and its unit is missing.
func (e *explainer) isUnit() bool {
	return strings.HasPrefix(e.expect, "(<ident>") && e.index > 0 && e.tokens[e.index-1].class == classNumber
}

// alternatives splits the choice that an EBNF text begins with, and the choice that one of them
// begins with; without one it is all there is.
func alternatives(ebnf string) []string {
	var out []string
	for _, a := range choice(ebnf) {
		if strings.HasPrefix(a, "((") || strings.HasPrefix(a, "(") && a != ebnf {
			out = append(out, alternatives(a)...)
		} else {
			out = append(out, a)
		}
	}
	return out
}

func choice(ebnf string) []string {
	if !strings.HasPrefix(ebnf, "(") || strings.HasPrefix(ebnf, "(?") {
		return []string{ebnf}
	}
	var out []string
	depth, begin := 0, 1
	for i := 0; i < len(ebnf); i++ {
		switch c := ebnf[i]; {
		case c == '"':
			i += strings.IndexByte(ebnf[i+1:], '"') + 1
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return append(out, ebnf[begin:i])
			}
		case c == '|' && depth == 1:
			out = append(out, strings.TrimSpace(ebnf[begin:i]))
			begin = i + 2
		}
	}
	return []string{ebnf}
}

// firstTerminal returns the first literal, token class or rule of an EBNF text.
func firstTerminal(ebnf string) string {
	ebnf = strings.TrimLeft(ebnf, "( ")
	if strings.HasPrefix(ebnf, `"`) {
		return ebnf[:strings.IndexByte(ebnf[1:], '"')+2]
	}
	if i := strings.IndexAny(ebnf, " )?*+!|"); i >= 0 {
		return ebnf[:i]
	}
	return ebnf
}
