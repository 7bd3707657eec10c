// Package examples holds query files that run as they are, with data beside them. The binary
// carries the orders file, so that `penstock demo` works wherever it was copied to.
package examples

import _ "embed"

// Orders is orders/orders.sql.
//
//go:embed orders/orders.sql
var Orders string
