package plan

import (
	"os"
	"testing"
)

// BenchmarkBind binds the orders file: what `penstock check` costs beyond its start.
func BenchmarkBind(b *testing.B) {
	raw, err := os.ReadFile("../../examples/orders/orders.sql")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p, _ := Bind("orders.sql", string(raw)); p == nil {
			b.Fatal("no plan")
		}
	}
}
