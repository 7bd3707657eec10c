package script

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"penstock/engine/core"
	"penstock/engine/reference"
	"penstock/query/syntax"
)

// Evaluation is what the steps of a test make of a query file, whatever they expect.
type Evaluation struct {
	// Evaluator is the plain evaluator, over the same rows and the same moves of the clocks.
	Evaluator *reference.Evaluator
	Tally     map[string]core.Tally // by stream, over its partitions
	Stopped   error                 // what stopped the application; Evaluator and Tally are nil then

	file         *File
	query        string
	expectations string
}

// Eval runs the steps of one test over a query file, in this process. Steps are a test file that
// need not expect anything: what it does expect is not compared. The error is a *Fault when the
// steps or the query file are faulty.
func Eval(ctx context.Context, path, text, query string) (*Evaluation, error) {
	f, diags := Parse(path, text)
	switch {
	case syntax.HasErrors(diags):
	case len(f.Tests) > 1:
		diags = append(diags, syntax.Diagnostic{Code: CodeCommand, Span: f.Tests[1].at, Message: "a second test, but steps are evaluated as one",
			Notes: []string{"penstock test --update writes what each test of a file got"}})
	case f.Query != "" && filepath.Base(f.Query) != filepath.Base(query):
		diags = append(diags, syntax.Diagnostic{Code: CodeFile, Span: f.queryAt, Message: "these steps are for another query file than " + query})
	}
	if syntax.HasErrors(diags) {
		return nil, &Fault{path, text, diags}
	}
	f.under = query
	ev := &Evaluation{file: f, query: query}
	var err error
	res := runTest(ctx, f.Tests[0], &Options{after: func(r *run) { err = ev.look(ctx, r) }})
	switch {
	case res.Fault != nil:
		return nil, res.Fault
	case err != nil:
		return nil, err
	case ev.expectations == "": // the test did not come to its end
		return nil, errors.New(res.Failures[0].Reason)
	}
	return ev, ctx.Err()
}

// look takes what can be seen at the end of a run, and notes how a test would look at it. Each
// expectation is of nothing yet, for Update to write what is got.
func (ev *Evaluation) look(ctx context.Context, r *run) error {
	if r.broken == nil {
		r.broken = r.target.Settle(ctx)
	}
	if r.broken != nil {
		ev.Stopped, ev.expectations = r.broken, "EXPECT ERROR\n  no error\n"
		return nil
	}
	st, err := r.target.State(ctx)
	if err != nil {
		return err
	}
	ev.Tally = st.tally
	if ev.Evaluator, err = r.evaluate(st); err != nil {
		return err
	}
	var b strings.Builder
	expect := func(what, name string) { fmt.Fprintf(&b, "EXPECT %s%s\n  %s\n", what, name, nothing) }
	for _, m := range r.plan.Metrics {
		expect("METRIC ", m.Name)
	}
	if len(r.plan.Metrics) == 0 {
		for _, name := range tableNames(r.plan) {
			expect("TABLE ", name)
		}
	}
	if b.Len() == 0 || len(r.rejectsOf(st, &command{})) > 0 {
		expect("REJECTED", "")
	}
	ev.expectations = b.String()
	return nil
}

// Test is a test file: the steps as they were written, and behind them an expectation for each
// metric (of a file without metrics, for each table) and for the rows that were not counted. It
// names the query file, and is to stand beside it.
func (ev *Evaluation) Test(ctx context.Context) (string, error) {
	text := strings.TrimRight(ev.file.Text, "\n") + "\n" + ev.expectations
	if ev.file.Query == "" {
		text = "FILE " + filepath.Base(ev.query) + "\n\n" + text
	}
	f, diags := Parse(ev.file.Path, text)
	if syntax.HasErrors(diags) {
		return "", &Fault{ev.file.Path, text, diags}
	}
	f.under = ev.query
	return Update(text, []*Result{runTest(ctx, f.Tests[0], &Options{})}), ctx.Err()
}
