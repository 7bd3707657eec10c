package main

import (
	"fmt"
	"strconv"
	"time"
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

// bytesText writes a size: 3.1 MiB.
func bytesText(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/(1<<10), "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}

// took writes a duration for people: 0.8 s, 41 s, 2 m 14 s, 2 h 14 m.
func took(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 60:
		return fmt.Sprintf("%.0f s", s)
	case s < 3600:
		return fmt.Sprintf("%d m %d s", int(s)/60, int(s)%60)
	default:
		return fmt.Sprintf("%d h %d m", int(s)/3600, int(s)%3600/60)
	}
}

// plural writes a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + many
}
