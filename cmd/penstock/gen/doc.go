// Package gen makes the lines of the orders example.
//
// A line is what the topic of the example holds: time, order id, client id, symbol, amount, price
// and side, as in
//
//	2016-03-22 20:25:28,1,80,EPE,710,51.00,B
//
// The same options give the same bytes on every machine, so a test can make its input instead of
// keeping it, and can say what a result must be from the counts that the generator kept while it
// wrote. Clients and symbols are skewed as real ones are: the k-th busiest comes 1/k times as often
// as the first (Zipf with exponent 1). A share of the lines can be bad, in the many ways that lines
// of a topic are bad; every one of them must be refused by a stream that is declared as the
// example declares it, and none is a matter of taste. A share can be late, and all can be out of
// order by up to a delay.
//
// It is a package of its own because the command `gen`, `demo`, tests and benchmarks share it.
// Nothing that runs queries knows about orders.
package gen
