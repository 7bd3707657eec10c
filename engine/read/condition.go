package read

import (
	"penstock/query/expr"
	"penstock/query/row"
)

// condition is WHERE (or HAVING) as a vector program, with the count of the rows for which it
// could not be computed.
type condition struct {
	node   expr.Node // nil: all rows
	prog   *expr.Program
	errs   expr.Errors
	sel    []int32
	failed int64
	reason string
}

func newCondition(n expr.Node, text *expr.TextRoom) *condition {
	c := &condition{node: n, sel: make([]int32, 0, row.MaxBatch)}
	c.errs.Text = text
	if n != nil {
		c.prog = expr.Compile(n)
	}
	return c
}

// pass returns the positions that pass, good until the next call.
func (c *condition) pass(b *row.Batch, faults []int32) []int32 {
	c.sel = positions(c.sel, b.N, faults)
	if c.node == nil {
		return c.sel
	}
	c.errs.Reset(b.N)
	out := c.prog.Filter(b, c.sel, &c.errs, c.sel[:0])
	if c.errs.Any() {
		for i := range int32(b.N) {
			if err := c.errs.At(i); err != nil {
				c.fail(err)
			}
		}
	}
	return out
}

// passRow is pass for one row with error values.
func (c *condition) passRow(vals []row.Value) bool {
	if c.node == nil {
		return true
	}
	v, err := expr.EvalRow(c.node, vals)
	switch {
	case err != nil:
		c.fail(err)
	case v.State == row.Error:
		c.failed++
		c.reason = first(c.reason, v.S)
	}
	return err == nil && v.State == row.Valid && v.I != 0
}

func (c *condition) fail(err error) {
	c.failed++
	if c.reason == "" {
		c.reason = err.Error()
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// cell computes an expression of an answer for one row; what fails is an error value.
func cell(n expr.Node, vals []row.Value) row.Value {
	v, err := expr.EvalRow(n, vals)
	if err != nil {
		return row.Value{State: row.Error, S: err.Error()}
	}
	return v
}

// column is an expression of an answer as a vector program.
type column struct {
	node expr.Node
	prog *expr.Program
	errs expr.Errors
	vec  *row.Vector
}

func newColumn(n expr.Node, text *expr.TextRoom) *column {
	return &column{node: n, prog: expr.Compile(n), errs: expr.Errors{Text: text}}
}

// eval computes the positions in sel.
func (c *column) eval(b *row.Batch, sel []int32) {
	c.errs.Reset(b.N)
	c.vec = c.prog.Eval(b, sel, &c.errs)
}

// value returns position i of what eval computed.
func (c *column) value(i int32) row.Value {
	if c.errs.Any() {
		if err := c.errs.At(i); err != nil {
			return row.Value{State: row.Error, S: err.Error()}
		}
	}
	return c.vec.Value(int(i))
}
