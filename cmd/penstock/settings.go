package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every flag can also be set by a variable or in a file. What is nearest to whoever types wins: the
// flag, then the variable, then the file, then the default.

// rank is how near a value's origin is.
type rank int

const (
	byDefault rank = iota
	byFile
	byVariable
	byFlag
)

// origin is where the value of a flag comes from.
type origin struct {
	rank rank
	text string // as people are told: "flag", "variable PENSTOCK_APP", "penstock.toml:3"
}

// settingsFile is read where it stands in the working directory, and no other is named.
const settingsFile = "penstock.toml"

// typed are flags that only a person may set, each time.
var typed = []string{"help", "version", "yes"}

// envName is the variable that sets a flag: PENSTOCK_STATE_DIR for --state-dir.
func envName(flag string) string {
	return "PENSTOCK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// settle gives the flags of a command that the command line leaves open their values, and returns
// where each value comes from.
func settle(cmd *cobra.Command, env func(string) (string, bool)) (map[string]origin, error) {
	from := map[string]origin{}
	flags := cmd.Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		from[f.Name] = origin{byDefault, "default"}
		if f.Changed {
			from[f.Name] = origin{byFlag, "flag"}
		}
	})
	var failed error
	set := func(f *pflag.Flag, variable string) {
		value, ok := env(variable)
		if !ok || value == "" || f.Changed || slices.Contains(typed, f.Name) || failed != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = usage("%s=%q: %v", variable, value, err)
		}
		from[f.Name] = origin{byVariable, "variable " + variable}
	}
	flags.VisitAll(func(f *pflag.Flag) { set(f, envName(f.Name)) })
	if failed != nil {
		return nil, failed
	}
	if err := settleFile(cmd, from); err != nil {
		return nil, err
	}
	// Who has a file for kcat need not name it again.
	if f := flags.Lookup("kafka-config"); f != nil {
		set(f, "KCAT_CONFIG")
	}
	return from, failed
}

// settleFile sets what neither the command line nor the environment does from the file.
func settleFile(cmd *cobra.Command, from map[string]origin) error {
	name, _ := cmd.Flags().GetString("config")
	text, err := os.ReadFile(cmp.Or(name, settingsFile))
	switch {
	case name == "" && errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usage("--config %s: %v", cmp.Or(name, settingsFile), plainPathError(err))
	}
	s := &settings{name: cmp.Or(name, settingsFile), text: string(text), from: from}
	if _, err := toml.Decode(s.text, &s.values); err != nil {
		var at toml.ParseError
		if errors.As(err, &at) {
			return usage("%s:%d: %s", s.name, at.Position.Line, at.Message)
		}
		return usage("%s: %v", s.name, err)
	}
	return s.apply(cmd)
}

// settings is a file of them: names of flags, for all commands that have them, and tables of those
// for one command.
//
//	brokers = ["kafka1:9092", "kafka2:9092"]
//	[run]
//	memory = "1GiB"
type settings struct {
	name, text string
	values     map[string]any
	from       map[string]origin
}

// place is where a key stands, for messages.
func (s *settings) place(key string) string {
	at := regexp.MustCompile(`(?m)^[ \t]*"?` + regexp.QuoteMeta(key) + `"?[ \t]*=|^[ \t]*\[[ \t]*` + regexp.QuoteMeta(key) + `[ \t]*\]`).FindStringIndex(s.text)
	if at == nil {
		return s.name
	}
	return fmt.Sprintf("%s:%d", s.name, 1+strings.Count(s.text[:at[0]], "\n"))
}

func (s *settings) apply(cmd *cobra.Command) error {
	everywhere, commands := map[string]bool{}, map[string]*cobra.Command{}
	for _, c := range cmd.Root().Commands() {
		commands[c.Name()] = c
		eachFlag(c, func(f *pflag.Flag) { everywhere[f.Name] = true })
	}
	// The command's own table first: what it sets is set.
	for _, own := range []bool{true, false} {
		for _, key := range sortedKeys(s.values) {
			table, isTable := s.values[key].(map[string]any)
			switch {
			case isTable && commands[key] == nil:
				return usage("%s: [%s] is no command", s.place(key), key).near(key, sortedKeys(commands))
			case isTable && own:
				if err := s.applyTable(cmd, commands[key], table); err != nil {
					return err
				}
			case !isTable && !own:
				if err := s.set(cmd, key, s.values[key], everywhere); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// applyTable checks the settings of one command, and sets them when it is the one that runs.
func (s *settings) applyTable(cmd, of *cobra.Command, table map[string]any) error {
	known := map[string]bool{}
	eachFlag(of, func(f *pflag.Flag) { known[f.Name] = true })
	runs := cmd
	if !partOf(cmd, of) {
		runs = nil
	}
	for _, key := range sortedKeys(table) {
		if err := s.set(runs, key, table[key], known); err != nil {
			return err
		}
	}
	return nil
}

func partOf(cmd, of *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if cmd == of {
			return true
		}
	}
	return false
}

// eachFlag visits the flags of a command and of those below it.
func eachFlag(c *cobra.Command, visit func(*pflag.Flag)) {
	c.Flags().VisitAll(visit)
	c.InheritedFlags().VisitAll(visit)
	for _, sub := range c.Commands() {
		eachFlag(sub, visit)
	}
}

// set sets one flag of a command, if it has it and nothing nearer has set it; nil only checks.
func (s *settings) set(cmd *cobra.Command, key string, value any, known map[string]bool) error {
	name := strings.ReplaceAll(key, "_", "-")
	if slices.Contains(typed, name) || name == "config" {
		return usage("%s: %s can only be given on the command line", s.place(key), key)
	}
	if !known[name] {
		return usage("%s: no setting %q", s.place(key), key).near(name, sortedKeys(known)).
			hint("settings are named like flags; penstock config shows them")
	}
	if cmd == nil {
		return nil
	}
	f := cmd.Flags().Lookup(name)
	if f == nil || f.Changed {
		return nil
	}
	values, isList := value.([]any)
	if !isList {
		values = []any{value}
	} else if _, takes := f.Value.(pflag.SliceValue); !takes {
		return usage("%s: %s takes one value, not a list", s.place(key), key)
	}
	for _, v := range values {
		if err := cmd.Flags().Set(name, fmt.Sprint(v)); err != nil {
			return usage("%s: %s = %v: %v", s.place(key), key, v, err)
		}
	}
	s.from[name] = origin{byFile, s.place(key)}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
