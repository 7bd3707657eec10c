package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"penstock/query/plan"
	"penstock/storage"
)

// Reset forgets everything that an application remembers: its topics, the offsets of its groups,
// and the state of one process. What runs next under its name begins at the start of its streams.
//
// It can be killed anywhere, and what it leaves then is refused by an engine, never taken for a
// state; another reset goes on. That is what the order is for:
//
//	the state directory      it comes back from the changelog as long as there is one
//	groups of the streams    from here on fold's offsets name streams that have none: refused
//	group of fold            from here on the changelog has rows and no offsets: refused
//	all topics but that
//	the changelog
//
// Where fold has never run the changelog is empty and would keep nobody out. Then the frames go
// before fold's group: without frames and without groups there is nothing that a first start could
// count twice.
type Reset struct {
	Brokers []string
	// Security says how connections to them are made; nil: in the clear.
	Security *Security
	App      string
	Plan     *plan.Plan
	// StateDir is the directory of this process's tables; empty: it is left alone.
	StateDir string
	// Wait is how long processes may take that have ended until Kafka has noticed; default 30 s.
	Wait time.Duration
	// Logger is what the clients log to; default: nowhere.
	Logger *slog.Logger

	// halt, in tests, is called between the steps.
	halt func(step string) error
}

// ResetPlan is what a reset deletes, and what it leaves.
type ResetPlan struct {
	App     string        `json:"app"`
	Topics  []ResetTopic  `json:"topics"`
	Groups  []string      `json:"groups"`
	State   *ResetState   `json:"state,omitempty"` // nil: there is none
	Running []string      `json:"running"`         // members of the groups: nothing is deleted while there are any
	Sources []ResetSource `json:"sources"`         // stay, and are read again
	Results []ResetTopic  `json:"results"`         // stay, and are written to again
}

// Nothing tells whether there is nothing to delete.
func (p *ResetPlan) Nothing() bool {
	return len(p.Topics) == 0 && len(p.Groups) == 0 && p.State == nil
}

// ResetTopic is a topic with how large it is.
type ResetTopic struct {
	Topic      string `json:"topic"`
	What       string `json:"what"`
	Partitions int    `json:"partitions"`
	Offsets    int64  `json:"offsets"` // between its start and its end: records, and ends of transactions
}

// ResetState is a state directory.
type ResetState struct {
	Dir   string `json:"dir"`
	Bytes int64  `json:"bytes"`
}

// ResetSource is a stream with what there is to read of it.
type ResetSource struct {
	Stream  string `json:"stream"`
	Topic   string `json:"topic"`
	Offsets int64  `json:"offsets"`
	Gone    int64  `json:"gone,omitempty"`   // records that retention has removed: they cannot be counted again
	Latest  bool   `json:"latest,omitempty"` // the stream begins with what comes next
}

// resetting is a reset under way.
type resetting struct {
	Reset
	names   names
	cluster *cluster
	claim   *storage.Claimed // nil: no state directory
	plan    *ResetPlan
}

// Look says what a reset would delete.
func (r Reset) Look(ctx context.Context) (*ResetPlan, error) {
	x, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer x.close()
	return x.plan, nil
}

// Run deletes it, unless a process of the application runs.
func (r Reset) Run(ctx context.Context) (*ResetPlan, error) {
	x, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer x.close()
	if err := x.await(ctx); err != nil {
		return x.plan, err
	}
	return x.plan, x.delete(ctx)
}

