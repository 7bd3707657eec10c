package main

import (
	"fmt"
	"strconv"
)

// thousands writes a number with separators: 1,204,000.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// short writes a number in a few characters: 812, 9,120, 48.2 k, 1.22 M.
func short(n float64) string {
	if n < 10_000 {
		if n >= 100 || n == float64(int64(n)) {
			return thousands(int64(n))
		}
		return fmt.Sprintf("%.1f", n)
	}
	unit := " k"
	n /= 1000
	for _, next := range []string{" M", " G", " T"} {
		if n < 999.5 {
			break
		}
		n, unit = n/1000, next
	}
	digits := 2
	if n >= 10 {
		digits = 1
	}
	if n >= 100 {
		digits = 0
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + unit
}

// plural writes a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + many
}
