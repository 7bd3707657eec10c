package syntax

import (
	"strings"
	"testing"
)

// BenchmarkParse parses a long statement, and one as people write them.
func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"operands": "SELECT a" + strings.Repeat(" + a", 2000) + " FROM s",
		"metric": `CREATE METRIC TOP5STOCKS AS SELECT symbol, SUM(amount) AS volume FROM orders WINDOW SLIDING (SIZE 60 MINUTES)
			WHERE side = 'B' AND price > 10.5 GROUP BY symbol ORDER BY volume DESC LIMIT 5 EMIT EVERY 5 SECONDS`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, diags := Parse(text); len(diags) > 0 {
					b.Fatal(diags)
				}
			}
		})
	}
}