func (r Reset) open(ctx context.Context) (_ *resetting, err error) {
	if r.Logger == nil {
		r.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	r.Wait = cmp.Or(r.Wait, 30*time.Second)
	if err := r.Plan.CheckApp(r.App); err != nil {
		return nil, err
	}
	x := &resetting{Reset: r, names: names{r.App}}
	if r.StateDir != "" {
		// Held to the end, so that no process begins with what is being deleted.
		if x.claim, err = storage.Claim(r.StateDir, storage.Options{App: r.App}); err != nil {
			return nil, err
		}
	}
	connect, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if x.cluster, err = openCluster(connect, r.Brokers, r.Security, "penstock-reset", r.Logger); err == nil {
		x.plan, err = x.look(ctx)
	}
	if err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func (x *resetting) close() {
	if x.claim != nil {
		if err := x.claim.Close(); err != nil {
			x.Logger.Debug("close the state directory", "err", err)
		}
	}
	if x.cluster != nil {
		x.cluster.close()
	}
}

// delete deletes everything, in the order that Reset explains.
func (x *resetting) delete(ctx context.Context) error {
	changelog := x.names.FoldTable()
	guarded, err := x.holdsRecords(ctx, changelog)
	if err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func() error
	}{
		{"state", x.removeState},
		{"transactions", func() error { return x.endTransactions(ctx) }},
		{"streams", func() error { return x.deleteGroups(ctx, func(g string) bool { return g != x.names.FoldGroup() }) }},
		{"frames", func() error {
			if guarded {
				return nil
			}
			return x.deleteTopics(ctx, func(t string) bool { return t == x.names.Frames() || t == x.names.FoldLoop() })
		}},
		{"fold", func() error { return x.deleteGroups(ctx, func(g string) bool { return g == x.names.FoldGroup() }) }},
		{"topics", func() error { return x.deleteTopics(ctx, func(t string) bool { return t != changelog }) }},
		{"changelog", func() error { return x.deleteTopics(ctx, func(t string) bool { return t == changelog }) }},
	}
	for _, s := range steps {
		if x.halt != nil {
			if err := x.halt(s.name); err != nil {
				return err
			}
		}
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}

func (x *resetting) holdsRecords(ctx context.Context, topic string) (bool, error) {
	for _, t := range x.plan.Topics {
		if t.Topic != topic {
			continue
		}
		limits, err := x.cluster.bounds(ctx, topic)
		for _, b := range limits {
			if b.End > 0 {
				return true, err
			}
		}
		return false, err
	}
	return false, nil
}

func (x *resetting) removeState() error {
	if x.claim == nil {
		return nil
	}
	return x.claim.Remove()
}

// endTransactions aborts what dead processes have left open, so that none of it is committed later.
func (x *resetting) endTransactions(ctx context.Context) error {
	open, err := x.cluster.openTransactions(ctx, x.App+"/")
	if err != nil {
		return err
	}
	for _, id := range open {
		if err := x.cluster.endTransaction(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (x *resetting) deleteGroups(ctx context.Context, which func(string) bool) error {
	for _, g := range x.plan.Groups {
		if !which(g) {
			continue
		}
		resp, err := x.cluster.admin.DeleteGroup(ctx, g)
		if err == nil {
			err = resp.Err
		}
		switch {
		case errors.Is(err, kerr.NonEmptyGroup):
			return fmt.Errorf("a process of application %q has started meanwhile; stop it and reset again: group %s: %w", x.App, g, err)
		case err != nil && !errors.Is(err, kerr.GroupIDNotFound):
			return fmt.Errorf("delete group %s: %w", g, err)
		}
	}
	return nil
}

// deleteTopics deletes topics and waits until no broker knows them.
func (x *resetting) deleteTopics(ctx context.Context, which func(string) bool) error {
	var list []string
	for _, t := range x.plan.Topics {
		if which(t.Topic) {
			list = append(list, t.Topic)
		}
	}
	if len(list) == 0 {
		return nil
	}
	resp, err := x.cluster.admin.DeleteTopics(ctx, list...)
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	var errs []error
	for _, r := range resp.Sorted() {
		if r.Err != nil && !errors.Is(r.Err, kerr.UnknownTopicOrPartition) {
			errs = append(errs, fmt.Errorf("delete topic %s: %w", r.Topic, r.Err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var b backoff
	for {
		have, err := x.cluster.describeTopics(ctx, list)
		if err == nil && len(have) == 0 {
			return nil
		}
		if err != nil && !transient(err) {
			return err
		}
		if werr := b.wait(ctx); werr != nil {
			return errors.Join(err, werr)
		}
	}
}
