package read

import (
	"fmt"
	"sync/atomic"

	"penstock/query/expr"
)

// Limits bound what one query may hold. Zero is no limit.
type Limits struct {
	Rows  int   // of the answer
	Bytes int64 // of rows and groups held while it is made, about
}

// LimitError is returned for a query that would hold more than its limits.
type LimitError struct {
	What string // "rows", "bytes", "expressions", "text" or "queries"
	Max  int64
}

func (e *LimitError) Error() string {
	switch e.What {
	case "rows":
		return fmt.Sprintf("the answer has more than %d rows, the limit of one query: add LIMIT or a WHERE", e.Max)
	case "expressions":
		return fmt.Sprintf("the query's expressions are so many that to compute them takes more than %d MiB, the limit of one query: ask for less at once", e.Max>>20)
	case "text":
		return fmt.Sprintf("the query makes more than %d MiB of text of a thousand rows, the limit of one query: make shorter texts", e.Max>>20)
	case "queries":
		return fmt.Sprintf("all queries together hold more than %d MiB: ask again in a moment", e.Max>>20)
	}
	return fmt.Sprintf("the query holds more than %d MiB, the limit of one query: add LIMIT or a WHERE, or group by fewer columns", e.Max>>20)
}

// Budget is what one query has left. The goroutines of its parts share it.
type Budget struct {
	limits Limits
	bytes  atomic.Int64
	all    *Budget // of all queries together; nil: there is none
}

// NewBudget returns the budget of one query.
func NewBudget(l Limits) *Budget { return &Budget{limits: l} }

// Within returns the budget of one query of those that share b: what it takes it takes from b too,
// until Release.
func (b *Budget) Within(l Limits) *Budget { return &Budget{limits: l, all: b} }

// Release gives back what was taken from the budget of all queries. Safe twice.
func (b *Budget) Release() {
	if n := b.bytes.Swap(0); b.all != nil {
		b.all.bytes.Add(-n)
	}
}

// take accounts for more memory, or for less when n is negative.
func (b *Budget) take(n int64) error {
	total, all := b.bytes.Add(n), int64(0)
	if b.all != nil {
		all = b.all.bytes.Add(n)
	}
	switch {
	case b.limits.Bytes > 0 && total > b.limits.Bytes:
		return &LimitError{What: "bytes", Max: b.limits.Bytes}
	case b.all != nil && n > 0 && all > b.all.limits.Bytes:
		return &LimitError{What: "queries", Max: b.all.limits.Bytes}
	}
	return nil
}

// textRoom is the part of the budget that one batch may fill with new text.
func (b *Budget) textRoom() expr.TextRoom { return expr.TextRoom{Max: b.limits.Bytes / textShare} }

func (b *Budget) textError() error {
	return &LimitError{What: "text", Max: b.limits.Bytes / textShare}
}

const textShare = 4

// scratchBytes is about what a compiled expression holds for each of its nodes: a vector, a
// selection and flags for a batch of rows. What people write, up to freeNodes, is not counted.
const (
	scratchBytes = 32 << 10
	freeNodes    = 100
)

// reserve takes the memory for the compiled expressions of a shape from the budget, before they are
// compiled: a CASE of ten thousand branches needs gigabytes.
func (s *shape) reserve(b *Budget) (giveBack func(), err error) {
	nodes := 0
	count := func(list ...expr.Node) {
		for _, n := range list {
			if n != nil {
				expr.Walk(n, func(n expr.Node) bool {
					if _, is := expr.ConstValue(n); is {
						return false // operations take it as it is
					}
					nodes++
					return true
				})
			}
		}
	}
	count(s.filter)
	if s.rows != nil {
		for _, o := range s.rows.order {
			count(o.Expr)
		}
		for _, o := range s.rows.output {
			count(o.Expr)
		}
	}
	if s.groups != nil {
		count(s.groups.keys...)
		count(s.groups.args...)
		count(s.groups.filters...)
	}
	if nodes <= freeNodes {
		return func() {}, nil
	}
	n := int64(nodes) * scratchBytes
	if err := b.take(n); err != nil {
		if b.limits.Bytes > 0 && n > b.limits.Bytes/2 {
			err = &LimitError{What: "expressions", Max: b.limits.Bytes}
		}
		return nil, err
	}
	return func() { _ = b.take(-n) }, nil
}

func (b *Budget) rows(n int) error {
	if b.limits.Rows > 0 && n > b.limits.Rows {
		return &LimitError{What: "rows", Max: int64(b.limits.Rows)}
	}
	return nil
}
