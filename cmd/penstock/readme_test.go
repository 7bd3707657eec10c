package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"penstock/examples"
	"penstock/query/syntax"
)

// TestReadme holds the README to the facts: what it links to is there, the commands and flags it
// names exist, and its query file is the example's.
func TestReadme(t *testing.T) {
	top := filepath.Join("..", "..")
	data, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(data)
	for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(readme, -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(top, m[1])); err != nil {
			t.Errorf("a link leads nowhere: %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^    (.*penstock .*)$`).FindAllStringSubmatch(readme, -1) {
		command, _, _ := strings.Cut(m[1], " # ")
		for _, part := range strings.Split(command, "|") {
			if words := strings.Fields(part); len(words) > 1 && filepath.Base(words[0]) == "penstock" {
				checkExample(t, words[1:])
			}
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| (`.*`) \\|").FindAllStringSubmatch(readme, -1) {
		for _, name := range regexp.MustCompile("`([a-z-]+)").FindAllStringSubmatch(m[1], -1) {
			checkExample(t, name[1:])
		}
	}
	for _, target := range regexp.MustCompile(`(?m)^    make (\w+)`).FindAllStringSubmatch(readme, -1) {
		makefile, err := os.ReadFile(filepath.Join(top, "Makefile"))
		if err != nil || !strings.Contains(string(makefile), "\n"+target[1]+":") {
			t.Errorf("no target %s in the Makefile (%v)", target[1], err)
		}
	}
	_, rest, _ := strings.Cut(readme, "```sql\n")
	sql, _, _ := strings.Cut(rest, "```")
	if statements(t, sql) != statements(t, examples.Orders) {
		t.Error("the query file of the README is not examples/orders/orders.sql")
	}
}

// statements prints the statements of a text, one a line, without comments and layout.
func statements(t *testing.T, text string) string {
	t.Helper()
	list, diags := syntax.Parse(text)
	if len(diags) > 0 || len(list) == 0 {
		t.Fatalf("%d statements, %v", len(list), diags)
	}
	var lines []string
	for _, s := range list {
		lines = append(lines, s.String())
	}
	return strings.Join(lines, "\n")
}
