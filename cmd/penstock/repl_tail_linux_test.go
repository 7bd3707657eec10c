package main

import "testing"

// TestPromptTail: records of a topic with their bytes escaped, q and Ctrl-C to leave, and no key lost.
func TestPromptTail(t *testing.T) {
	p := startPrompt(t, 100)
	p.types("\\tail orders 2\r")
	p.sees("10:04:00  1 @ 40,117  line 0\r\n", "10:04:01  1 @ 40,118  80  \\xff\\x00\\x1b[2Jgone…\r\n", "… 1,204 records left out")
	p.types("xq")
	p.sees("closed after ", "2 records\r\n", "trades=> ")
	p.types("\\tail metrics 1\r")
	p.sees("line 0\r\n")
	p.types(ctrlC)
	p.sees("^C\r\ncancelled after ", "1 record\r\n", "trades=> ")
	p.types("\\tail TOP5STOCKS 1\r")
	p.sees("count 4118\r\n")
	p.types(ctrlD) // leaves the view, not the session
	p.sees("closed after ", "trades=> ")
	p.answers("\\tail client_totals\r", "client_totals is a table, and has no topic", `\live SELECT * FROM client_totals`)
	p.answers("\\tail BUS\r", `no metric or topic named "BUS"`, `did you mean "BUYS"?`, "trades-rejects")
	p.answers("\\tail BUYS 251\r", "expected how many, from 0 to 250")
	p.answers("select total from client_totals limit 1;\r", "18,204,112.50")
	p.types(ctrlD)
	p.ends(exitDone)
}

// TestPromptHabits: what psql's users type, right and wrong.
func TestPromptHabits(t *testing.T) {
	p := startPrompt(t, 60)
	p.answers("\\dt+\r", "client_…", "table")
	p.answers("\\dp x\r", `warning: \dp: extra argument "x" ignored`, "host-a")
	p.answers("\\l\r", `unknown command \l`, "\r\n   = \\? lists the commands\r\n")
	p.answers("\\? liv\r", `unknown command \liv`, `did you mean \live?`)
	p.answers(".nope\r", "unknown command .nope")
	p.answers("\\pset formt\r", `unknown setting "formt"`, `did you mean "format"?`,
		"   = there are format, null, border, wrap, pager,\r\n     separators, rows, expanded, timing\r\n")
	p.answers("\\pset format\r", "Output format is aligned.")
	p.answers("\\pset border\r", "Border style is 1.")
	p.answers("\\pset border 2\r", "Border style is 2.")
	p.answers("\\pset null\r", "NULL is shown as ''.")
	p.answers("\\headers off\r", "Headers are off.")
	p.answers("\\headers on\r", "Headers are on.")
	p.answers("\\df nope\r", `no function "nope"`, `\df lists them`)
	p.answers("\\errverbose\r", "\x1b[?2004lno function \"nope\"\r\n", `of: \df nope`)
	p.answers("\\rejects 100000\r", "from 1 to\r\n  10000")
	p.answers("\\i /\r", "read /: is a directory")
	p.types("select 1\rquit\r")
	p.sees(`(a statement is open; here it is \q`, "  -> ")
	p.types(ctrlC)
	p.sees("trades=> ")
	p.types("quit\r")
	p.ends(exitDone)
}
