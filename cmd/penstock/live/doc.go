// Package live draws metrics in a terminal while their results come in.
//
// A View is fed with results as they are published and drawn as text of a given size: it knows
// nothing of Kafka, of the engine or of what the metrics mean. A metric with one number is shown
// as that number with a sparkline of the last intervals; one with rows as a ranked list, with bars
// when a column behind the first is a number and with the history of each row's rank otherwise.
//
//   - result.go: a published result, read from its JSON, with its columns in order.
//   - view.go: what is remembered of each metric.
//   - draw.go: the frame and where panels go; panel.go: one panel; line.go: one line, whose width
//     is counted in columns of the terminal and not in bytes.
//   - screen.go: the terminal itself, entered, drawn to and always put back.
//
// Drawing is a function of the view and the size, so tests compare it as text, at 120 columns and
// at 3.
package live
