package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"penstock/cmd/penstock/internal/human"
	"penstock/engine"
	"penstock/engine/broker"
)

type resetOptions struct {
	kafkaFlags
	file, app, stateDir string
	yes, json           bool
	wait                time.Duration
}

func newReset(a *app) *cobra.Command {
	var o resetOptions
	cmd := &cobra.Command{
		Use:   "reset FILE",
		Short: "Forget what an application remembers, so that it begins again",
		Long: `Forget what an application remembers, so that the next run begins at the start of its streams: its
topics (tables, decisions, rejected and replayed rows), the offsets of its groups, and the tables in
--state-dir. Without --yes it only prints what that is.

The topics that it reads and those with its results stay as they are. The next run publishes every
result again, so a topic with results has each of them twice then, which penstock audit reports:
let the metrics write to another topic (WITH (topic = '...')), or empty it, if that matters. It is
not emptied here, because other applications may write to it. Rows that retention has removed from
the streams meanwhile are not counted again.

Every process of the application has to be stopped; one that has just ended is waited for. Those
elsewhere have tables of their own: remove their --state-dir, or reset there first. Until then they
refuse to start.`,
		Example: `  penstock reset examples/orders/orders.sql
  penstock reset orders.sql --brokers kafka1:9092 --app trades --state-dir /var/lib/penstock --yes`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return a.reset(cmd.Context(), &o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.brokers, "brokers", "b", nil, "host:port of one or more Kafka brokers (default: the broker inside the process, whose topics are in --state-dir)")
	f.DurationVar(&o.timeout, "kafka-timeout", 5*time.Second, "how long to try to reach a broker")
	o.security.add(f)
	f.StringVar(&o.app, "app", "", "name of the application (default the file's name)")
	f.StringVar(&o.stateDir, "state-dir", "", "directory of the tables (default $XDG_STATE_HOME/penstock/APP)")
	f.BoolVar(&o.yes, "yes", false, "delete it")
	f.BoolVar(&o.json, "json", false, "print what is deleted as JSON")
	f.DurationVar(&o.wait, "wait", 30*time.Second, "how long processes that have ended may take to be forgotten by Kafka")
	return cmd
}

func (a *app) reset(ctx context.Context, o *resetOptions) error {
	p, err := a.loadPlan(o.file)
	if err != nil {
		return err
	}
	if err := o.complete(); err != nil {
		return err
	}
	security, err := o.secure(a)
	if err != nil {
		return err
	}
	if security != nil && len(o.brokers) == 0 {
		return usage("how to connect to Kafka is given, but no --brokers")
	}
	stop, err := o.reach(ctx, a)
	if err != nil {
		return err
	}
	defer stop()
	r := engine.Reset{Brokers: o.brokers, Security: security, App: o.app, Plan: p,
		StateDir: filepath.Join(o.stateDir, "tables"), Wait: o.wait}
	found, err := r.Look(ctx)
	switch {
	case err != nil:
		return engineError(err)
	case found.Nothing():
		return o.nothing(ctx, a)
	case !o.yes:
		return o.show(a, found, false)
	}
	if len(found.Running) > 0 {
		a.say("waiting until Kafka has seen them leave: %s", strings.Join(found.Running, ", "))
	}
	found, err = r.Run(ctx)
	var running *engine.RunningError
	switch {
	case errors.As(err, &running):
		return (&failure{code: exitState, id: "P5002", text: err.Error(), err: err}).hint("stop every process of it first")
	case err != nil:
		return engineError(err)
	}
	return o.show(a, found, true)
}

// complete fills in what follows from the file, as run does.
func (o *resetOptions) complete() error {
	if err := nameApp(&o.app, o.file); err != nil {
		return err
	}
	if o.stateDir == "" {
		dir, err := stateHome()
		if err != nil {
			return usage("--state-dir is missing, and there is no place for it: %v", err)
		}
		o.stateDir = filepath.Join(dir, "penstock", o.app)
	}
	return nil
}

// reach sees to it that there is a broker: the one that is named, or one on the topics that a run
// without --brokers has kept.
func (o *resetOptions) reach(ctx context.Context, a *app) (stop func(), err error) {
	if len(o.brokers) > 0 {
		client, err := o.connect(ctx, a)
		if err != nil {
			return nil, err
		}
		client.Close()
		return func() {}, nil
	}
	dir := filepath.Join(o.stateDir, "broker")
	if _, err := os.Stat(dir); err != nil {
		return nil, usage("no broker has kept topics in %s", dir).hint("name the brokers with --brokers, or the directory with --state-dir")
	}
	b, err := a.startBroker(broker.Options{Listen: "127.0.0.1:0", DataDir: dir}, "--state-dir")
	if err != nil {
		return nil, err
	}
	o.brokers = []string{b.Addr()}
	return func() {
		if err := b.Close(); err != nil {
			a.log.Debug("stop the broker", "err", err)
		}
	}, nil
}

// nothing says that there is nothing to reset, and which name was perhaps meant.
func (o *resetOptions) nothing(ctx context.Context, a *app) error {
	client, err := o.connect(ctx, a)
	if err != nil {
		return err
	}
	defer client.Close()
	return knownApp(ctx, kadm.NewClient(client), o.app)
}

// show prints what was deleted, or would be.
func (o *resetOptions) show(a *app, r *engine.ResetPlan, done bool) error {
	if o.json {
		e := json.NewEncoder(a.stdout)
		e.SetEscapeHTML(false)
		return e.Encode(struct {
			*engine.ResetPlan
			Deleted bool `json:"deleted"`
		}{r, done})
	}
	if _, err := a.stdout.WriteString(resetText(r, done)); err != nil {
		return err
	}
	switch {
	case done:
	case len(r.Running) > 0:
		a.say("nothing was deleted; the application may be running: %s", strings.Join(r.Running, ", "))
	default:
		a.say("nothing was deleted; --yes does it")
	}
	return nil
}

// resetText is a reset for people.
func resetText(r *engine.ResetPlan, done bool) string {
	var b strings.Builder
	verb := "would be deleted"
	if done {
		verb = "deleted"
	}
	fmt.Fprintf(&b, "application %s, %s:\n", r.App, verb)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, t := range r.Topics {
		fmt.Fprintf(w, "  topic\t%s\t%s, %s\n", t.Topic, t.What, offsets(t.Offsets))
	}
	for _, g := range r.Groups {
		fmt.Fprintf(w, "  group\t%s\twhere it has read to\n", g)
	}
	if r.State != nil {
		fmt.Fprintf(w, "  state\t%s\ttables of this process, %s\n", r.State.Dir, human.Bytes(r.State.Bytes))
	}
	w.Flush()
	b.WriteString("\nstays:\n")
	for _, s := range r.Sources {
		from := "read again from its start"
		if s.Latest {
			from = "read from its end: start = 'latest'"
		}
		fmt.Fprintf(w, "  topic\t%s\tstream %s, %s; %s\n", s.Topic, s.Stream, offsets(s.Offsets), from)
	}
	for _, t := range r.Results {
		fmt.Fprintf(w, "  topic\t%s\tresults, %s; the next run publishes all of its results again\n", t.Topic, offsets(t.Offsets))
	}
	w.Flush()
	for _, s := range r.Sources {
		if s.Gone > 0 {
			fmt.Fprintf(&b, "\ntopic %s no longer has its first %s: they will not be counted again\n", s.Topic, offsets(s.Gone))
		}
	}
	return b.String()
}

// offsets is how large a topic is. Some of its offsets are the ends of transactions and no records.
func offsets(n int64) string { return plural(int(n), "offset", "offsets") }
