package engine

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// foldersOf says where the tests are that README.md names with a folder.
var foldersOf = map[string]string{
	"": ".", "storage": "../storage", "cmd/penstock": "../cmd/penstock", "torture": "torture", "local": "local",
	"core": "core", "httpapi": "httpapi", "script": "script", "reference": "reference", "audit": "audit", "broker": "broker", "query/expr": "../query/expr", "query/row": "../query/row",
}

var (
	testInText = regexp.MustCompile("`([a-z/]+)`|Test[A-Za-z0-9]+")
	testInCode = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
)

// testsIn are the tests of a folder.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no tests, %v", folder, err)
	}
	tests := map[string]bool{}
	for _, path := range files {
		code, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testInCode.FindAllSubmatch(code, -1) {
			tests[string(m[1])] = true
		}
	}
	return tests
}

// TestFaultsNameTheirTests: every row of "What can go wrong" in README.md names a test or says that there is
// none, and every test that it names is there.
func TestFaultsNameTheirTests(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| fault | what happens | test |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")
	if len(rows) < 40 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	known := map[string]map[string]bool{}
	for name, folder := range foldersOf {
		known[name] = testsIn(t, folder)
	}
	for _, row := range rows {
		cells := strings.Split(strings.Trim(row, "|"), "|")
		fault, tests, found := strings.TrimSpace(cells[0]), cells[len(cells)-1], 0
		for _, list := range strings.Split(tests, ";") { // each of one folder
			folder := ""
			for _, m := range testInText.FindAllStringSubmatch(list, -1) {
				if m[1] != "" {
					if _, ok := known[m[1]]; ok {
						folder = m[1]
					}
					continue
				}
				if found++; !known[folder][m[0]] {
					t.Errorf("%s: there is no %s in %s", fault, m[0], foldersOf[folder])
				}
			}
		}
		if found == 0 && !strings.HasPrefix(strings.TrimSpace(tests), "not covered: ") {
			t.Errorf("%s: no test is named", fault)
		}
	}
}
