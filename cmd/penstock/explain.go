package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newExplain(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain FILE [NAME]",
		Short: "Draw how a query file, or one stream, table or metric of it, runs",
		Long: `Draw how a query file, or one stream, table or metric of it, runs: the operators from the
result at the top to the topic at the bottom, with tables, keys, windows and panes.`,
		Example: `  penstock explain examples/orders/orders.sql
  penstock explain examples/orders/orders.sql TOP5STOCKS`,
		Args: arguments(1, 2, "a file and perhaps a name"),
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if len(args) > 1 {
				name = args[1]
			}
			return a.explain(args[0], name)
		},
	}
}

func (a *app) explain(file, name string) error {
	p, err := a.loadPlan(file)
	if err != nil {
		return err
	}
	text := p.Explain(name)
	if text == "" && name != "" {
		return usage("no stream, table or metric %q in %s", name, file).near(name, planNames(p))
	}
	_, err = fmt.Fprint(a.stdout, text)
	return err
}
