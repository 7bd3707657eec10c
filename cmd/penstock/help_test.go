package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"penstock/examples"
	"penstock/query/plan"
	"penstock/query/syntax"
)

// Every code that the source names has a page, and every page is of such a code.
func TestEveryCodeHasAPage(t *testing.T) {
	pages := map[string]bool{}
	for _, p := range pagesOfCodes() {
		if pages[p.code] || !codePattern.MatchString(p.code) || p.title == "" || len(p.text) < 3 {
			t.Errorf("page %q: twice, or without a title, an explanation, an example and how to mend it", p.code)
		}
		pages[p.code] = true
	}
	literal := regexp.MustCompile(`"P[0-9]{4}"`)
	used := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range literal.FindAll(text, -1) {
			used[strings.Trim(string(m), `"`)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for code := range used {
		if !pages[code] {
			t.Errorf("%s has no page in codes.txt", code)
		}
	}
	for code := range pages {
		if !used[code] {
			t.Errorf("the page of %s is of no code", code)
		}
	}
}

// What a page of the language calls wrong gives its code, and what it calls right does not.
func TestPagesOfCodesAreTrue(t *testing.T) {
	file := examples.Orders + "CREATE TABLE trades AS SELECT symbol, side, COUNT(*) AS n FROM orders GROUP BY symbol, side;\n"
	p, diags := plan.Bind("orders.sql", file)
	if p == nil {
		t.Fatal(diags)
	}
	codes := func(text string) (list []string) {
		var diags []syntax.Diagnostic
		if strings.HasPrefix(text, "SELECT") {
			_, diags = plan.BindQuery(p, text)
		} else {
			_, diags = plan.Bind("orders.sql", file+text+";")
		}
		for _, d := range diags {
			list = append(list, d.Code)
		}
		return list
	}
	examples := 0
	for _, page := range pagesOfCodes() {
		for _, l := range page.text {
			if text, ok := strings.CutPrefix(l, "wrong: "); ok {
				examples++
				if got := codes(text); !slices.Contains(got, page.code) {
					t.Errorf("%s: %s gives %v", page.code, text, got)
				}
			}
			if text, ok := strings.CutPrefix(l, "right: "); ok {
				if got := codes(text); len(got) > 0 {
					t.Errorf("%s: %s gives %v", page.code, text, got)
				}
			}
		}
	}
	if examples < 30 {
		t.Errorf("%d examples", examples)
	}
}
