package main

import (
	"fmt"
	"strings"

	"penstock/query/plan"
	"penstock/query/syntax"
)

// loadPlan reads and binds a query file. What is wrong with it is shown at once, all of it, and
// the error then only carries the exit code; warnings are shown and do not fail.
func (a *app) loadPlan(file string) (*plan.Plan, error) {
	text, err := a.readFile(file)
	if err != nil {
		return nil, err
	}
	return a.bind(file, text)
}

// bind is loadPlan for a text that is already here.
func (a *app) bind(file, text string) (*plan.Plan, error) {
	p, diags := plan.Bind(file, text)
	a.showDiagnostics(file, text, diags)
	if syntax.HasErrors(diags) {
		return nil, errSilent(exitInvalid)
	}
	return p, nil
}

// showDiagnostics writes diagnostics to stderr, the word that begins each in colour.
func (a *app) showDiagnostics(file, text string, diags []syntax.Diagnostic) {
	if len(diags) == 0 {
		return
	}
	lines := strings.SplitAfter(syntax.Render(file, text, diags), "\n")
	for i, l := range lines {
		for word, code := range map[string]string{"error[": "1;31", "warning[": "1;33"} {
			end := strings.Index(l, "]")
			if strings.HasPrefix(l, word) && end > 0 {
				lines[i] = a.paint(code, l[:end+1]) + l[end+1:]
			}
		}
	}
	fmt.Fprint(a.line, strings.Join(lines, ""))
}

// planNames returns the names in a plan that a person gave.
func planNames(p *plan.Plan) []string {
	var names []string
	for _, m := range p.Metrics {
		names = append(names, m.Name)
	}
	for _, t := range p.Tables {
		if !t.Hidden {
			names = append(names, t.Name)
		}
	}
	for _, s := range p.Streams {
		names = append(names, s.Name)
	}
	return names
}
