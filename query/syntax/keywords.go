package syntax

import "strings"

// The three classes of keywords, after PostgreSQL's: a reserved word is never a name unless in
// double quotes; a label is a name but not an alias without AS, because it can begin a clause
// behind one; a word is a name anywhere.
//
// Every word that the grammar's tags mention stands in one of the lists (a test holds that).
// JOIN, UNION and some others are in no rule: they are reserved so that a query that uses them
// gets told so, instead of an alias of that name.
var (
	reservedWords = strings.Fields(`ALL AND AS ASC BOTH CASE CAST CHECK CREATE DESC DISTINCT ELSE END
		EXCEPT FALSE FOR FROM GROUP HAVING ILIKE IN INTERSECT INTO IS JOIN LEADING LIKE LIMIT NOT NULL
		OFFSET ON OR ORDER SELECT TABLE THEN TRAILING TRUE UNION USING WHEN WHERE WINDOW WITH`)
	labelWords = strings.Fields(`BETWEEN EMIT FILTER OVER`)
	plainWords = strings.Fields(`ADVANCE BY CHANGES DATE DESCRIBE EVERY EXPLAIN EXTRACT FINAL FIRST
		FUNCTIONS HOP HOPPING INTERVAL LAST MATERIALIZED MEMORY METRIC METRICS NULLS POSITION PRECISION SHOW
		SIZE SLIDING STREAM STREAMS SUBSTRING TABLES TIME TIMESTAMP TRIM TUMBLE TUMBLING UNKNOWN
		VARYING VIEW WHY WITHOUT ZONE`)
)

var keywords = func() map[string]tokenClass {
	m := map[string]tokenClass{}
	for class, list := range map[tokenClass][]string{classReserved: reservedWords, classLabel: labelWords, classWord: plainWords} {
		for _, w := range list {
			m[w] = class
		}
	}
	return m
}()

// Keywords returns every word the language knows, in upper case, for completion at a prompt.
func Keywords() []string {
	var out []string
	for _, list := range [][]string{reservedWords, labelWords, plainWords} {
		out = append(out, list...)
	}
	return out
}

// units are the words after the number of a length of time, the plurals first: those are suggested.
var units = strings.Fields(`SECONDS MINUTES HOURS DAYS WEEKS MILLISECONDS SECOND MINUTE HOUR DAY WEEK MILLISECOND`)

const plurals = 6
