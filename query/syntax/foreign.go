package syntax

// Faults that are right elsewhere: clauses in another order, and SQL that other systems have.

// clauseRank is the order of clauses; WINDOW and WHERE may change places.
var clauseRank = map[string]int{
	"FROM": 1, "WINDOW": 2, "WHERE": 2, "GROUP": 3, "HAVING": 4, "ORDER": 5, "LIMIT": 6, "OFFSET": 6, "EMIT": 7,
}

// clauses returns the indexes of the words that begin the clauses of the SELECT around i, up to i.
func (e *explainer) clauses(i int) []int {
	var out []int
	depth := 0
	for j := i - 1; j >= 0; j-- {
		switch {
		case e.is(j, ")"):
			depth++
		case e.is(j, "("):
			depth--
		}
		if depth < 0 || depth == 0 && e.is(j, "SELECT") {
			break
		}
		if depth == 0 && clauseRank[e.tokens[j].value] > 0 && (j == 0 || !e.is(j-1, "DISTINCT", ".", "AS")) {
			out = append(out, j)
		}
	}
	return out
}

var clauseWords = map[string]string{"GROUP": "GROUP BY", "ORDER": "ORDER BY"}

func clauseWord(s string) string {
	if w := clauseWords[s]; w != "" {
		return w
	}
	return s
}

// clauseOrder finds a clause that stands behind one it belongs before, or that was there already.
func (e *explainer) clauseOrder() *finding {
	if e.index >= len(e.tokens) || !e.whole && e.expect != `")"` && e.expect != "" {
		return nil
	}
	word := e.tokens[e.index].value
	rank := clauseRank[word]
	if rank == 0 || e.expect == "" && !e.whole {
		return nil
	}
	before := ""
	for _, j := range e.clauses(e.index) {
		other := e.tokens[j].value
		if other == word {
			return e.finding(CodeClause, "a second "+clauseWord(word)+" in one SELECT", "leave one of them out")
		}
		if clauseRank[other] > rank {
			before = other
		}
	}
	if before == "" {
		return nil
	}
	return e.finding(CodeClause, clauseWord(word)+" belongs before "+clauseWord(before), "",
		"the order is FROM, WINDOW, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET, EMIT")
}

// foreignStatements are first words of statements that are not in the language.
var foreignStatements = map[string]string{
	"DROP":   "a file says what there is: leave the CREATE out",
	"ALTER":  "a file says what there is: change the CREATE",
	"INSERT": "rows come from topics: penstock produce TOPIC writes some",
	"UPDATE": "tables follow from their streams; nothing else changes them",
	"DELETE": "tables follow from their streams; nothing else changes them",
	"SET":    "settings are options of the command, or WITH (...) of a statement",
	"USE":    "there is one set of names",
	"BEGIN":  "every result is exactly once without it",
	"COMMIT": "every result is exactly once without it",
}

// foreign finds SQL that other systems have.
func (e *explainer) foreign() *finding {
	i, word := e.index, e.word(e.index)
	not := func(what string, notes ...string) *finding {
		return e.finding(CodeForeign, what+" is not in the language", "", notes...)
	}
	if note := foreignStatements[word]; i == 0 && note != "" {
		return not(word, note)
	}
	switch {
	case word == "JOIN" || e.is(i+1, "JOIN"):
		return not("JOIN", "a SELECT reads one stream, table or sub-select")
	case word == "UNION", word == "INTERSECT", word == "EXCEPT":
		return not(word)
	case word == "OVER" && e.is(i-1, ")"):
		return not("OVER", "windows of time: WINDOW TUMBLING (SIZE 5 SECONDS) after FROM")
	case word == "SELECT" && !e.whole && e.expect == "":
		return not("a SELECT inside an expression", "put it in FROM or in WITH")
	case word == "OR" && e.is(i-1, "CREATE"):
		return not("CREATE OR REPLACE", "a file says what there is: write CREATE")
	case word == "NOT" && e.word(i-1) == "IF":
		return not("IF NOT EXISTS", "a file says what there is: leave it out")
	case word == "ESCAPE":
		return not("ESCAPE", `in a LIKE pattern write \% and \_`)
	case word == "ISNULL", word == "NOTNULL":
		return e.finding(CodeForeign, word+" is not in the language", map[string]string{"ISNULL": "write IS NULL", "NOTNULL": "write IS NOT NULL"}[word])
	case (word == "PRIMARY" || word == "DEFAULT" || word == "REFERENCES" || word == "UNIQUE") && e.is(1, "STREAM"):
		return not(word, "columns have NOT NULL and CHECK (...)")
	case e.is(i, ",") && e.whole:
		if c := e.clauses(i); len(c) > 0 && e.is(c[0], "FROM") {
			return not("a second name in FROM", "a SELECT reads one stream, table or sub-select")
		}
	}
	return nil
}
