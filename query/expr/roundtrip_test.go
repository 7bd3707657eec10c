package expr_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
	"penstock/query/syntax"
)

// What a node prints, parsed and bound again, is the same node.
func TestPrintedNodesBindToThemselves(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			nodes, types := expr.RandomNodes(seed, 150)
			var cols strings.Builder
			for i, typ := range types {
				if typ.Kind == row.Interval { // no column can have it
					typ = row.Of(row.Bigint)
				}
				fmt.Fprintf(&cols, "c%d %s, ", i, typ)
			}
			checked := 0
			for _, n := range nodes {
				// The binder folds constants, refuses those that fail, and has another form of
				// IS NOT DISTINCT FROM.
				if readsInterval(n, types) || expr.IsConst(n) || constPart(n) || strings.Contains(n.String(), "IS NOT DISTINCT FROM") {
					continue
				}
				cond, err := expr.IsNull(n, false)
				if err != nil {
					t.Fatal(err)
				}
				checked++
				sql := "CREATE STREAM s (" + cols.String() + "CHECK (" + cond.String() + ")) WITH (topic = 's');"
				p, diags := plan.Bind("t.sql", sql)
				if syntax.HasErrors(diags) {
					t.Errorf("%s\n%v", cond, diags)
					continue
				}
				if got := p.Streams[0].Checks[0].Cond; !expr.Equal(got, cond) {
					t.Errorf("%s of type %s\ncomes back as\n%s", cond, n.Type(), got)
				}
			}
			if checked < 50 {
				t.Fatalf("only %d of %d expressions were of use", checked, len(nodes))
			}
		})
	}
}

// constPart tells whether a part of n that is no literal reads no column.
func constPart(n expr.Node) bool {
	found := false
	expr.Walk(n, func(n expr.Node) bool {
		if _, literal := expr.ConstValue(n); !literal && expr.IsConst(n) {
			found = true
		}
		return !found
	})
	return found
}

func readsInterval(n expr.Node, types []row.Type) bool {
	for _, i := range expr.Columns(n) {
		if types[i].Kind == row.Interval {
			return true
		}
	}
	return false
}
