package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/engine/broker"
	"penstock/engine/httpapi"
	"penstock/examples"
)

// The transcripts of testdata/transcripts are what a user types and sees. A line that begins with a
// prompt is typed, one that begins with $ is run by a shell (penstock sql alone: on a terminal, until
// \q), [q] presses a key in a view when it shows what stands above. All else has to be on the screen,
// to the column. What differs from run to run is masked in both.

// masks are what may differ, and what stands for it.
var masks = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`^penstock \S+ `), "penstock VERSION "},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST:PORT"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`(as of )\d\d:\d\d:\d\d`), "${1}TIME"},
	{regexp.MustCompile(`^ \d\d:\d\d:\d\d\)$`), " TIME)"}, // as of, where the line was too long
	{regexp.MustCompile(`\b\d+(\.\d+)? m?s([,)])`), "TOOK$2"},
	{regexp.MustCompile(`^\d\d:\d\d:\d\d  0 @ \d+`), "TIME  0 @ OFFSET"},
	{regexp.MustCompile(`(after )\d+(\.\d+)? s\b`), "${1}TOOK"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "OWNER"},
	{regexp.MustCompile(`"as_of":"[^"]*"`), `"as_of":"TIME"`},
	{regexp.MustCompile(`[─▄]+`), "─"}, // a frame's line is as long as what stands in it leaves room; sparklines grow
	{regexp.MustCompile(` {2,}(0\.0 %)`), " $1"},
}

// listedLine is a line of \d: how wide its columns are depends on a size.
var listedLine = regexp.MustCompile(`^ \S+ +(Kind|stream|table|metric) +\S+ +(Columns|\d)`)

// cutEnd is where the widest of them end.
var cutEnd = regexp.MustCompile(`-> met\S*$`)

var spaces, sizes = regexp.MustCompile(` +`), regexp.MustCompile(`\b[\d.]+ (B|KiB)\b`)

func masked(line string) string {
	if listedLine.MatchString(line) {
		line = cutEnd.ReplaceAllString(line, "-> metrics")
		line = sizes.ReplaceAllString(spaces.ReplaceAllString(line, " "), "SIZE")
	}
	for _, m := range masks {
		line = m.what.ReplaceAllString(line, m.by)
	}
	return line
}

// transcript is one file and how far it was played.
type transcript struct {
	t     *testing.T
	name  string
	want  []string // the lines of the file
	dir   string
	url   string
	width int
	tty   *terminal
	seen  []string // what the file would have to be
	shown int      // lines of the screen that were compared
}

// TestTranscripts plays the transcripts against a running engine whose input is the same each time.
func TestTranscripts(t *testing.T) {
	url := startTrades(t)
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			x := &transcript{t: t, name: file, want: strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), dir: t.TempDir(), url: url, width: 100}
			if _, err := fmt.Sscanf(x.want[0], "# %d columns", &x.width); err != nil {
				t.Fatalf("the first line is %q, expected a comment such as # 100 columns", x.want[0])
			}
			x.play()
			if *rewrite {
				if err := os.WriteFile(file, []byte(strings.Join(x.seen, "\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			x.compare()
		})
	}
}

// notOrders are two lines that are no orders.
const notOrders = "2026-11-22 10:03:51,985,117,MSFT,5,B\n2026-11-22 10:03:58,991,4021,AAPL,10,12.3.4,B\n"

// startTrades runs the orders example as application trades, with 6,000 orders and two lines that are
// none, and returns where it answers when all that is in its results.
func startTrades(t *testing.T) string {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	dir := t.TempDir()
	t.Setenv("PENSTOCK_BROKERS", b.Addr())
	query := filepath.Join(dir, "orders.sql")
	if err := os.WriteFile(query, []byte(examples.Orders), 0o600); err != nil {
		t.Fatal(err)
	}
	orders, err := exec.Command("penstock", "gen", "orders", "--count", "6000", "--seed", "7").Output()
	if err != nil {
		t.Fatal(err)
	}
	produce(t, string(orders), "--partitions", "3")
	produce(t, notOrders, "--partition", "1")
	p := startProcess(t, "run", query, "--app", "trades", "--state-dir", filepath.Join(dir, "state"), "--http", "127.0.0.1:0")
	_, url, _ := strings.Cut(p.await("queries at "), "queries at ")
	t.Cleanup(func() { p.stop(os.Interrupt, exitDone) })
	awaitVolume(t, url, volumeOf("AAPL", string(orders)))
	return url
}

