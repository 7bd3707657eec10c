package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newConfig(a *app) *cobra.Command {
	var showOrigin, asJSON bool
	cmd := &cobra.Command{
		Use:   "config [COMMAND [FLAG...]]",
		Short: "Show what a command is set to, and by what",
		Long: `Show what the flags of a command are set to (default run): by the flags given here, by PENSTOCK_*
variables, by ` + settingsFile + ` in the working directory (or the file of -C), or by default, in this
order. --kafka-config is taken from KCAT_CONFIG where nothing else sets it.

What is printed is such a file. A table holds what is for one command only; what stands before the
first is for all commands that have a flag of that name.

  brokers = ["kafka1:9092", "kafka2:9092"]
  kafka-config = "/etc/kafka/client.properties"
  [run]
  memory = "1GiB"`,
		Example: `  penstock config --show-origin
  penstock config --show-origin run --app trades
  penstock config tail > penstock.toml`,
		Args: arguments(0, -1, "a command, and flags of it"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			for _, c := range cmd.Root().Commands() {
				if c.IsAvailableCommand() && len(args) == 0 {
					names = append(names, c.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"run"}
			}
			of, list, err := settingsOf(cmd, args)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(a.stdout).Encode(list)
			}
			_, err = a.stdout.WriteString(settingsText(of, list, showOrigin))
			return err
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.BoolVar(&showOrigin, "show-origin", false, "say where each value comes from")
	f.BoolVar(&asJSON, "json", false, "print a JSON array, with where each value comes from")
	return cmd
}

// setting is a flag with its value.
type setting struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`
	Origin string `json:"origin"`
	isSet  bool
}

// settingsOf are the settings that a command line would run with, and the name of its command.
func settingsOf(cmd *cobra.Command, args []string) (command string, list []setting, err error) {
	of, rest, err := cmd.Root().Find(args)
	if err != nil || of == cmd.Root() {
		return "", nil, knownCommand(cmd.Root(), args)
	}
	if err := of.ParseFlags(rest); err != nil {
		return "", nil, flagError(of, err)
	}
	// The flags of all commands, such as --config, were given to this one.
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { of.Flags().Lookup(f.Name).Changed = f.Changed })
	from, err := settle(of, os.LookupEnv)
	if err != nil {
		return "", nil, err
	}
	of.Flags().VisitAll(func(f *pflag.Flag) {
		if slices.Contains(typed, f.Name) || f.Name == "config" {
			return
		}
		list = append(list, setting{f.Name, valueOf(f), from[f.Name].text, from[f.Name].rank > byDefault})
	})
	return strings.Fields(strings.TrimPrefix(of.CommandPath(), cmd.Root().Name()+" "))[0], list, nil
}

// valueOf is the value of a flag as TOML and JSON have it.
func valueOf(f *pflag.Flag) any {
	if s, ok := f.Value.(pflag.SliceValue); ok {
		list := append([]string{}, s.GetSlice()...)
		for i, v := range list {
			if key, _, ok := strings.Cut(v, "="); ok && f.Name == "kafka-option" && slices.Contains(secretOptions, strings.TrimSpace(key)) {
				list[i] = key + "=<secret>" // it is going to be refused, and not shown either
			}
		}
		return list
	}
	text := f.Value.String()
	switch f.Value.Type() {
	case "bool":
		return text == "true"
	case "int", "int64":
		n, _ := strconv.ParseInt(text, 10, 64)
		return n
	case "float64":
		n, _ := strconv.ParseFloat(text, 64)
		return n
	}
	return text
}

// settingsText is a file that sets the same.
func settingsText(of string, list []setting, showOrigin bool) string {
	var b strings.Builder
	b.WriteString("[" + of + "]\n")
	for _, s := range list {
		line := s.Name + " = " + tomlText(s.Value)
		if !s.isSet && line == s.Name+` = ""` {
			line = "# " + s.Name + " is not set"
		}
		if showOrigin {
			line = fmt.Sprintf("%-45s # %s", line, s.Origin)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func tomlText(v any) string {
	switch v := v.(type) {
	case string:
		b, err := json.Marshal(v) // TOML's basic strings have the escapes of JSON
		if err != nil {
			return strconv.Quote(v)
		}
		return string(b)
	case []string:
		items := make([]string, len(v))
		for i, s := range v {
			items[i] = tomlText(s)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(v)
}
