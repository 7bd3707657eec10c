package plan

import (
	"strconv"
	"strings"
	"time"
)

// units of lengths as SQL writes them, longest first.
var units = []struct {
	name string
	d    time.Duration
}{
	{"DAY", 24 * time.Hour}, {"HOUR", time.Hour}, {"MINUTE", time.Minute}, {"SECOND", time.Second},
	{"MILLISECOND", time.Millisecond}, {"MICROSECOND", time.Microsecond},
}

// lengthText writes a length as SIZE and EMIT EVERY read it: one number, one unit.
func lengthText(d time.Duration) string {
	for _, u := range units {
		if d != 0 && d%u.d == 0 {
			n := int64(d / u.d)
			if n == 1 {
				return "1 " + u.name
			}
			return strconv.FormatInt(n, 10) + " " + u.name + "S"
		}
	}
	if d == 0 {
		return "0 SECONDS"
	}
	return d.String()
}

func lengthTexts(list []time.Duration) []string {
	texts := make([]string, len(list))
	for i, d := range list {
		texts[i] = lengthText(d)
	}
	return texts
}

func lengthList(list []time.Duration) string { return andList(lengthTexts(list)) }

// thousands groups digits, 10000 as "10,000".
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// andList is "a", "a and b", "a, b and c".
func andList(words []string) string { return joinLast(words, " and ") }

// orList is "a", "a or b", "a, b or c".
func orList(words []string) string { return joinLast(words, " or ") }

func joinLast(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + last + words[len(words)-1]
}
