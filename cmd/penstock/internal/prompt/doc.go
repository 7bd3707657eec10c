// Package prompt is the prompt: it reads statements and commands from a person, a file or a pipe,
// asks a server, and prints the answers.
//
// The way of one line at a terminal:
//
//	keyboard ──filter──> readline ──listener──> enter ──cut──> statement or command ──> answer ──> sheet
//	                        └──painter──canvas──> terminal
//
// # The line editor
//
// Readline edits one line well and has faults around that, which are mended from outside:
//
//   - keyboard.go owns the terminal's input. One reader at a time; a read can be called off, so a view,
//     an editor or a shell that has the terminal loses no key.
//   - filter.go turns bytes into those that readline knows: a paste is one key, Home and End work in
//     tmux, nothing stops the parent process.
//   - canvas.go draws instead of readline, with the widths that terminals use.
//   - editor.go puts them together and handles Tab, Delete, Up and Down. history.go is what Up finds;
//     paint.go colours by the parser's own lexer.
//
// A line break inside the line is the character ⏎: readline cannot draw a real one, and a history
// entry is one line.
//
// # What may stand at the cursor
//
// place.go finds the statement, the word and what is read; complete.go asks the parser for each
// keyword whether it may stand there, so completion follows the grammar without a list of its own.
//
// # Answers
//
// answer.go is what a Server says; http.go is the one over HTTP. Cells stay JSON until they are printed,
// so no digit is lost. format.go has the formats for programs, aligned.go those for people, footer.go
// how fresh an answer is. Text that came from records never reaches a terminal unescaped
// (cell.go). faults.go shows an error with its place, as penstock check would.
//
// # Sessions
//
// session.go runs pieces of text (split.go) until they end; commands.go is the table of backslash
// commands, which are in the command_*.go files and live.go.
package prompt
