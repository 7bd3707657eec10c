package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"penstock/cmd/penstock/internal/human"
	"penstock/engine"
	"penstock/engine/broker"
	"penstock/engine/rejects"
	"penstock/query/plan"
	"penstock/storage"
)

func newRun(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Run a query file",
		Long: `Run a query file until Ctrl-C or SIGTERM, which stop it cleanly.

Without --brokers a broker runs inside this process; its topics are kept below --state-dir.
Processes with the same file, brokers and --app share the work; each needs a --state-dir of its
own. Bad and late rows are counted, reported, and kept on topic APP-rejects.`,
		Example: `  penstock run examples/orders/orders.sql
  penstock run -i examples/orders/orders.sql
  penstock run orders.sql --brokers kafka1:9092,kafka2:9092 --app trades --state-dir /var/lib/penstock`,
		Args: arguments(1, 1, "a query file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			if o.prompt && !cmd.Flags().Changed("log-level") {
				if err := a.setLogLevel("warn"); err != nil {
					return err
				}
			}
			return a.run(cmd.Context(), &o)
		},
	}
	o.add(cmd.Flags())
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only show how the file would run, and with --brokers the topics that are missing or different")
	cmd.Flags().BoolVarP(&o.prompt, "interactive", "i", false, "talk with the running engine at a prompt, as with penstock repl")
	return cmd
}

func (a *app) run(ctx context.Context, o *runOptions) error {
	p, err := a.loadPlan(o.file)
	if err != nil {
		return err
	}
	if err := o.complete(a, p); err != nil {
		return err
	}
	if o.dryRun {
		return a.dryRun(ctx, o, p)
	}
	if o.prompt && o.http.options.Address == "off" {
		return usage("-i asks over HTTP, which --http off has switched off")
	}
	r := &runner{a: a, o: o, bad: &rejectLog{log: a.log, topic: rejects.Topic(o.app)}}
	o.engine.OnRejects = r.bad.take
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.close()
	return r.supervise(ctx)
}

// dryRun shows the plan, and the topics where a Kafka is named. It makes and changes nothing.
func (a *app) dryRun(ctx context.Context, o *runOptions, p *plan.Plan) error {
	if _, err := a.stdout.WriteString(p.Explain("")); err != nil || len(o.brokers) == 0 {
		return err
	}
	client, err := o.connect(ctx, a)
	if err != nil {
		return err
	}
	client.Close()
	list, err := engine.Topics{Brokers: o.brokers, Security: o.engine.Security, App: o.app, Plan: p, FoldPartitions: o.engine.FoldPartitions}.Look(ctx)
	if err != nil {
		return engineError(err)
	}
	_, err = a.stdout.WriteString("\n" + topicsText(list))
	return err
}

// runner is an engine with the broker below it, if that is in this process, and what is shown of
// them.
type runner struct {
	a       *app
	o       *runOptions
	broker  *broker.Broker // nil: elsewhere
	engine  *engine.Engine
	service *service
	bad     *rejectLog
	started time.Time
	ready   bool
	meter   meter
	restore restoreMeter
}

// open starts the broker and opens the state. What a person can mend is said in words here,
// before anything runs.
func (r *runner) open(ctx context.Context) (err error) {
	r.started = time.Now()
	if err := r.o.needFiles(r.o.engine.Plan); err != nil {
		return err
	}
	if len(r.o.brokers) == 0 {
		r.broker, err = r.a.startBroker(broker.Options{
			Listen: r.o.brokerListen, DataDir: filepath.Join(r.o.stateDir, "broker"),
		}, "--broker-listen")
		if err != nil {
			return err
		}
		r.o.engine.Brokers = []string{r.broker.Addr()}
		r.o.engine.CreateSources = true
	} else {
		if err := r.reach(ctx); err != nil {
			return err
		}
		// A broker inside the process keeps what is produced in the same heap, where no bound of
		// ours holds: the collector would only run without end.
		engine.LimitProcess(r.o.engine.Memory)
	}
	engine.ShareCores()
	r.o.engine.Logger = r.a.log
	r.engine, err = engine.New(r.o.engine)
	if err != nil {
		r.close()
		return engineError(err)
	}
	if r.service, err = r.o.http.listen(r.a, r.engine); err != nil {
		err = errors.Join(err, r.engine.Close())
		r.close()
	}
	return err
}

// reach checks that there is a broker, so that the error for a wrong address comes at once.
func (r *runner) reach(ctx context.Context) error {
	client, err := r.o.connect(ctx, r.a)
	if err == nil {
		client.Close()
	}
	return err
}

func (r *runner) close() {
	if err := r.service.close(); err != nil {
		r.a.log.Debug("close http", "err", err)
	}
	if r.broker != nil {
		r.broker.Close()
	}
}

