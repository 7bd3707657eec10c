package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a program on it.
type terminal struct {
	t      *testing.T
	master *os.File
	tty    *os.File
	before *unix.Termios
	cmd    *exec.Cmd

	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{} // gets a value whenever text has grown
}

// startTerminal starts a command of TestMain on a terminal of a size.
func startTerminal(t *testing.T, width, height uint16, env []string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &terminal{t: t, master: master, tty: tty, grown: make(chan struct{}, 1)}
	t.Cleanup(func() { master.Close(); tty.Close() })
	c.resize(width, height)
	if c.before, err = unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(self, args[1:]...)
	c.cmd.Args[0] = args[0]
	c.cmd.Env = append(os.Environ(), append([]string{"TERM=xterm-256color", "NO_COLOR=", "CLICOLOR_FORCE="}, env...)...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = tty, tty, tty
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read()
	return c
}

func (c *terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := c.master.Read(buf)
		c.mu.Lock()
		c.text.Write(buf[:n])
		c.mu.Unlock()
		select {
		case c.grown <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (c *terminal) resize(width, height uint16) {
	c.t.Helper()
	if err := unix.IoctlSetWinsize(int(c.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *terminal) seen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// await waits until something is on the terminal that was not before the offset, and returns the
// offset behind it.
func (c *terminal) await(from int, what string) int {
	c.t.Helper()
	limit := time.After(patience)
	for {
		text := c.seen()
		if i := strings.Index(text[min(from, len(text)):], what); i >= 0 {
			return from + i + len(what)
		}
		select {
		case <-c.grown:
		case <-limit:
			c.t.Fatalf("waited in vain for %q; on the terminal so far:\n%q", what, text)
		}
	}
}

func (c *terminal) press(keys string) {
	c.t.Helper()
	if _, err := c.master.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// endOfOutput is what a test writes behind the output of a program.
const endOfOutput = "\x00end of output\x00"

// wait waits for the end of the program and until everything that it wrote was read: what the test
// writes itself comes behind it.
func (c *terminal) wait() error {
	c.t.Helper()
	stuck := time.AfterFunc(patience, func() { c.cmd.Process.Kill() })
	err := c.cmd.Wait()
	if !stuck.Stop() {
		c.t.Fatalf("it did not end; on the terminal so far:\n%q", c.seen())
	}
	if _, err := c.tty.WriteString(endOfOutput); err != nil {
		c.t.Fatal(err)
	}
	c.await(0, endOfOutput)
	return err
}

// leave waits for the end of the program, requires the exit code, and requires that the terminal
// is as it was: the cursor shown, the first screen back, the same settings.
func (c *terminal) leave(code int) {
	c.t.Helper()
	err := c.wait()
	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.t.Errorf("exit code %d (%v), expected %d; on the terminal:\n%s", got, err, code, c.seen())
	}
	c.await(0, "\x1b[?1049l")
	text := c.seen()
	for on, off := range map[string]string{"\x1b[?1049h": "\x1b[?1049l", "\x1b[?25l": "\x1b[?25h", "\x1b[?7l": "\x1b[?7h"} {
		if strings.LastIndex(text, on) > strings.LastIndex(text, off) {
			c.t.Errorf("%q was not taken back", on)
		}
	}
	after, err := unix.IoctlGetTermios(int(c.tty.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	if !reflect.DeepEqual(c.before, after) {
		c.t.Errorf("terminal settings were %+v and are %+v", c.before, after)
	}
}

const watched = `RESULTS={"metric":"BUYS","end":"2026-11-22T10:04:00Z","rows":[{"count":24118}]}
{"metric":"TOP","end":"2026-11-22T10:04:00Z","rows":[{"symbol":"EPE","volume":710}]}`

func TestLiveViewInATerminal(t *testing.T) {
	for name, keys := range map[string]string{"q": "q", "Ctrl-C": "\x03", "Ctrl-D": "\x04"} {
		t.Run(name, func(t *testing.T) {
			c := startTerminal(t, 100, 30, []string{watched}, "watch")
			c.await(0, "24,118")
			at := c.await(0, "42 read")
			// Narrower than any table, in the middle of a run, and wide again.
			c.resize(30, 10)
			at = c.await(at, "q to leave")
			c.resize(120, 40)
			c.await(at, "──────────")
			c.press("x\x1a") // neither leaves, nor stops the process
			c.press(keys)
			c.leave(exitDone)
			// What was shown last stays among the lines of the shell.
			text := c.seen()
			if rest := text[strings.LastIndex(text, "\x1b[?1049l"):]; !strings.Contains(rest, "24,118") || !strings.Contains(rest, "EPE") {
				t.Errorf("the last state was not left behind: %q", rest)
			}
		})
	}
}

func TestSignalPutsTheTerminalBack(t *testing.T) {
	c := startTerminal(t, 80, 24, []string{watched}, "watch")
	c.await(0, "24,118")
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.leave(exitDone)
}

func TestSecondSignalAborts(t *testing.T) {
	c := startTerminal(t, 80, 24, []string{watched, "HANG=1"}, "watch")
	c.await(0, "24,118")
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	c.await(0, "\x1b[?1049l")
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	c.leave(exitInterrupted)
}

// TestDemoInATerminal: the four metrics are there within seconds, at 30 columns too.
func TestDemoInATerminal(t *testing.T) {
	for _, width := range []uint16{100, 30} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			began := time.Now()
			c := startTerminal(t, width, 40, nil, "penstock", "demo", "--seed", "1", "--rate", "2000/s")
			for _, what := range []string{"BUYS", "SELLS", "TOP5CLIENTS", "TOP5STOCKS", "AAPL", "▁"} {
				c.await(0, what)
			}
			t.Logf("the metrics were there after %v; 5 s is what is promised on a machine that is not busy", time.Since(began))
			c.press("q")
			c.leave(exitDone)
			c.await(0, "decoded")
		})
	}
}

// TestRunInATerminal: progress is one redrawn line, log lines and the last words stand on lines of
// their own, and Ctrl-C at the terminal stops cleanly.
func TestRunInATerminal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clicks.sql")
	if err := os.WriteFile(file, []byte(clicksSQL), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startTerminal(t, 60, 20, nil, "penstock", "run", file,
		"--state-dir", filepath.Join(dir, "state"), "--broker-listen", "127.0.0.1:0", "--http", "off")
	at := c.await(0, "\nready in ")
	at = c.await(at, "\rclicks: running  0 read  0/s\x1b[K")
	c.press("\x03")
	c.await(at, "stopping (again to abort)\r\n")
	if err := c.wait(); err != nil {
		t.Errorf("%v; on the terminal:\n%s", err, c.seen())
	}
	at = c.await(at, "stopped in ")
	before := strings.TrimSuffix(c.seen()[:at], "stopped in ")
	if !strings.HasSuffix(before, "\n") && !strings.HasSuffix(before, "\r\x1b[K") {
		t.Errorf("the last words do not begin a line: %q", before[max(0, len(before)-80):])
	}
	c.await(at, "\nclicks: read 0 = decoded 0 + bad 0\r\n")
}
