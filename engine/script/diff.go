package script

import (
	"slices"
	"strings"
)

// equal tells whether two tables have the same rows.
func (t *table) equal(o *table) bool {
	return slices.EqualFunc(t.rows, o.rows, func(a, b []string) bool { return slices.Equal(a, b) })
}

// sideBySide shows two tables, expected left and got right. Between them stands what is different:
// ~ another row, < one that is missing, > one too many.
func sideBySide(want, got *table) []string {
	left, right := want.lines(), got.lines()
	pairs := [][2]int{{0, 0}}
	if len(want.rows) > 0 && len(got.rows) > 0 {
		for _, p := range align(want.rows, got.rows) {
			pairs = append(pairs, [2]int{p[0] + 1, p[1] + 1})
		}
	} else {
		for i := 1; i < max(len(left), len(right)); i++ {
			pairs = append(pairs, [2]int{i, i})
		}
	}
	w := len("expected")
	for _, l := range left {
		w = max(w, width(l))
	}
	pad := func(s string) string { return s + strings.Repeat(" ", w-width(s)) }
	out := []string{pad("expected") + "     got"}
	for n, p := range pairs {
		l, r, mark := "", "", " "
		if p[0] > 0 || n == 0 {
			l = at(left, p[0])
		}
		if p[1] > 0 || n == 0 {
			r = at(right, p[1])
		}
		switch {
		case n == 0:
		case l == "":
			mark = ">"
		case r == "":
			mark = "<"
		case p[0] > len(want.rows) || p[1] > len(got.rows) || !slices.Equal(want.rows[p[0]-1], got.rows[p[1]-1]):
			mark = "~"
		}
		out = append(out, strings.TrimRight(pad(l)+"  "+mark+"  "+r, " "))
	}
	return out
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// align pairs the rows of two tables: equal ones by the longest common subsequence, and between
// those one of each side as long as there are both. -1 stands for none.
func align(a, b [][]string) [][2]int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if slices.Equal(a[i], b[j]) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out [][2]int
	var left, right []int
	flush := func() {
		for k := range max(len(left), len(right)) {
			p := [2]int{-1, -1}
			if k < len(left) {
				p[0] = left[k]
			}
			if k < len(right) {
				p[1] = right[k]
			}
			out = append(out, p)
		}
		left, right = nil, nil
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && slices.Equal(a[i], b[j]):
			flush()
			out = append(out, [2]int{i, j})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			left = append(left, i)
			i++
		default:
			right = append(right, j)
			j++
		}
	}
	flush()
	return out
}
