package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"penstock/engine"
)

// topicsOptions are what the commands below topics share.
type topicsOptions struct {
	kafkaFlags
	app        string
	folds      int
	copies     int
	partitions int
	check      bool
	json       bool
}

func newTopics(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics create|list|describe",
		Short: "Make an application's topics, and compare them with what it needs",
		Long: `Make the topics that an application reads and writes, or compare those there are with what it needs.
penstock run makes its own topics itself; this is for clusters where somebody else has to.`,
		Example: `  penstock topics create orders.sql --app trades --brokers kafka1:9092 --partitions 4
  penstock topics create orders.sql --app trades --check
  penstock topics list examples/orders/orders.sql
  penstock topics describe orders.sql trades-fold-table`,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTopicsCreate(a), newTopicsList(a), newTopicsDescribe(a))
	return cmd
}

func (o *topicsOptions) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	o.add(f)
	f.StringVar(&o.app, "app", "", "name of the application (default the file's name)")
	f.IntVar(&o.folds, "fold-partitions", 0, "number of table partitions, fixed for the life of the application (default 8)")
	f.BoolVar(&o.json, "json", false, "print a JSON array")
}

func newTopicsCreate(a *app) *cobra.Command {
	var o topicsOptions
	cmd := &cobra.Command{
		Use:   "create FILE",
		Short: "Make the topics that are missing, with the right partitions and settings",
		Long: `Make the topics that are missing, with the right partitions and settings. Those that are there stay
as they are; where one is not what the application needs, the exit code is 5, and 1 where one is
still missing. With --check nothing is made, and the exit code is 6 for both.`,
		Example: `  penstock topics create orders.sql --app trades --brokers kafka1:9092 --partitions 4
  penstock topics create orders.sql --app trades --check`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.createTopics(cmd.Context(), &o, args[0]) },
	}
	o.addTo(cmd)
	cmd.Flags().IntVar(&o.partitions, "partitions", 0, "of source topics that are missing and whose stream names no number (default they are not made)")
	cmd.Flags().IntVar(&o.copies, "replication-factor", 0, "of the topics that are made (default the cluster's)")
	cmd.Flags().BoolVar(&o.check, "check", false, "make nothing, only compare")
	return cmd
}

func newTopicsList(a *app) *cobra.Command {
	var o topicsOptions
	cmd := &cobra.Command{
		Use:   "list FILE",
		Short: "List the topics of an application, with what is the matter with them",
		Example: `  penstock topics list examples/orders/orders.sql
  penstock topics list orders.sql --app trades --json`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := o.look(cmd.Context(), a, args[0])
			if err != nil {
				return err
			}
			return o.show(a, list, false)
		},
	}
	o.addTo(cmd)
	return cmd
}

func newTopicsDescribe(a *app) *cobra.Command {
	var o topicsOptions
	cmd := &cobra.Command{
		Use:   "describe FILE [TOPIC...]",
		Short: "Show the settings of an application's topics, beside those it needs",
		Example: `  penstock topics describe examples/orders/orders.sql
  penstock topics describe orders.sql trades-fold-table trades-frames --app trades`,
		Args: arguments(1, -1, "a query file and perhaps topics"),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := o.look(cmd.Context(), a, args[0])
			if err != nil {
				return err
			}
			if list, err = chosen(list, args[1:]); err != nil {
				return err
			}
			return o.show(a, list, true)
		},
	}
	o.addTo(cmd)
	return cmd
}

// chosen are the topics with these names; all of them where there is no name.
func chosen(list []engine.TopicReport, wanted []string) ([]engine.TopicReport, error) {
	if len(wanted) == 0 {
		return list, nil
	}
	var names []string
	for _, t := range list {
		names = append(names, t.Topic)
	}
	var some []engine.TopicReport
	for _, name := range wanted {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, usage("%s is no topic of this application", name).near(name, names)
		}
		some = append(some, list[i])
	}
	return some, nil
}

