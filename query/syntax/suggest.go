package syntax

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Suggest returns the candidates that name may have been meant to be, the nearest first and at
// most two: those within one edit for each three letters (at least one), case ignored. An edit
// is a letter added, left out, replaced, or swapped with its neighbour.
func Suggest(name string, candidates []string) []string {
	type near struct {
		text string
		dist int
	}
	limit := max(1, utf8.RuneCountInString(name)/3)
	var found []near
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c), limit); d <= limit {
			found = append(found, near{c, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.dist, b.dist) })
	var out []string
	for _, f := range found {
		if len(out) < 2 && !slices.Contains(out, f.text) {
			out = append(out, f.text)
		}
	}
	return out
}

// DidYouMean words suggestions as a label: `did you mean "a" or "b"?`, empty without any.
func DidYouMean(name string, candidates []string) string {
	list := Suggest(name, candidates)
	if len(list) == 0 {
		return ""
	}
	return `did you mean "` + strings.Join(list, `" or "`) + `"?`
}

// editDistance is the Damerau-Levenshtein distance (optimal string alignment), or anything above
// limit when it is above limit.
func editDistance(a, b string, limit int) int {
	s, t := []rune(a), []rune(b)
	if abs(len(s)-len(t)) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
