package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"penstock/engine/script"
	"penstock/query/plan"
	"penstock/query/syntax"
)

func newCheck(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "check FILE...",
		Aliases: []string{"validate", "lint"},
		Short:   "Say everything that is wrong with query files, without a broker",
		Long: `Say everything that is wrong with query files, and with the test files beside them, without a
broker: every mistake of every statement, with its place and what to do about it. Exit code 3 when
a file cannot run; warnings do not count.`,
		Example: `  penstock check examples/orders/orders.sql
  penstock check --json *.sql | jq '.[] | select(.severity == "error")'`,
		Args: arguments(1, -1, "one file or more"),
		RunE: func(_ *cobra.Command, files []string) error { return a.check(files, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the diagnostics as a JSON array")
	return cmd
}

func (a *app) check(files []string, asJSON bool) error {
	invalid := false
	reports := []syntax.Report{}
	shown := 0
	for _, file := range files {
		text, err := a.readFile(file)
		if err != nil {
			return err
		}
		what, diags := a.checkFile(file, text)
		invalid = invalid || syntax.HasErrors(diags)
		if asJSON {
			reports = append(reports, syntax.Reports(file, text, diags)...)
			continue
		}
		if shown > 0 && len(diags) > 0 {
			a.say("")
		}
		shown += len(diags)
		a.showDiagnostics(file, text, diags)
		if what != "" {
			fmt.Fprintf(a.stdout, "%s: ok, %s\n", file, what)
		}
	}
	if asJSON {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(reports); err != nil {
			return err
		}
	}
	if invalid {
		return errSilent(exitInvalid)
	}
	return nil
}

// checkFile says what is in a file, nothing when it cannot run, and what is wrong with it.
func (a *app) checkFile(file, text string) (what string, diags []syntax.Diagnostic) {
	if strings.HasSuffix(file, script.Extension) {
		tests, diags := script.Check(file, text, a.readFile)
		if syntax.HasErrors(diags) {
			return "", diags
		}
		return counted(tests, "test", "tests"), diags
	}
	p, diags := plan.Bind(file, text)
	if p == nil {
		return "", diags
	}
	return contents(p), diags
}

// counted is 1 test, 4 tests.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// contents says what is in a plan: 1 stream, 1 table, 4 metrics.
func contents(p *plan.Plan) string {
	tables := 0
	for _, t := range p.Tables {
		if !t.Hidden {
			tables++
		}
	}
	var parts []string
	for _, c := range []struct {
		n         int
		one, many string
	}{
		{len(p.Streams), "stream", "streams"}, {tables, "table", "tables"},
		{len(p.Metrics), "metric", "metrics"}, {len(p.Queries), "query", "queries"},
	} {
		if c.n > 0 {
			parts = append(parts, plural(c.n, c.one, c.many))
		}
	}
	if len(parts) == 0 {
		return "nothing in it"
	}
	return strings.Join(parts, ", ")
}
