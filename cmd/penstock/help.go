package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// codePages says for each error code what it means, with an example and how to mend it: pages
// behind one another, each begins with its code. In the language's, the example is wrong and the
// line after it right; a test holds them to that.
//
//go:embed codes.txt
var codePages string

// codePage is what there is to say about one code.
type codePage struct {
	code, title string
	text        []string
}

var codePattern = regexp.MustCompile(`^[Pp][0-9]{4}$`)

func pagesOfCodes() []codePage {
	var pages []codePage
	for _, block := range strings.Split(strings.TrimSpace(codePages), "\n\n") {
		lines := strings.Split(block, "\n")
		code, title, _ := strings.Cut(lines[0], " ")
		pages = append(pages, codePage{code, title, lines[1:]})
	}
	return pages
}

// newHelp is cobra's help command, which knows error codes too.
func newHelp(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | CODE]",
		Short: "Help on a command, or on an error code such as P1204",
		Long:  `Help on a command, or on an error code such as P1204: what it means and how to mend it. "codes" lists them.`,
		Example: `  penstock help run
  penstock help P1204`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			for _, c := range cmd.Root().Commands() {
				if c.IsAvailableCommand() && len(args) == 0 {
					names = append(names, c.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && strings.EqualFold(args[0], "codes"):
				for _, p := range pagesOfCodes() {
					fmt.Fprintf(a.stdout, "%s  %s\n", p.code, p.title)
				}
				return nil
			case len(args) == 1 && codePattern.MatchString(args[0]):
				return a.helpOnCode(strings.ToUpper(args[0]))
			}
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return knownCommand(cmd.Root(), args)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

func (a *app) helpOnCode(code string) error {
	var known []string
	for _, p := range pagesOfCodes() {
		if p.code == code {
			fmt.Fprintf(a.stdout, "%s %s\n\n", a.paint("1", p.code), p.title)
			for _, l := range p.text {
				if name, rest, ok := strings.Cut(l, ": "); ok && !strings.Contains(name, " ") {
					l = fmt.Sprintf("  %-8s %s", name, strings.TrimSpace(rest))
				}
				fmt.Fprintln(a.stdout, l)
			}
			return nil
		}
		known = append(known, p.code)
	}
	f := usage("no error has the code %s", code).near(code, known)
	return f.hint("penstock help codes lists them")
}
