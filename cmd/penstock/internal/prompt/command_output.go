package prompt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"penstock/query/syntax"
)

// onOff reads the argument of a switch; without one it is turned over.
func onOff(name, arg string, now bool) (bool, error) {
	switch strings.ToLower(strings.TrimRight(arg, "; ")) {
	case "":
		return !now, nil
	case "on", "true", "yes", "1":
		return true, nil
	case "off", "false", "no", "0":
		return false, nil
	}
	return now, wrong("%s is %q, expected on or off", name, arg)
}

func word(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func (s *Session) expanded(_ context.Context, arg string, _ script) error {
	if arg = strings.ToLower(arg); arg == "auto" {
		s.Settings.Expanded = "auto"
	} else {
		on, err := onOff(`\x`, arg, s.Settings.Expanded != "off")
		if err != nil {
			return wrong(`\x is %q, expected on, off or auto`, arg)
		}
		s.Settings.Expanded = word(on)
	}
	s.tell("Expanded display is %s.", s.Settings.Expanded)
	return nil
}

func (s *Session) timing(_ context.Context, arg string, _ script) (err error) {
	s.Settings.Timing, err = onOff(`\timing`, arg, s.Settings.Timing)
	if err == nil {
		s.tell("Timing is %s.", word(s.Settings.Timing))
	}
	return err
}

func (s *Session) headers(_ context.Context, arg string, _ script) error {
	on, err := onOff(`\headers`, arg, !s.Settings.Rows)
	s.Settings.Rows = !on
	if err == nil {
		s.tell("Headers are %s.", word(on))
	}
	return err
}

// output is \o: answers go to a file until the next \o.
func (s *Session) output(ctx context.Context, arg string, at script) error {
	if arg == "" {
		s.closeTarget()
		return nil
	}
	if s.pending != "" {
		return wrong(`\o stands on a line of its own`)
	}
	return s.openTarget(home(arg))
}

// outputOnce is \once: only the next answer goes to the file.
func (s *Session) outputOnce(_ context.Context, arg string, _ script) error {
	if arg == "" {
		return wrong(`\once: expected the name of a file`)
	}
	err := s.openTarget(home(arg))
	s.once = err == nil
	return err
}

// home puts the home directory in place of a leading ~.
func home(name string) string {
	name = strings.Trim(name, `'"`)
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, rest)
		}
	}
	return name
}

// copyTo is \copy (QUERY) TO FILE [FORMAT].
func (s *Session) copyTo(ctx context.Context, arg string, _ script) error {
	arg = strings.TrimRight(arg, "; ")
	end := strings.LastIndexByte(arg, ')')
	if !strings.HasPrefix(arg, "(") || end < 0 {
		return wrong(`\copy: expected (QUERY) TO FILE, as in \copy (SELECT * FROM client_totals) TO totals.csv`)
	}
	sql := strings.TrimSpace(arg[1:end])
	words := strings.Fields(arg[end+1:])
	if len(words) < 2 || !strings.EqualFold(words[0], "TO") {
		return wrong(`\copy: expected TO FILE behind the query`)
	}
	name, format := home(words[1]), "csv"
	if known := strings.TrimPrefix(filepath.Ext(name), "."); slices.Contains(Formats, known) {
		format = known
	}
	if len(words) > 2 {
		format = strings.ToLower(words[len(words)-1])
	}
	if !slices.Contains([]string{"csv", "tsv", "json", "jsonl", "markdown"}, format) {
		return wrong(`\copy: unknown format %q, expected csv, tsv, json, jsonl or markdown`, format)
	}
	return s.interruptible(ctx, func(ctx context.Context) error {
		a, err := s.ask(ctx, s.substitute(sql)+";")
		if err != nil {
			return withoutPlace(err)
		}
		f, err := os.Create(name)
		if err != nil {
			return fmt.Errorf("write %s: %w", name, plainError(err))
		}
		set := s.Settings
		set.Format, set.Rows = format, false
		err = (&sheet{Settings: set, a: a, paint: plain}).print(f)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", name, plainError(err))
		}
		fmt.Fprintf(s.Out, "%s written to %s\n", count(int64(len(a.Rows)), "row"), name)
		if a.Fresh.Partial() {
			s.warn("the answer is partial: %s", strings.Trim(footer(a), "()"))
		}
		return nil
	})
}

func settingNames() []string {
	return []string{"format", "null", "border", "wrap", "pager", "separators", "rows", "expanded", "timing"}
}

// pset shows or changes a setting.
func (s *Session) pset(ctx context.Context, arg string, at script) error {
	name, value, given := strings.Cut(strings.TrimRight(arg, ";"), " ")
	value = strings.TrimSpace(value)
	set := &s.Settings
	switches := map[string]*bool{"wrap": &set.Wrap, "pager": &set.Pager, "separators": &set.Separators, "rows": &set.Rows, "tuples_only": &set.Rows}
	switch {
	case name == "":
		fmt.Fprintf(s.Out, "format      %s\nnull        '%s'\nborder      %d\nwrap        %s\npager       %s\nseparators  %s\nrows        %s\nexpanded    %s\ntiming      %s\n",
			set.Format, set.Null, set.Border, word(set.Wrap), word(set.Pager), word(set.Separators), word(set.Rows), set.Expanded, word(set.Timing))
		return nil
	case name == "format":
		return s.setFormat(value)
	case name == "null" && !given:
		s.tell("NULL is shown as '%s'.", set.Null)
		return nil
	case name == "border" && value == "":
		s.tell("Border style is %d.", set.Border)
		return nil
	case name == "null":
		if len(value) > 1 && value[0] == '\'' && value[len(value)-1] == '\'' {
			value = value[1 : len(value)-1]
		}
		set.Null = value
		s.tell("NULL is shown as '%s'.", value)
		return nil
	case name == "border":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > 2 {
			return wrong("border is %q, expected 0, 1 or 2", value)
		}
		set.Border = n
		s.tell("Border style is %d.", n)
		return nil
	case name == "expanded":
		return s.expanded(ctx, value, at)
	case name == "timing":
		return s.timing(ctx, value, at)
	case switches[name] != nil:
		on, err := onOff(name, value, *switches[name])
		if err != nil {
			return err
		}
		*switches[name] = on
		s.tell("%s is %s.", name, word(on))
		return nil
	}
	err := &Problem{Message: fmt.Sprintf("unknown setting %q", name)}
	if near := syntax.DidYouMean(name, settingNames()); near != "" {
		err.Hints = append(err.Hints, near)
	}
	err.Hints = append(err.Hints, "there are "+strings.Join(settingNames(), ", "))
	return err
}

// formatNames are those of sqlite3's .mode and what they are here.
var formatNames = map[string]string{"column": "aligned", "table": "aligned", "box": "aligned", "list": "unaligned", "line": "vertical", "tabs": "tsv", "ndjson": "jsonl", "duckbox": "aligned"}

func (s *Session) setFormat(name string) error {
	if name == "" {
		s.tell("Output format is %s.", s.Settings.Format)
		return nil
	}
	name = strings.ToLower(name)
	if to := formatNames[name]; to != "" {
		name = to
	}
	if !slices.Contains(Formats, name) {
		return wrong("unknown format %q, expected one of %s", name, strings.Join(Formats, ", "))
	}
	s.Settings.Format = name
	s.tell("Output format is %s.", name)
	return nil
}
