// Package local runs the dataflow of a query file in one process, without Kafka: topics are
// slices, transactions are assignments, and the clock is the caller's.
//
// It drives the same state machines as the engine (core.Router, core.Fold) through the same
// steps, one at a time and in the order that the caller chooses: read some rows, flush route,
// flush fold, crash and begin again from what was committed. Tests of query files run on it, and so
// does the simulator, which draws the steps at random.
package local
