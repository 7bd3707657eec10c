package expr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"penstock/query/row"
)

// The golden files hold one expression a line, in prefix form (see prefix_test.go), and answer
// with its SQL, its type, and its value or the reason there is none. `row` gives the columns.
//
// Each is computed three ways: by EvalRow, by a Program over a batch that holds the row at a few
// positions among others, and folded. They have to agree.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		var cols []goldenColumn
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for _, line := range strings.Split(d.Input, "\n") {
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				switch d.Cmd {
				case "row":
					cols = append(cols, readColumn(t, line))
				case "eval":
					out.WriteString(goldenEval(t, line, cols) + "\n")
				case "agg":
					out.WriteString(goldenAggregate(t, line, cols) + "\n")
				default:
					d.Fatalf(t, "unknown command %s", d.Cmd)
				}
			}
			return out.String()
		})
	})
}

type goldenColumn struct {
	row.Column
	value row.Value
}

// readColumn reads "name type value", with null for NULL.
func readColumn(t *testing.T, line string) goldenColumn {
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 {
		t.Fatalf("a column is name, type and value: %q", line)
	}
	typ, ok := readType(parts[1])
	if !ok {
		t.Fatalf("no type %s", parts[1])
	}
	c := goldenColumn{Column: row.Column{Name: parts[0], Type: typ}, value: row.NullValue}
	switch {
	case strings.HasPrefix(parts[2], "error "):
		c.value = row.Value{State: row.Error, S: parts[2][6:]}
	case parts[2] != "null":
		v, err := row.ParseValue(parts[2], typ)
		if err != nil {
			t.Fatal(err)
		}
		c.value = v
	}
	return c
}

func goldenEval(t *testing.T, line string, cols []goldenColumn) string {
	n, err := readPrefix(line, cols)
	if err != nil {
		return line + "\n  refused: " + err.Error()
	}
	vals := make([]row.Value, len(cols))
	hasError := false
	for i, c := range cols {
		vals[i] = c.value
	}
	for _, i := range Columns(n) {
		hasError = hasError || vals[i].State == row.Error
	}
	v, err := EvalRow(n, vals)
	if !hasError { // batches hold no Error values
		checkVector(t, n, cols, v, err)
	}
	return fmt.Sprintf("%s\n  %s: %s", n, n.Type(), showResult(v, n.Type(), err))
}

func showResult(v row.Value, t row.Type, err error) string {
	switch {
	case err != nil:
		return "fails: " + err.Error()
	case v.State == row.Null:
		return "NULL"
	case v.State == row.Valid && t.Kind == row.Varchar:
		return quote(v.S)
	}
	return string(row.FormatValue(nil, v, t))
}

// checkVector evaluates n over a batch with the golden row at the odd positions and NULLs at the
// others.
func checkVector(t *testing.T, n Node, cols []goldenColumn, want row.Value, wantErr error) {
	t.Helper()
	const rows = 7
	b := &row.Batch{N: rows}
	for _, c := range cols {
		v := newVector(c.Type)
		v.Null = make([]bool, row.MaxBatch)
		for i := range int32(rows) {
			x := row.NullValue
			if i%2 == 1 && c.value.State == row.Valid {
				x = c.value
			}
			setValue(v, i, x)
		}
		b.Cols = append(b.Cols, v)
	}
	var errs Errors
	errs.Reset(rows)
	p := Compile(n)
	v := p.Eval(b, []int32{0, 1, 2, 3, 5, 6}, &errs)
	for _, i := range []int32{1, 3, 5} {
		got, gotErr := row.Value{}, errs.At(i)
		if gotErr == nil {
			got = v.Value(int(i))
		}
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || wantErr == nil && !identical(got, want, n.Type()) {
			t.Errorf("%s: as vector %s, as row %s", n, showResult(got, n.Type(), gotErr), showResult(want, n.Type(), wantErr))
		}
	}
	folded, err := FoldConst(n)
	if err != nil {
		if wantErr == nil {
			t.Errorf("%s: folding fails with %v", n, err)
		}
		return
	}
	vals := make([]row.Value, len(cols))
	for i, c := range cols {
		vals[i] = c.value
	}
	if got, err := EvalRow(folded, vals); err != nil != (wantErr != nil) || err == nil && !identical(got, want, n.Type()) {
		t.Errorf("%s: folded %s, as row %s", n, showResult(got, n.Type(), err), showResult(want, n.Type(), wantErr))
	}
}

// identical compares the values that count for the type, NaN being itself.
func identical(a, b row.Value, t row.Type) bool { return row.Equal(a, b, t) }

// goldenAggregate types an aggregate: name, argument (or *), optionally distinct.
func goldenAggregate(t *testing.T, line string, cols []goldenColumn) string {
	name, rest, _ := strings.Cut(line, " ")
	distinct := false
	if r, ok := strings.CutPrefix(rest, "distinct "); ok {
		rest, distinct = r, true
	}
	var arg, filter Node
	var err error
	if a, f, ok := strings.Cut(rest, " filter "); ok {
		rest = a
		if filter, err = readPrefix(f, cols); err != nil {
			return line + "\n  refused: " + err.Error()
		}
	}
	if rest != "*" {
		if arg, err = readPrefix(rest, cols); err != nil {
			return line + "\n  refused: " + err.Error()
		}
	}
	a, err := NewAggregate(strings.ToUpper(name), arg, distinct, filter)
	if err != nil {
		return line + "\n  refused: " + err.Error()
	}
	return fmt.Sprintf("%s\n  %s", a, a.Type)
}
