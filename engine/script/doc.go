// Package script runs tests of query files: text files that put rows into streams, move time, let
// processes crash, and say what has to come out. README.md is the language; `penstock test` runs
// it, and so do this project's own tests, over the files of testdata.
//
// The way of a test, in the order of the files:
//
//   - file.go: text -> commands. command.go: a command's line, words.go its words. All make
//     syntax.Diagnostics, and so does query.go, which binds the statements under test in place, so
//     that a fault in them points into the file it stands in.
//   - runner.go: which files and which tests. run.go: one command after the other, on a target.
//   - target.go says what a target can do, and in which circumstances: partitions, crashes, small
//     caches, flushes cut at random. local.go is the dataflow in this process (engine/local),
//     kafka.go the engine on Kafka (topics.go reads what it wrote).
//   - expect.go: what was got, as a table of text. table.go reads and writes such tables, result.go
//     is what metrics published, read.go what a SELECT answers, evaluated the plain way.
//   - judge.go: the same expectation from engine/reference, which shares no dataflow with the
//     engine. The project's own tests ask it; users need not.
//   - diff.go: expected and got, side by side. report.go: what the runner prints, for people, as
//     JSON and as JUnit. update.go writes what was got into the file.
//   - eval.go: steps that expect nothing, for `penstock eval`: what they give, or the test that they
//     make with it. steps.go: lines of a stream as such steps.
//
// A test sees only what a user could see: committed results, rejects, counts, tables. So the same
// file holds whatever runs it.
package script