func produce(t *testing.T, lines string, args ...string) {
	t.Helper()
	cmd := exec.Command("penstock", append([]string{"produce", "orders"}, args...)...)
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// volumeOf adds up the amounts of a symbol.
func volumeOf(symbol, lines string) (sum int64) {
	for line := range strings.Lines(lines) {
		if f := strings.Split(line, ","); f[3] == symbol {
			n, _ := strconv.ParseInt(f[4], 10, 64)
			sum += n
		}
	}
	return sum
}

// awaitVolume waits until a result of TOP5STOCKS holds every order, and the table's size is known.
func awaitVolume(t *testing.T, url string, want int64) {
	t.Helper()
	client, err := httpapi.NewClient(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		a, err := client.Query(ctx, httpapi.QueryRequest{SQL: "SELECT COUNT(*) AS n FROM TOP5STOCKS WHERE symbol = 'AAPL' AND volume = " + strconv.FormatInt(want, 10)})
		var tables []httpapi.Table // their sizes come a moment later
		if err == nil && len(a.Rows) == 1 && a.Rows[0][0].I == 1 && client.Get(ctx, "/v1/tables", &tables) == nil && tables[0].Bytes > 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the orders were not read: %v %+v", err, a)
		case <-tick.C:
		}
	}
}

// prompts are what a line begins with that is typed.
var prompts = []string{"trades=> ", "  -> ", "  '> ", "  (> ", "  *> "}

// typedLine splits a line into the prompt and what is typed behind it.
func typedLine(line string) (prompt, keys string, ok bool) {
	for _, p := range prompts {
		if keys, ok = strings.CutPrefix(line, p); ok {
			return p, keys, true
		}
	}
	return "", "", false
}

// play does what the file says, line by line.
func (x *transcript) play() {
	for i, line := range x.want {
		_, keys, typed := typedLine(line)
		switch {
		case strings.HasPrefix(line, "#"):
			x.seen = append(x.seen, line)
		case line == "$ penstock sql" || line == "$ penstock sql -q":
			x.seen = append(x.seen, line)
			x.tty = startTerminal(x.t, uint16(x.width), 50, []string{"PENSTOCK_URL=" + x.url, "PENSTOCK_HISTORY=-", "NO_COLOR=1", "PENSTOCK_PAGER=cat"}, strings.Fields(line)[1:]...)
			x.settle("trades=> ", 1)
		case strings.HasPrefix(line, "$ "):
			x.shell(strings.TrimPrefix(line, "$ "))
		case typed && x.tty != nil:
			x.tty.press(keys + "\r")
			x.after(i, keys)
		}
	}
}

// after waits for what a typed line has to show.
func (x *transcript) after(i int, keys string) {
	if keys == `\q` {
		if err := x.tty.wait(); err != nil {
			x.t.Error(err)
		}
		x.take(0)
		x.tty = nil
		return
	}
	for end, line := range x.want[i+1:] {
		if line == "[q]" {
			x.inView(x.want[i], x.want[i+1:i+1+end])
			x.tty.press("q")
		}
		if _, _, typed := typedLine(line); typed || line == "[q]" {
			break
		}
	}
	for _, line := range x.want[i+1:] {
		if prompt, _, ok := typedLine(line); ok {
			x.settle(prompt, 2)
			return
		}
	}
}

// settle waits until the last line of the screen is a prompt with nothing behind it and there are so many
// new lines at least, and takes them.
func (x *transcript) settle(prompt string, more int) {
	x.t.Helper()
	limit := time.After(patience)
	for {
		lines := x.screen().lines()
		if len(lines) >= x.shown+more && lines[len(lines)-1] == strings.TrimRight(prompt, " ") {
			x.take(1)
			return
		}
		select {
		case <-x.tty.grown:
		case <-limit:
			x.t.Fatalf("waited in vain for the prompt %q; on the screen:\n%s", prompt, strings.Join(lines, "\n"))
		}
	}
}

func (x *transcript) screen() *screen {
	return play(strings.ReplaceAll(x.tty.seen(), endOfOutput, ""), x.width, 50)
}

// take adds what is new on the screen, but for its last lines: a prompt comes with what is typed there.
func (x *transcript) take(but int) {
	lines := x.screen().lines()
	if lines[len(lines)-1] == "" {
		but++
	}
	for x.shown < len(lines)-but {
		x.seen = append(x.seen, lines[x.shown])
		x.shown++
	}
}

// inView waits until a view shows lines below what was typed, and notes both.
func (x *transcript) inView(typed string, want []string) {
	x.t.Helper()
	limit := time.After(patience)
	for {
		s := x.screen()
		lines := s.lines()
		if !s.inAlt {
			lines = lines[min(len(lines), x.shown+1):]
		}
		same := len(lines) >= len(want) && slices.EqualFunc(lines[:len(want)], want, func(a, b string) bool { return masked(a) == masked(b) })
		if same && (s.inAlt || len(want) > 0) {
			x.seen = append(append(append(x.seen, typed), want...), "[q]")
			if x.shown++; !s.inAlt {
				x.shown += len(want)
			}
			return
		}
		select {
		case <-x.tty.grown:
		case <-limit:
			x.t.Fatalf("waited in vain for the view\n%s\non the screen:\n%s", strings.Join(want, "\n"), strings.Join(lines, "\n"))
		}
	}
}

