package main

import "strings"

// nearest returns the name that a mistyped one was probably meant to be: the fewest insertions,
// deletions, changes and swaps of neighbours away, at most a third of its length; the first of
// equals. Empty when nothing is near.
func nearest(typed string, names []string) string {
	best, bestDistance := "", max(1, len(typed)/3)+1
	for _, name := range names {
		if d := distance(strings.ToLower(typed), strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance is the Damerau-Levenshtein distance (optimal string alignment) of two words.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
