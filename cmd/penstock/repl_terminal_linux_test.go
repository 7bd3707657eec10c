package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// talker is a prompt on a terminal, with a history of its own.
type talker struct {
	*terminal
	at int // what was on the terminal before is not waited for again
}

func startPrompt(t *testing.T, width uint16, env ...string) *talker {
	t.Helper()
	env = append([]string{"PENSTOCK_HISTORY=" + filepath.Join(t.TempDir(), "history"), "NO_COLOR=1", "PENSTOCK_PAGER=cat"}, env...)
	p := &talker{terminal: startTerminal(t, width, 24, env, "prompt")}
	p.sees("trades=> ")
	return p
}

// types presses keys.
func (p *talker) types(keys string) { p.t.Helper(); p.press(keys) }

// sees waits for texts, one behind the other.
func (p *talker) sees(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.at = p.await(p.at, text)
	}
}

// answers types a statement and waits for its footer and the next prompt.
func (p *talker) answers(keys string, texts ...string) {
	p.t.Helper()
	p.types(keys)
	p.sees(append(texts, "trades=> ")...)
}

// ends waits for the end, requires the exit code and that the terminal is as it was.
func (p *talker) ends(code int) {
	p.t.Helper()
	err := p.wait()
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d (%v), expected %d; on the terminal:\n%s", got, err, code, p.seen())
	}
	after, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	if !reflect.DeepEqual(p.before, after) {
		p.t.Errorf("terminal settings were %+v and are %+v", p.before, after)
	}
	p.await(strings.LastIndex(p.seen(), "\x1b[?2004h"), "\x1b[?2004l") // bracketed paste is off again
}

const ctrlC, ctrlD = "\x03", "\x04"

func TestPromptEditing(t *testing.T) {
	p := startPrompt(t, 100)
	// Home, End, words, Delete and Backspace, in the forms of tmux and xterm.
	p.answers("lient_id from client_totals limit 1\x1b[1~select c\x1b[4~;\r", "4021", "(1 row, 1.8 ms, 3/3 partitions, lag 0, as of ")
	p.answers("select totalX from client_totals limit 1;\x1b[1;5D\x1b[1;5D\x1b[1;5D\x1b[1;5D\x1b[1;5D\x02\x1b[D\x1b[3~\r", "18,204,112.50")
	p.answers("\x1b[3~\x1a\x00selectt\x7f 1 from client_totals limit 1;\r", "column1", "(1 row")
	// Over several lines; the prompt shows what is open.
	p.types("select 'a\r")
	p.sees("  '> ")
	p.types("b' as x, (\r")
	p.sees("  (> ")
	p.types("1) from client_totals /* why\r")
	p.sees("  *> ")
	p.types("*/\r")
	p.sees("  -> ")
	p.answers("limit 1;\r", `a\nb`, "(1 row")
	// Up finds it as one line, Down comes back.
	p.types("\x1b[A")
	p.sees("select 'a⏎b' as x, (⏎1) from client_totals /* why⏎*/⏎limit 1;")
	p.answers("\r", `a\nb`)
	p.types(ctrlD)
	p.ends(exitDone)
}

func TestPromptPaste(t *testing.T) {
	p := startPrompt(t, 100)
	p.types("\x1b[200~select client_id, -- the client\n\ttotal\nfrom client_totals\nlimit 2;\n\x1b[201~")
	p.sees("select client_id, -- the client⏎    total⏎from client_totals⏎limit 2;")
	p.answers("\r", "4021", "117", "(2 rows")
	p.answers("\\s\r", "select client_id, -- the client⏎")
	if n := strings.Count(p.seen(), "(2 rows"); n != 1 {
		t.Errorf("the paste ran %d times", n)
	}
	p.types("\\q\r")
	p.ends(exitDone)
}

func TestPromptCompletion(t *testing.T) {
	p := startPrompt(t, 100)
	p.types("sel\tcli\tfrom cl\twh\t")
	p.sees("select client_id from client_totals where ")
	p.answers("client_id = 117;\r", "117", "(1 row")
	p.types("\\d T\t")
	p.sees("\\d TOP5")
	p.types("\t")
	p.sees("TOP5CLIENTS metric", "TOP5STOCKS  metric", "\\d TOP5")
	p.answers("STOCKS\r", "metric TOP5STOCKS", "symbol", "reads")
	p.types(ctrlD)
	p.ends(exitDone)
}

func TestPromptNarrow(t *testing.T) {
	p := startPrompt(t, 30)
	p.types("select ")
	for range 5 {
		p.types("\t") // one candidate after the other
	}
	p.types("\x15\\d TOP\t")
	p.sees("TOP5CLIENTS")
	p.types("\t")
	p.sees("TOP5STOCKS")
	p.types(ctrlC)
	p.sees("^C", "trades=> ")
	p.answers("select client_id, total from client_totals where client_id > 0 limit 2;\r", "client_id", "4021", "(2 rows")
	p.answers("\\x auto\r", "auto")
	// Wide again, in the middle of a line.
	p.types("select * from clie")
	p.resize(120, 40)
	p.answers("\tlimit 1;\r", "4021", "(1 row")
	p.types(ctrlD)
	p.ends(exitDone)
}