// open makes ready to look at the topics of a query file's application.
func (o *topicsOptions) open(ctx context.Context, a *app, file string) (*engine.Topics, error) {
	p, err := a.loadPlan(file)
	if err != nil {
		return nil, err
	}
	if err := nameApp(&o.app, file); err != nil {
		return nil, err
	}
	if o.partitions < 0 || o.folds < 0 || o.copies < 0 {
		return nil, usage("a number of partitions or copies below zero")
	}
	client, err := o.connect(ctx, a)
	if err != nil {
		return nil, err
	}
	client.Close()
	security, err := o.secure(a)
	if err != nil {
		return nil, err
	}
	return &engine.Topics{Brokers: o.brokers, Security: security, App: o.app, Plan: p,
		FoldPartitions: o.folds, ReplicationFactor: o.copies, SourcePartitions: o.partitions}, nil
}

func (o *topicsOptions) look(ctx context.Context, a *app, file string) ([]engine.TopicReport, error) {
	t, err := o.open(ctx, a, file)
	if err != nil {
		return nil, err
	}
	list, err := t.Look(ctx)
	return list, engineError(err)
}

func (a *app) createTopics(ctx context.Context, o *topicsOptions, file string) error {
	t, err := o.open(ctx, a, file)
	if err != nil {
		return err
	}
	do := t.Create
	if o.check {
		do = t.Look
	}
	list, err := do(ctx)
	if err != nil {
		return engineError(err)
	}
	if err := o.show(a, list, false); err != nil {
		return err
	}
	missing := slices.ContainsFunc(list, func(t engine.TopicReport) bool { return t.Missing })
	differs := slices.ContainsFunc(list, func(t engine.TopicReport) bool { return len(t.Differs) > 0 })
	switch {
	case !missing && !differs:
		return nil
	case o.check:
		return errSilent(exitDifferent)
	case differs:
		return errSilent(exitState)
	}
	return errSilent(exitFailed)
}

func (o *topicsOptions) show(a *app, list []engine.TopicReport, settings bool) error {
	if o.json {
		return json.NewEncoder(a.stdout).Encode(list)
	}
	text := topicsText(list)
	if settings {
		text = topicSettings(list)
	}
	_, err := a.stdout.WriteString(text)
	return err
}

// topicsText is a line for each topic.
func topicsText(list []engine.TopicReport) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "topic\tpartitions\tcopies\toffsets\tstate\twhat\n")
	for _, t := range list {
		if t.Missing {
			fmt.Fprintf(w, "%s\t\t\t\t%s\t%s\n", t.Topic, topicState(&t), t.What)
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", t.Topic, t.Partitions, t.Replication, thousands(t.Offsets), topicState(&t), t.What)
	}
	w.Flush()
	for _, t := range list {
		for _, d := range t.Differs {
			fmt.Fprintf(&b, "%s: %s\n", t.Topic, d)
		}
		if t.Missing && t.Partitions == 0 {
			fmt.Fprintf(&b, "%s: missing; penstock topics create --partitions N makes it with N partitions\n", t.Topic)
		}
	}
	return b.String()
}

func topicState(t *engine.TopicReport) string {
	switch {
	case t.Missing:
		return "missing"
	case len(t.Differs) > 0:
		return "different"
	case t.Created:
		return "created"
	}
	return "ok"
}

// topicSettings is a block for each topic.
func topicSettings(list []engine.TopicReport) string {
	var b strings.Builder
	for i, t := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s: %s, %s\n", t.Topic, t.What, topicState(&t))
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		if !t.Missing {
			fmt.Fprintf(w, "  partitions\t%d\n  copies\t%d\n  offsets\t%s\n", t.Partitions, t.Replication, thousands(t.Offsets))
		}
		for _, key := range slices.Sorted(maps.Keys(t.Wanted)) {
			is, need := t.Configs[key], "needed"
			if t.Optional {
				need = "default"
			}
			if is == t.Wanted[key] {
				fmt.Fprintf(w, "  %s\t%s\n", key, is)
			} else {
				fmt.Fprintf(w, "  %s\t%s\t%s: %s\n", key, is, need, t.Wanted[key])
			}
		}
		w.Flush()
	}
	return b.String()
}
