package prompt

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// kept is how many statements the history holds.
const kept = 1000

// history is what was entered before, one statement a line with ⏎ for its line breaks. The file is
// readable by its owner only; statements that look as if they held a secret never get there.
type history struct {
	file    string // empty: nowhere to keep it
	entries []string

	at      int    // where Up and Down stand, len(entries): the line that is typed
	typed   string // that line
	moved   bool
	current string // what was put into the line last
}

// HistoryFile is where the history is kept unless PENSTOCK_HISTORY names another file; "-" there
// means nowhere.
func HistoryFile(env func(string) string) string {
	switch name := env("PENSTOCK_HISTORY"); name {
	case "":
	case "-":
		return ""
	default:
		return name
	}
	dir := env("XDG_STATE_HOME")
	if dir == "" {
		home := env("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "penstock", "history")
}

// openHistory reads the history. A file that has grown to twice what is kept is cut.
func openHistory(file string) (*history, error) {
	h := &history{file: file}
	if file == "" {
		return h, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return h, fmt.Errorf("keep history: %w", err)
	}
	f, err := os.OpenFile(file, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return h, fmt.Errorf("keep history: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxPaste)
	for lines.Scan() {
		if text := strings.TrimSpace(strings.ToValidUTF8(lines.Text(), "")); text != "" {
			h.entries = append(h.entries, text)
		}
	}
	long := len(h.entries) > 2*kept
	h.entries = h.entries[max(0, len(h.entries)-kept):]
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		_ = f.Chmod(0o600) // an older file; if it is not ours it stays as it is
	}
	if long {
		return h, h.rewrite()
	}
	h.rewind()
	return h, lines.Err()
}

// rewrite replaces the file by what is kept.
func (h *history) rewrite() error {
	h.rewind()
	temporary := h.file + ".new"
	text := strings.Join(h.entries, "\n") + "\n"
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		return fmt.Errorf("keep history: %w", err)
	}
	return os.Rename(temporary, h.file)
}

// secrets are words that stand beside passwords.
var secrets = []string{"password", "sasl", "secret", "token", "jaas"}

// add keeps a statement, unless it is the last one again or may hold a secret.
func (h *history) add(text string) error {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", string(newline))
	defer h.rewind()
	if text == "" || len(h.entries) > 0 && h.entries[len(h.entries)-1] == text {
		return nil
	}
	lower := strings.ToLower(text)
	for _, s := range secrets {
		if strings.Contains(lower, s) {
			return nil
		}
	}
	h.entries = append(h.entries, text)
	if h.file == "" {
		return nil
	}
	f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep history: %w", err)
	}
	defer f.Close()
	_, err = f.WriteString(text + "\n")
	return err
}

func (h *history) rewind() { h.at, h.moved = len(h.entries), false }

// up returns the entry before that begins with what was typed, down the one behind; ok is false
// where there is none.
func (h *history) up(line string) (entry string, ok bool)   { return h.step(line, -1) }
func (h *history) down(line string) (entry string, ok bool) { return h.step(line, 1) }

func (h *history) step(line string, by int) (string, bool) {
	if !h.moved || line != h.current {
		h.typed, h.at = line, len(h.entries)
	}
	for at := h.at + by; at >= 0 && at <= len(h.entries); at += by {
		entry := h.typed
		if at < len(h.entries) {
			entry = h.entries[at]
		}
		if !strings.HasPrefix(entry, h.typed) || entry == line && at < len(h.entries) {
			continue
		}
		h.at, h.moved, h.current = at, true, entry
		return entry, true
	}
	return "", false
}

// find lists the entries that hold a text, case ignored; all of them for an empty one.
func (h *history) find(text string) []string {
	var found []string
	for _, e := range h.entries {
		if strings.Contains(strings.ToLower(e), strings.ToLower(text)) {
			found = append(found, e)
		}
	}
	return found
}
