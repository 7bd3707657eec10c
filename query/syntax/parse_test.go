package syntax

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestGolden runs testdata: statements that are printed again, and faulty ones with everything
// that is said about them. `go test ./query/syntax -rewrite` writes the answers anew.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "parse": // each statement on one line, then what is wrong with the others
				return parseAndPrint(t, d.Input)
			case "shape": // an expression with every parenthesis that precedence hides
				x, diags := ParseExpr(d.Input)
				if len(diags) > 0 {
					return Render("q.sql", d.Input, diags)
				}
				return shape(x) + "\n"
			case "format":
				out, diags := Format(d.Input)
				if again, _ := Format(out); again != out {
					t.Errorf("%s: formatting again gives\n%s", d.Pos, again)
				}
				return out + Render("q.sql", d.Input, diags)
			case "tokens": // kind and text of each
				var out strings.Builder
				for _, tok := range Lex(d.Input) {
					out.WriteString(kindNames[tok.Kind] + " " + d.Input[tok.Start:tok.End] + "\n")
				}
				return out.String()
			case "complete":
				done, open := Complete(d.Input)
				return fmt.Sprintf("%v %s\n", done, open)
			case "spans": // where each node stands
				var out strings.Builder
				list, _ := Parse(d.Input)
				for _, s := range list {
					Walk(s, func(n Node) bool {
						fmt.Fprintf(&out, "%-13s %s\n", strings.TrimPrefix(fmt.Sprintf("%T", n), "*syntax."), d.Input[n.At().Start:n.At().End])
						return true
					})
				}
				return out.String()
			case "defined":
				var out strings.Builder
				for _, n := range Defined(d.Input) {
					fmt.Fprintf(&out, "%s, written %s\n", n.Name, n.Raw)
				}
				return out.String()
			case "json":
				_, diags := Parse(d.Input)
				return string(JSON("q.sql", d.Input, diags)) + "\n"
			}
			d.Fatalf(t, "unknown command")
			return ""
		})
	})
}

var kindNames = map[Kind]string{Keyword: "keyword ", Name: "name    ", QuotedName: "quoted  ", Text: "text    ", Num: "number  ", Operator: "operator", Comment: "comment ", Invalid: "invalid "}

func parseAndPrint(t *testing.T, text string) string {
	var out strings.Builder
	list, diags := Parse(text)
	for _, s := range list {
		one := s.String()
		out.WriteString(one + ";\n")
		again, d := Parse(one)
		if len(d) > 0 || len(again) != 1 || !Equal(s, again[0]) {
			t.Errorf("%s\nis printed as\n%s\nwhich is another statement: %s", text, one, Render("", one, d))
		}
	}
	out.WriteString(Render("q.sql", text, diags))
	return out.String()
}
