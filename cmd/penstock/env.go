package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"penstock/query/syntax"
)

// flagError turns what pflag says about flags into a usage error with the nearest flag's name.
func flagError(cmd *cobra.Command, err error) error {
	f := usage("%s", err)
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := syntax.Suggest(name, names); len(near) > 0 {
			f.hint("did you mean --%s?", strings.Join(near, " or --"))
		}
	}
	return f.hint("%s --help shows the flags", cmd.CommandPath())
}

// knownCommand refuses a first word that is no command, with the nearest one.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(append(names, c.Name()), c.Aliases...)
		}
	}
	f := usage("unknown command %q", args[0]).near(args[0], names)
	if len(f.hints) > 0 {
		return f
	}
	return f.hint("%s --help lists the commands", cmd.CommandPath())
}

// arguments returns a check for the number of arguments; what says them in words.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) || listed(cmd) {
			return nil
		}
		return usage("found %d arguments, expected %s", len(args), what).
			hint("usage: %s", cmd.UseLine())
	}
}
