// Package script runs tests of query files: text files that put rows into streams, move time, let
// processes crash, and say what has to come out. README.md is the language; `penstock test` runs
// it, and so do this project's own tests, over the files of testdata.
//
// The way of a test, in the order of the files:
//
//   - file.go: text -> commands. command.go: a command's words. Both make syntax.Diagnostics, and
//     so does query.go, which binds the statements under test in place, so that a fault in them
//     points into the file it stands in.
//   - run.go: one command after the other, on a target. target.go says what a target can do;
//     local.go is the dataflow in this process (engine/local), kafka.go the engine on a broker.
//   - expect.go: what was got, as a table of text. table.go reads and writes such tables, cell.go
//     their cells, result.go what metrics published, read.go what a SELECT answers.
//   - judge.go: the same expectation from engine/reference, which shares no dataflow with the
//     engine. The project's own tests ask it; users need not.
//   - diff.go: expected and got, side by side. report.go, junit.go: what the runner prints.
//     update.go writes what was got into the file.
//   - circumstances.go: the ways to run a test that must not change its text: partitions,
//     crashes, small caches, flushes cut at random.
//
// A test sees only what a user could see: committed results, rejects, counts, tables. So the same
// file holds whatever runs it.
package script