// supervise runs the engine to its end and shows how it goes.
func (r *runner) supervise(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := r.start(ctx)
	var prompted <-chan bool // from when -i shows its prompt until it is left
	show := r.a.newProgress(r.started)
	pace := redrawEvery
	tick := time.NewTicker(pace)
	defer tick.Stop()
	stopping := ctx.Done()
	var stopAt time.Time
	for {
		select {
		case err := <-ended:
			if stop(); prompted != nil {
				<-prompted
			}
			show.clear()
			r.bad.end()
			if r.ready || err == nil {
				r.farewell(stopAt)
			}
			return engineError(err)
		case <-stopping:
			stopping, stopAt = nil, time.Now()
			r.a.say("stopping (again to abort)")
		case end := <-prompted:
			if prompted = nil; end {
				stop()
			}
		case now := <-tick.C:
			s := r.engine.Status()
			if r.greet(s) && r.o.prompt {
				show.clear()
				var err error
				if prompted, err = r.talk(ctx); err != nil {
					stop()
					r.a.say("%v", err)
				}
			}
			r.meter.add(now, s)
			if want := r.meter.pace(s); want != pace {
				pace = want
				tick.Reset(pace)
			}
			if prompted == nil && !r.restored(now, show) && (r.meter.worth(s) || r.a.errTTY) {
				show.step(now, func() string { return r.meter.text(s) }, "running", func() []slog.Attr { return r.meter.attrs(s) })
			}
		}
	}
}

// restored shows how the tables come back from their changelogs, and tells whether they do.
func (r *runner) restored(now time.Time, show *progress) bool {
	const message = "restoring tables"
	if !r.restore.add(now, r.engine.Restoring()) {
		if attrs, ok := r.restore.end(now); ok {
			r.a.log.LogAttrs(context.Background(), slog.LevelInfo, "tables restored", attrs...)
		}
		return false
	}
	if r.restore.start() && !r.a.errTTY {
		r.a.log.LogAttrs(context.Background(), slog.LevelInfo, message, r.restore.attrs()...)
	}
	show.step(now, r.restore.text, message, r.restore.attrs)
	return true
}

// start runs the engine until ctx ends, which is no error, and sends what Run returned.
func (r *runner) start(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	// The engine takes any cause but a plain cancellation for the reason it failed.
	until, stop := context.WithCancel(context.WithoutCancel(ctx))
	unlink := context.AfterFunc(ctx, stop)
	go func() {
		defer unlink()
		defer stop()
		ended <- r.engine.Run(until)
	}()
	return ended
}

// greet says that everything runs, the first time that it does. It tells whether this was it.
func (r *runner) greet(s engine.Status) (first bool) {
	if r.ready || !allRunning(s) {
		return false
	}
	r.ready = true
	sources := 0
	for _, stream := range s.Streams {
		sources += len(stream.Partitions)
	}
	where := "Kafka at " + strings.Join(r.o.engine.Brokers, ",")
	if r.broker != nil {
		where = "broker in this process at " + r.broker.Addr()
	}
	r.a.say("ready in %s: %s, %s here, %s", human.Seconds(time.Since(r.started)), contents(r.o.engine.Plan),
		plural(sources, "source partition", "source partitions"), where)
	if url := r.service.where(); url != "" {
		r.a.say("queries at %s", url)
	}
	return true
}

func allRunning(s engine.Status) bool {
	for _, stage := range s.Stages {
		if stage.State != "running" {
			return false
		}
	}
	return s.State == "running" && len(s.Stages) > 0
}

// farewell is the exit line, and the account of every stream.
func (r *runner) farewell(stopAt time.Time) {
	s := r.engine.Status()
	head := "done"
	if !stopAt.IsZero() {
		head = "stopped in " + human.Seconds(time.Since(stopAt))
	}
	t := totals(s)
	r.a.say("%s; up %s, %s records read, %s bad", head, human.Seconds(time.Since(r.started)), thousands(t.Read), thousands(t.Bad))
	for _, stream := range s.Streams {
		r.a.say("%s", streamAccount(stream))
	}
}

// beginAgain is what helps where what is remembered no longer fits.
const beginAgain = "penstock reset makes an application begin again, and first says what that deletes"

// engineError gives an error of the engine its exit code.
func engineError(err error) error {
	var f *failure
	var lost *engine.LostOffsetError
	var stop *engine.StopError
	switch {
	case err == nil || errors.As(err, &f):
		return err
	case refused(err) != nil:
		return refused(err)
	case errors.Is(err, storage.ErrInUse):
		return &failure{code: exitState, id: "P5002", text: err.Error(), err: err}
	case errors.Is(err, storage.ErrOtherApp), errors.Is(err, storage.ErrNewerFormat), errors.Is(err, storage.ErrCorrupt), errors.Is(err, storage.ErrDirectory):
		return &failure{code: exitState, id: "P5003", text: err.Error(), err: err}
	case errors.As(err, &lost):
		return (&failure{code: exitState, id: "P5004", text: err.Error(), err: err}).hint(beginAgain)
	case errors.As(err, &stop) && stop.State:
		return (&failure{code: exitState, id: "P5005", text: err.Error(), err: err}).hint(beginAgain)
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{code: exitUnreachable, id: "P4001", text: fmt.Sprintf("no answer from Kafka: %v", err), err: err}
	}
	return err
}
