package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newExplain(a *app) *cobra.Command {
	format := "text"
	formats := []string{"text", "json", "dot", "mermaid"}
	cmd := &cobra.Command{
		Use:   "explain FILE [NAME]",
		Short: "Draw how a query file, or one stream, table or metric of it, runs",
		Long: `Draw how a query file, or one stream, table or metric of it, runs: the operators from the
result at the top to the topic at the bottom, with tables, keys, windows and panes.

In the other formats it is a graph, of streams, tables and metrics: json (as GET /v1/plan), dot for
Graphviz, mermaid for Markdown. With a name it holds what that is made from and what is made from it.`,
		Example: `  penstock explain examples/orders/orders.sql
  penstock explain examples/orders/orders.sql TOP5STOCKS
  penstock explain examples/orders/orders.sql --format dot | dot -Tsvg > orders.svg`,
		Args: arguments(1, 2, "a file and perhaps a name"),
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if len(args) > 1 {
				name = args[1]
			}
			if !slices.Contains(formats, format) {
				return usage("--format is %q, expected %s", format, strings.Join(formats, ", ")).near(format, formats)
			}
			return a.explain(args[0], name, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "text, json, dot or mermaid")
	return cmd
}

func (a *app) explain(file, name, format string) error {
	p, err := a.loadPlan(file)
	if err != nil {
		return err
	}
	g, known := p.Graph(name)
	if !known {
		return usage("no stream, table or metric %q in %s", name, file).near(name, planNames(p))
	}
	text := ""
	switch format {
	case "json":
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(g)
	case "dot":
		text = g.Dot()
	case "mermaid":
		text = g.Mermaid()
	default:
		text = p.Explain(name)
	}
	_, err = a.stdout.WriteString(text)
	return err
}
