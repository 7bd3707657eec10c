// Command penstock runs files of SQL over Apache Kafka.
//
// This package is the command line and nothing else: it reads flags, opens files and terminals,
// starts what engine offers, and prints. What a query means is in query, how it runs in engine.
//
// main.go holds the table of commands; each command is one file named after it. What commands
// share:
//
//   - app.go: the streams, the terminal, colour, the logger. Data goes to stdout, everything else
//     to stderr.
//   - env.go: every flag can come from the environment, as PENSTOCK_ and its name.
//   - exit.go: the exit codes, and how an error is shown. An error is shown in one place, at the end.
//   - signals.go: the first Ctrl-C stops cleanly, the second at once.
//   - kafka.go: a client, topics, and words for a broker that is not there.
//   - progress.go: one redrawn line on a terminal, a log line now and then otherwise.
//
// The packages below: gen makes the lines of the orders example, live draws metrics in a terminal,
// internal/prompt is the prompt of repl and run -i.
package main
