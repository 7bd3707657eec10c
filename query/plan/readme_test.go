package plan

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"penstock/query/expr"
	"penstock/query/syntax"
)

const readmePath = "../README.md"

// TestReadmeTables keeps the lists of query/README.md what the code says they are; -rewrite writes
// them.
func TestReadmeTables(t *testing.T) {
	file, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	for _, list := range []struct{ name, text string }{
		{"functions", infoTable(expr.Functions())},
		{"aggregates", infoTable(expr.Aggregates())},
		{"options", optionTable()},
	} {
		begin := "<!-- " + list.name + " -->"
		before, rest, ok := strings.Cut(text, begin)
		old, after, ended := strings.Cut(rest, "<!-- end -->")
		if !ok || !ended {
			t.Fatalf("%s has no %s ... <!-- end -->", readmePath, begin)
		}
		if old != list.text && flag.Lookup("rewrite").Value.String() != "true" {
			t.Errorf("the list of %s in %s is old: run go test ./query/plan -run TestReadme -rewrite", list.name, readmePath)
		}
		text = before + begin + list.text + "<!-- end -->" + after
	}
	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.WriteFile(readmePath, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func infoTable(list []expr.Info) string {
	var b strings.Builder
	b.WriteString("\n| | |\n|---|---|\n")
	for _, f := range list {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(f.Signature, "|", `\|`), f.Help)
	}
	return b.String()
}

func optionTable() string {
	var b strings.Builder
	b.WriteString("\n| | | for example |\n|---|---|---|\n")
	for _, o := range streamOptions {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", o.name, o.takes, o.example)
	}
	return b.String()
}

// TestReadmeExamples binds the statements of query/README.md as one file.
func TestReadmeExamples(t *testing.T) {
	file, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	var sql strings.Builder
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(file), -1)
	for _, block := range blocks {
		sql.WriteString(block[1])
	}
	if len(blocks) == 0 {
		t.Fatal("no examples found")
	}
	if _, diags := Bind(readmePath, sql.String()); len(diags) > 0 {
		t.Error(syntax.Render(readmePath, sql.String(), diags))
	}
}
