package main

import (
	"bufio"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"penstock/cmd/penstock/gen"
)

// newGen is the parent of what can be generated; there is one such thing so far.
func newGen(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gen",
		Short: "Generate lines for the examples",
		Example: `  penstock gen orders --count 10
  penstock gen orders --count 500000 --bad 0.001 > orders.txt`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGenOrders(a))
	return cmd
}

func newGenOrders(a *app) *cobra.Command {
	var o gen.Options
	var count int64
	var start string
	pace := rate{perSecond: 1000}
	cmd := &cobra.Command{
		Use:   "orders",
		Short: "Generate orders as csv: time, order id, client, symbol, amount, price, side",
		Long: `Generate orders as csv: time, order id, client, symbol, amount, price, side.

The same flags give the same lines on every machine. The k-th busiest client (and symbol) comes
1/k times as often as the first. How many lines were orders and how many were bad is said on
stderr at the end.`,
		Example: `  penstock gen orders --count 500000 --seed 7 --bad 0.001 > orders.txt
  penstock gen orders --count 100000 --delay 5s --late 0.01 | penstock produce orders --partitions 4`,
		Args: arguments(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Rate = pace.perSecond
			at, err := time.Parse(time.DateTime, start)
			if err != nil {
				return usage("--start is %q, expected a time such as %q", start, gen.DefaultStart.Format(time.DateTime))
			}
			o.Start = at
			return a.genOrders(cmd.Context(), o, count)
		},
	}
	f := cmd.Flags()
	f.Int64VarP(&count, "count", "n", 1000, "how many lines")
	f.Uint64Var(&o.Seed, "seed", 1, "another seed gives other lines")
	f.IntVar(&o.Clients, "clients", 100, "how many different clients")
	f.IntVar(&o.Symbols, "symbols", 200, "how many different symbols")
	f.Float64Var(&o.Bad, "bad", 0, "share of lines that are no orders, 0 to 1")
	f.StringVar(&start, "start", gen.DefaultStart.Format(time.DateTime), "time of the first order, UTC")
	f.Var(&pace, "rate", "orders per second of their own time, such as 1000/s or 5/m")
	f.DurationVar(&o.Delay, "delay", 0, "how far behind the newest order another may be")
	f.Float64Var(&o.Late, "late", 0, "share of orders that are behind by more than --delay (up to ten minutes)")
	return cmd
}

func (a *app) genOrders(ctx context.Context, o gen.Options, count int64) error {
	g, err := gen.New(o)
	if err != nil {
		return usage("%v", err)
	}
	w := bufio.NewWriterSize(a.stdout, 1<<18)
	line := make([]byte, 0, 256)
	for i := range count {
		if i%10_000 == 0 && ctx.Err() != nil {
			w.Flush()
			return context.Cause(ctx)
		}
		line = append(g.Next(line[:0]), '\n')
		if _, err := w.Write(line); err != nil {
			return fmt.Errorf("write lines: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	c := g.Counts()
	a.say("%s lines: %s orders (%s buys, %s sells), %s bad", thousands(count),
		thousands(c.Orders), thousands(c.Buys), thousands(c.Sells), thousands(c.Bad))
	return nil
}