// shell runs a command, and notes its output with the exit code when it is not 0.
func (x *transcript) shell(command string) {
	x.t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = x.dir
	cmd.Env = append(os.Environ(), "PENSTOCK_URL="+x.url)
	out, err := cmd.CombinedOutput()
	x.seen = append(x.seen, "$ "+command)
	if text := strings.TrimSuffix(string(out), "\n"); text != "" {
		x.seen = append(x.seen, strings.Split(text, "\n")...)
	}
	if err != nil {
		x.seen = append(x.seen, fmt.Sprintf("[exit code %d]", cmd.ProcessState.ExitCode()))
	}
}

func (x *transcript) compare() {
	x.t.Helper()
	for i := range max(len(x.want), len(x.seen)) {
		want, got := "(nothing)", "(nothing)"
		if i < len(x.want) {
			want = x.want[i]
		}
		if i < len(x.seen) {
			got = x.seen[i]
		}
		if masked(want) != masked(got) {
			x.t.Fatalf("%s:%d:\nexpected %q\n     got %q\nall of it:\n%s", x.name, i+1, want, got, strings.Join(x.seen, "\n"))
		}
	}
}

// TestTranscriptOfDemo asks a running demo what the demo itself says how to ask, while its orders come in.
func TestTranscriptOfDemo(t *testing.T) {
	demo := startTerminal(t, 120, 20, nil, "penstock", "demo", "--seed", "1", "--rate", "500/s")
	demo.await(demo.await(0, "AAPL"), "   Kafka at ") // the last line of the same frame
	m := regexp.MustCompile(`q to leave   penstock sql( http://\S+)?   Kafka at `).FindStringSubmatch(demo.seen())
	if m == nil {
		t.Fatalf("the demo does not say where it answers:\n%q", demo.seen())
	}
	server := cmp.Or(strings.TrimSpace(m[1]), defaultURL)
	p := &talker{terminal: startTerminal(t, 100, 40, []string{"PENSTOCK_HISTORY=-", "NO_COLOR=1", "PENSTOCK_PAGER=cat"}, "penstock", "sql", server)}
	p.sees("connected to "+strings.TrimPrefix(server, "http://")+"  group demo  8/8 partitions running, lag ", "demo=> ")
	p.types("select client_id, total from client_totals\r")
	p.sees("  -> ")
	p.types("    order by total desc limit 3;\r")
	p.sees("(3 rows, ", " ms, 8/8 partitions, lag ", ", as of ", "demo=> ")
	p.types("\\live select symbol, volume from TOP5STOCKS order by volume desc limit 5\r")
	p.sees("┌ TOP5STOCKS ─", " every 1 s, q to leave ┐", "│  1   AAPL ████", "└ as of ", "   5 rows ─", "%") // the next answer
	p.types("q")
	p.sees("view closed after ", ", metric keeps running", "demo=> ")
	p.types("\\rejects 2\r")
	p.sees("orders/", " @ ", " since start, 0.", " % of records)", "demo=> ")
	p.types("\\tail orders 1\r")
	p.sees(" @ ", " @ ", " @ ") // one that was there, and those that come
	p.types("q")
	p.sees("closed after ", "demo=> ")
	if rows := tableOn(play(p.seen(), 100, 40).lines()); rows != 5 {
		t.Errorf("the table has %d lines whose columns are below each other, expected 5:\n%s", rows, strings.Join(play(p.seen(), 100, 40).lines(), "\n"))
	}
	p.types(ctrlD)
	p.ends(exitDone)
	out, err := exec.Command("penstock", "sql", server, "-c", "select client_id, total from client_totals limit 2", "--format", "jsonl").CombinedOutput()
	if !regexp.MustCompile(`^(\{"client_id":\d+,"total":"[\d.]+"\}\n){2}$`).Match(out) {
		t.Errorf("%v %s", err, out)
	}
	demo.press("q")
	demo.leave(exitDone)
}

// tableOn counts the lines of the first table on a screen whose columns are where those of its heading are.
func tableOn(lines []string) (n int) {
	for i, line := range lines {
		bar := strings.Index(line, " | ")
		if bar < 0 || i+1 == len(lines) || !strings.HasPrefix(lines[i+1], "-") {
			continue
		}
		for _, l := range lines[i:] {
			if len(l) <= bar+1 || l[bar+1] != '|' && l[bar+1] != '+' {
				return n
			}
			n++
		}
	}
	return n
}
