package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/spf13/cobra"

	"penstock/engine/broker"
)

func newBroker(a *app) *cobra.Command {
	var o broker.Options
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Run the embedded Kafka broker alone",
		Long: `Run the embedded Kafka broker alone: one node that speaks Kafka's protocol, for trying things
out and for one machine. The address it listens on is printed on stdout.`,
		Example: `  penstock broker --data-dir ./kafka
  penstock broker --listen 127.0.0.1:0`,
		Args: arguments(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.broker(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", defaultBroker, "host:port to listen on; port 0 takes a free one")
	f.StringVar(&o.Advertise, "advertise", "", "host, or host:port, that clients are told to connect to (default that of --listen)")
	f.StringVar(&o.DataDir, "data-dir", "", "directory that keeps the topics (default in memory, gone at the end)")
	f.BoolVar(&o.SyncWrites, "sync", false, "wait for the disk with every write, which only a loss of power makes worth it")
	return cmd
}

func (a *app) broker(ctx context.Context, o broker.Options) error {
	if err := needFiles("a broker", filesOfBroker); err != nil {
		return err
	}
	b, err := a.startBroker(o, "--listen")
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, b.Addr())
	kept := "topics are in memory and gone at the end (--data-dir keeps them)"
	if o.DataDir != "" {
		kept = "topics are in " + o.DataDir
	}
	a.say("ready: Kafka at %s, %s; Ctrl-C stops", b.Addr(), kept)
	<-ctx.Done()
	if err := b.Close(); err != nil {
		return fmt.Errorf("stop the broker: %w", err)
	}
	return nil
}

// startBroker starts the embedded broker, with words for what keeps it from starting: listenFlag
// is the flag that names the address.
func (a *app) startBroker(o broker.Options, listenFlag string) (*broker.Broker, error) {
	// The broker would report a taken address too, but cannot know by which flag to name another.
	probe, err := net.Listen("tcp", o.Listen)
	if err != nil {
		f := &failure{code: exitFailed, text: fmt.Sprintf("cannot listen on %s (%v)", o.Listen, reason(err)), err: err}
		if errors.Is(err, syscall.EADDRINUSE) {
			f.hint("is a broker running there already?  %s 127.0.0.1:0 takes a free port", listenFlag)
		}
		return nil, f
	}
	probe.Close()
	// What the broker says at the level of info is of interest to those who look into it only.
	o.Logger = slog.New(quieter{a.log.Handler()}).With("component", "broker")
	b, err := broker.Start(o)
	if errors.Is(err, broker.ErrInUse) {
		return nil, &failure{code: exitState, id: "P5002", text: err.Error(), err: err}
	}
	return b, err
}

// quieter passes lines of the level info on as debug.
type quieter struct{ slog.Handler }

// Enabled asks for the level the line will have.
func (q quieter) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, lower(l))
}

// Handle lowers the level of a line.
func (q quieter) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lower(r.Level)
	return q.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep the lowering.
func (q quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieter{q.Handler.WithAttrs(attrs)}
}
func (q quieter) WithGroup(name string) slog.Handler { return quieter{q.Handler.WithGroup(name)} }

func lower(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}