func TestPromptInterrupts(t *testing.T) {
	p := startPrompt(t, 100)
	p.types(ctrlC)
	p.sees(`(\q or Ctrl-D to leave)`, "trades=> ")
	p.types("select nonsense" + ctrlC)
	p.sees("^C", "trades=> ")
	p.types("select 1\r")
	p.sees("  -> ")
	p.types(ctrlC)
	p.sees("trades=> ")
	p.types("select 'slow' from client_totals;\r")
	p.sees("client_totals;\r\n")
	p.types(ctrlC)
	p.sees("cancelled after ", "trades=> ")
	// Typed ahead, when Enter was not yet read.
	p.types("select 'slow' from client_totals;\r" + ctrlC + "select ")
	p.sees("cancelled after ", "trades=> select ")
	p.types(ctrlC)
	p.sees("trades=> ")
	// The connection is there still, and \watch and \tail end the same way.
	p.answers("select total from client_totals limit 1;\r", "18,204,112.50")
	p.types("\\watch 0.05\r")
	p.sees("(every 0.05 s)", "(1 row", "(every 0.05 s)", "(1 row")
	p.types(ctrlC)
	p.sees("cancelled after ", "trades=> ")
	p.types("\\tail BUYS 2\r")
	p.sees("count 4118", "count 4119")
	p.types(ctrlC)
	p.sees("cancelled after ", "trades=> ")
	if n := strings.Count(p.seen(), "to leave)"); n != 1 {
		t.Errorf("the way out was shown %d times", n)
	}
	p.types(ctrlD)
	p.ends(exitDone)
}

func TestPromptLive(t *testing.T) {
	for name, keys := range map[string]string{"q": "q", "Ctrl-C": ctrlC} {
		t.Run(name, func(t *testing.T) {
			p := startPrompt(t, 100)
			p.types("\\live select symbol, volume from TOP5STOCKS;\r")
			p.sees("\x1b[?1049h", "TOP5STOCKS", "every 1 s, q to leave", "AAPL", "█", "91,204", "3/3 partitions   lag 0")
			p.resize(30, 10)
			p.sees("AAPL")
			p.resize(80, 24)
			p.sees("q to leave")
			p.types(keys)
			p.sees("\x1b[?1049l", "view closed after ", "metric keeps running", "trades=> ")
			// No key was lost to the view.
			p.answers("select total from client_totals limit 1;\r", "18,204,112.50")
			p.types(ctrlD)
			p.ends(exitDone)
		})
	}
}

func TestPromptEditor(t *testing.T) {
	script := filepath.Join(t.TempDir(), "editor")
	text := "#!/bin/sh\necho editing\nread key\necho \"edited by $key\"\nprintf 'select client_id\\nfrom client_totals limit 1;' > \"$1\"\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	p := startPrompt(t, 100, "PENSTOCK_EDITOR="+script)
	p.types("\\e\r")
	p.sees("editing")
	p.types("hand\r") // the editor gets the keys, all of them
	p.sees("edited by hand", "from client_totals limit 1;", "4021", "(1 row", "trades=> ")
	p.answers("\\! echo from the shell\r", "\x1b[?2004lfrom the shell\r\n")
	p.types(ctrlD)
	p.ends(exitDone)
}

func TestPromptShowsFaults(t *testing.T) {
	p := startPrompt(t, 100, "NO_COLOR=", "CLICOLOR_FORCE=1")
	p.answers("select clientid from client_totals;\r", "error[P1204]", `no column "clientid" in table client_totals`, "--> prompt:1:8", "^^^^^^^^ did you mean \"client_id\"?")
	p.answers("select * from client_totals where 'partial' = 'partial' limit 1;\r", "\x1b[33m(1 row, 2/3 partitions: p1 restoring 61 %)\x1b[0m")
	p.answers("\\errverbose\r", "P1204", "from 1:8 to 1:16")
	p.answers("\\pst\r", `unknown command \pst`, `did you mean \pset`)
	p.answers("\\rejects 3\r", "orders/1 @ 40,118", "~~~~~~", `\x1b[2Jgone\u202e`)
	p.types(ctrlD)
	p.ends(exitDone)
}

func TestPromptHistorySurvives(t *testing.T) {
	file := "PENSTOCK_HISTORY=" + filepath.Join(t.TempDir(), "deep", "history")
	p := startPrompt(t, 100, file)
	p.answers("select client_id\rfrom client_totals limit 1;\r", "4021")
	p.answers("\\set password hunter2\r")
	p.types(ctrlD)
	p.ends(exitDone)
	p = startPrompt(t, 100, file)
	p.types("\x1b[A")
	p.sees("select client_id⏎from client_totals limit 1;")
	p.answers("\r", "4021")
	p.types("\x12limit") // Ctrl-R
	p.sees("bck-i-search", "limit")
	p.answers("\r", "4021")
	p.types(ctrlD)
	p.ends(exitDone)
	info, err := os.Stat(strings.TrimPrefix(file, "PENSTOCK_HISTORY="))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the history has mode %v, %v", info, err)
	}
}

func TestPromptIsEndedBySignal(t *testing.T) {
	p := startPrompt(t, 100)
	p.types("select 1 from")
	p.sees("select 1 from")
	if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.ends(exitInterrupted)
	if strings.Contains(p.seen(), "error") {
		t.Errorf("the line that was typed ran: %s", p.seen())
	}
}

// TestPromptWideCharacters: the cursor stands behind what was typed, not behind columns that are not
// there.
func TestPromptWideCharacters(t *testing.T) {
	p := startPrompt(t, 100)
	p.types("select '한글'")
	p.sees("select '한글'")
	p.types("\x02") // between the last letter and the quote: 8 of the prompt, 13 of the line
	p.sees(fmt.Sprintf("select '한글'\r\x1b[%dC", len("trades=> ")+len("select '")+4))
	p.types(ctrlC + ctrlD)
	p.ends(exitDone)
}
