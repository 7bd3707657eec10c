package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"penstock/cmd/penstock/internal/prompt"
)

// app is what commands share: the streams of the process, what is known of the terminal, and the
// logger. Commands write data to stdout and everything else to stderr or the logger.
type app struct {
	stdin          *os.File
	stdout, stderr *os.File
	outTTY, errTTY bool        // whether stdout and stderr are terminals
	color          bool        // whether stderr and the live view may be coloured
	line           *statusLine // stderr, for everything that is written there
	log            *slog.Logger

	// restore, when set, puts the terminal back. The abort by a second Ctrl-C calls it from the
	// signal's goroutine, hence the atomic.
	restore atomic.Pointer[func()]
	// interrupted, when set, has Ctrl-C instead: the prompt cancels a query with it.
	interrupted atomic.Pointer[func()]

	// server, when set, is asked by the prompt instead of one over HTTP.
	server prompt.Server

	colorFlag, logLevel, logFormat string

	configFile string
	origins    map[string]origin // of the flags of the command that runs
}

func newApp() *app {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	a.outTTY = term.IsTerminal(int(a.stdout.Fd()))
	a.errTTY = term.IsTerminal(int(a.stderr.Fd()))
	a.line = &statusLine{file: a.stderr}
	a.log = slog.New(slog.DiscardHandler)
	return a
}

// addFlags declares the flags that every command has.
func (a *app) addFlags(f *pflag.FlagSet) {
	f.StringVarP(&a.configFile, "config", "C", "", "file with values of flags (default "+settingsFile+", where there is one); penstock config explains it")
	f.StringVar(&a.colorFlag, "color", "auto", "colour on a terminal: auto, always or never (NO_COLOR and TERM=dumb mean never)")
	f.StringVar(&a.logLevel, "log-level", "info", "log lines from this level on: debug, info, warn or error")
	f.StringVar(&a.logFormat, "log-format", "auto", "log lines as text or json; auto is text on a terminal and json otherwise")
}

// prepare runs before every command: flags from the environment and the file, then colour and logging.
func (a *app) prepare(cmd *cobra.Command) (err error) {
	if cmd.Name() == "config" && cmd.Parent() == cmd.Root() {
		// It settles the flags of another command.
	} else if a.origins, err = settle(cmd, os.LookupEnv); err != nil {
		return err
	}
	if listed(cmd) {
		return a.listClientOptions()
	}
	color, err := wantColor(a.colorFlag, a.errTTY, os.LookupEnv)
	if err != nil {
		return err
	}
	a.color = color
	a.log, err = newLogger(a.line, a.logLevel, a.logFormat, a.errTTY)
	return err
}

// setLogLevel replaces the level of a command that is quieter than others by default.
func (a *app) setLogLevel(level string) (err error) {
	a.log, err = newLogger(a.line, level, a.logFormat, a.errTTY)
	return err
}

// wantColor decides on colour: a flag that says so wins, then NO_COLOR, TERM=dumb and
// CLICOLOR_FORCE, then whether there is a terminal. The terminal itself is never asked: its answer
// would arrive as typed text.
func wantColor(flag string, tty bool, env func(string) (string, bool)) (bool, error) {
	switch flag {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
	default:
		return false, usage("--color is %q, expected auto, always or never", flag)
	}
	if v, _ := env("NO_COLOR"); v != "" {
		return false, nil
	}
	if v, _ := env("CLICOLOR_FORCE"); v != "" && v != "0" {
		return true, nil
	}
	if v, _ := env("TERM"); v == "dumb" {
		return false, nil
	}
	return tty, nil
}

func newLogger(w io.Writer, level, format string, tty bool) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usage("--log-level is %q, expected debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	if format == "auto" {
		format = "json"
		if tty {
			format = "text"
		}
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usage("--log-format is %q, expected auto, text or json", format)
}

// say writes a line for the person at the terminal, on stderr.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.line, format+"\n", args...)
}

// paint wraps text in a colour of the terminal when colour is wanted. The codes are those of the
// basic palette, which every theme keeps readable.
func (a *app) paint(code, text string) string {
	if !a.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// open opens a file to read; "-" is stdin.
func (a *app) open(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, plainPathError(err))
	}
	return f, nil
}

// readFile reads a whole file; "-" is stdin.
func (a *app) readFile(name string) (string, error) {
	f, err := a.open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b strings.Builder
	if _, err := io.Copy(&b, f); err != nil {
		return "", fmt.Errorf("read %s: %w", name, plainPathError(err))
	}
	return b.String(), nil
}
