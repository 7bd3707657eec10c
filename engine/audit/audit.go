package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/reference"
	"penstock/query/plan"
)

// Options say what to audit.
type Options struct {
	// Plan is the query file that the application runs.
	Plan *plan.Plan
	// App is the application's name.
	App string
	// From and To bound the intervals that are compared: those that end after From and not after
	// To. Zero: from the first, to the last.
	From, To time.Time
	// Tables compares the tables too, which needs an application that has nothing to do.
	Tables bool
	// Wait is how long fold may take to publish what follows from the rows that are routed;
	// default 10 s.
	Wait time.Duration
	// Checkpoint is where an earlier audit ended; nil: at the start of the topics.
	Checkpoint *Checkpoint
}

// auditor is one audit.
type auditor struct {
	Options
	client  *kgo.Client
	admin   *kadm.Client
	streams map[string]*source
	eval    *reference.Evaluator
	settled bool // fold has published all that follows from the positions
	report  *Report

	resumed    *Checkpoint       // the one that the evaluator goes on from
	ids        map[string]string // of the source topics
	rejectEnds map[int32]int64   // of the rejects topic, before the positions were looked at
}

// Run audits an application. The client is only used, not closed; its topics are read by clients
// of the same settings. An error means that there was nothing to compare; differences are in the
// report.
func Run(ctx context.Context, client *kgo.Client, o Options) (*Report, error) {
	if o.Wait == 0 {
		o.Wait = 10 * time.Second
	}
	a := &auditor{Options: o, client: client, admin: kadm.NewClient(client), report: &Report{App: o.App}}
	steps := []func(context.Context) error{a.locate, a.resume, a.replay, a.settle, a.metrics, a.rejects}
	if o.Tables {
		steps = append(steps, a.tables)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	a.accounts()
	var err error
	a.report.Checkpoint, a.report.NoCheckpoint, err = a.checkpoint()
	return a.report, err
}

// settle waits until fold has read all frames and shares that are there now.
func (a *auditor) settle(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, a.Wait)
	defer cancel()
	for _, topic := range []string{a.App + "-frames", a.App + "-fold-loop"} {
		ends, err := a.ends(ctx, topic)
		if err != nil {
			return err
		}
		done, err := a.within(ctx, limit, func() (bool, error) { return a.readBy(limit, a.App+"-fold", topic, ends) })
		if done && topic == a.App+"-frames" {
			// Before the ends of the loop: what a stalled partition still has to send is behind them.
			done, err = a.within(ctx, limit, func() (bool, error) { return a.flowing(limit, ends) })
		}
		if err != nil {
			return err
		}
		if !done {
			a.report.Notes = append(a.report.Notes, fmt.Sprintf("topic %s has records that group %s-fold has not read after %s", topic, a.App, a.Wait))
			return nil
		}
	}
	a.settled = true
	return nil
}

// within asks until the answer is yes, or limit is over: then it is no, and no error.
func (a *auditor) within(ctx, limit context.Context, ask func() (bool, error)) (bool, error) {
	for {
		ok, err := ask()
		switch {
		case ok:
			return true, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case limit.Err() == nil && err != nil:
			return false, err
		case limit.Err() != nil || pause(limit, 100*time.Millisecond) != nil:
			return false, ctx.Err()
		}
	}
}

// flowing tells that no fold partition is stalled: that all that follows from the frames it has read is
// committed.
func (a *auditor) flowing(ctx context.Context, partitions map[int32]int64) (bool, error) {
	at, err := a.committed(ctx, a.App+"-fold", a.App+"-fold-loop", partitions)
	for _, o := range at {
		if o.Metadata == core.StalledMark {
			return false, err
		}
	}
	return err == nil, err
}

// readBy tells whether a group has committed a topic up to ends: whether all that is left are
// transaction markers.
func (a *auditor) readBy(ctx context.Context, group, topic string, ends map[int32]int64) (bool, error) {
	at, err := a.committed(ctx, group, topic, ends)
	if err != nil {
		return false, err
	}
	left := map[int32]span{}
	for p, end := range ends {
		if at[p].Offset < end {
			left[p] = span{max(at[p].Offset, 0), end}
		}
	}
	rest := 0
	err = a.read(ctx, topic, left, func(*kgo.Record) error { rest++; return errEnough })
	return rest == 0 && err == nil, err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
