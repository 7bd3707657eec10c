package engine

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"penstock/query/plan"
)

// TestTwoFilesAtOnce: processes of one application with different files start at the same time. One file
// becomes the application's, whichever, and the other is refused.
func TestTwoFilesAtOnce(t *testing.T) {
	k := newCircumstances(t, testBroker(t), "two", 3000)
	other := plan.Plan(*k.plan)
	other.Metrics = append([]*plan.Metric(nil), k.plan.Metrics...)
	for i, m := range other.Metrics {
		if m.Name == "BUYS" {
			changed := *other.Metrics[i+1] // SELLS, by the name of BUYS
			changed.Name = m.Name
			other.Metrics[i] = &changed
		}
	}
	type end struct {
		file string
		err  error
	}
	ends := make(chan end, 2)
	for file, p := range map[string]*plan.Plan{"one": k.plan, "other": &other} {
		o := k.options(filepath.Join(t.TempDir(), "state"), true)
		o.Plan = p
		e := testEngine(t, o)
		go func() { ends <- end{file, e.Run(k.ctx)} }()
	}
	a, b := <-ends, <-ends
	if a.err == nil {
		a, b = b, a
	}
	var stop *StopError
	if !errors.As(a.err, &stop) || !stop.State || !strings.Contains(a.err.Error(), "BUYS") || b.err != nil {
		t.Fatalf("%s: %v; %s: %v; expected that one is refused for BUYS", a.file, a.err, b.file, b.err)
	}
	t.Logf("%q was first", b.file)
}
