package read

import (
	"fmt"
	"sync/atomic"
)

// Limits bound what one query may hold. Zero is no limit.
type Limits struct {
	Rows  int   // of the answer
	Bytes int64 // of rows and groups held while it is made, about
}

// LimitError is returned for a query that would hold more than its limits.
type LimitError struct {
	What string // "rows" or "bytes"
	Max  int64
}

func (e *LimitError) Error() string {
	if e.What == "rows" {
		return fmt.Sprintf("the answer has more than %d rows, the limit of one query: add LIMIT or a WHERE", e.Max)
	}
	return fmt.Sprintf("the query holds more than %d MiB, the limit of one query: add LIMIT or a WHERE, or group by fewer columns", e.Max>>20)
}

// Budget is what one query has left. The goroutines of its parts share it.
type Budget struct {
	limits Limits
	bytes  atomic.Int64
}

// NewBudget returns the budget of one query.
func NewBudget(l Limits) *Budget { return &Budget{limits: l} }

// take accounts for more memory, or for less when n is negative.
func (b *Budget) take(n int64) error {
	if total := b.bytes.Add(n); b.limits.Bytes > 0 && total > b.limits.Bytes {
		return &LimitError{What: "bytes", Max: b.limits.Bytes}
	}
	return nil
}

func (b *Budget) rows(n int) error {
	if b.limits.Rows > 0 && n > b.limits.Rows {
		return &LimitError{What: "rows", Max: int64(b.limits.Rows)}
	}
	return nil
}
