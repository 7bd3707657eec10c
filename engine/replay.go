package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/rejects"
	"penstock/query/plan"
)

// Replay writes the rejected rows that a query file can read now to the topic of replayed rows, each
// once however often it runs and wherever it is killed.
//
// What makes it once: the replayed rows say where they came from, and that topic is kept, so what is
// on it is what has been replayed; there is no other record of progress that could differ. The
// transactional id is fixed for the application: to initialise it ends what an earlier run left
// open and fences one that still runs. Only then is the topic read. So
//
//	run A reads the topic, and means to replay row 7
//	run B initialises, reads the topic, replays row 7
//	run A is refused
//
// Only rows that were not counted at all are taken: bad ones, and those dated too far ahead. A row
// that was late or that failed in a table was counted in the others, and would be twice.
type Replay struct {
	Brokers []string
	// Security says how connections to them are made; nil: in the clear.
	Security *Security
	App      string
	Plan     *plan.Plan
	// DryRun looks, and writes nothing.
	DryRun bool
	// Logger is what the clients log to; default: nowhere.
	Logger *slog.Logger
	// Wait bounds each transaction; default 30 s.
	Wait time.Duration
	// perTransaction is how many rows a transaction holds; default 1000.
	perTransaction int
	// halt, in tests, is called between the rows of a transaction and its end.
	halt func() error
}

// Replayed is what a replay did with the rejected rows.
type Replayed struct {
	Looked   int            `json:"looked_at"` // rejected rows
	Replayed int            `json:"replayed"`  // now; of a dry run: would be
	Before   int            `json:"before"`    // replayed by an earlier run
	Bad      int            `json:"still_bad"`
	Counted  int            `json:"counted"` // late or failed: counted already, but not in every table
	Unknown  int            `json:"unknown"` // of streams that the file does not have
	Examples []StillBad     `json:"examples,omitempty"`
	DryRun   bool           `json:"dry_run,omitempty"`
	Streams  map[string]int `json:"streams,omitempty"` // replayed, by stream
}

// StillBad is a row that cannot be read by this file either.
type StillBad struct {
	rejects.Place
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
}

// replayExamples is how many rows that are still bad are named.
const replayExamples = 5

// replayer is one run of Replay.
type replayer struct {
	Replay
	cluster *cluster
	client  *kgo.Client // of the transactions; nil in a dry run
	judges  map[string]*judge
	done    map[rejects.Place]bool
	got     Replayed
	pending []*kgo.Record
	limits  map[string]int // of a batch, by topic
}

// Run replays. It returns what it did up to an error.
func (o Replay) Run(ctx context.Context) (Replayed, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
	}
	if o.perTransaction == 0 {
		o.perTransaction = 1000
	}
	r := &replayer{Replay: o, judges: map[string]*judge{}, done: map[rejects.Place]bool{}}
	r.got = Replayed{DryRun: o.DryRun, Streams: map[string]int{}}
	var err error
	if r.cluster, err = openCluster(ctx, o.Brokers, o.Security, "penstock-replay", o.Logger); err != nil {
		return r.got, err
	}
	defer r.cluster.close()
	for _, s := range o.Plan.Streams {
		if r.judges[s.Name], err = newJudge(o.Plan, s); err != nil {
			return r.got, err
		}
	}
	if !o.DryRun {
		if err := r.fence(ctx); err != nil {
			return r.got, err
		}
		defer r.client.Close()
	}
	if err := r.readDone(ctx); err != nil {
		return r.got, err
	}
	if err := r.readRejects(ctx); err != nil {
		return r.got, err
	}
	return r.got, r.commit(ctx)
}

// fence makes sure that no other run has anything open, nor will have.
func (r *replayer) fence(ctx context.Context) error {
	if _, err := r.cluster.ensureTopics(ctx, 0, replayedTopic(r.App)); err != nil {
		return err
	}
	topic, topics := names{r.App}.Replayed(), newTopicIDs(r.cluster)
	if err := topics.askLimits(ctx, topic); err != nil {
		return err
	}
	r.limits = topics.batchLimits()
	client, err := kgo.NewClient(append(clientOptions(r.Brokers, r.Security, "penstock-replay", r.Logger),
		kgo.ProducerBatchMaxBytes(int32(r.limits[topic])), kgo.TransactionalID(names{r.App}.ReplayTransaction()), kgo.TransactionTimeout(r.Wait))...)
	if err != nil {
		return fmt.Errorf("producer of replayed rows: %w", err)
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return fmt.Errorf("initialise the transactions of a replay: %w", err)
	}
	r.client = client
	return nil
}

// readDone reads which rows have been replayed.
func (r *replayer) readDone(ctx context.Context) error {
	return r.whole(ctx, names{r.App}.Replayed(), func(_ *kgo.Record, x rejects.Row) error {
		r.done[x.Place] = true
		return nil
	})
}

// readRejects looks at every rejected row.
func (r *replayer) readRejects(ctx context.Context) error {
	return r.whole(ctx, names{r.App}.Rejects(), func(rec *kgo.Record, x rejects.Row) error {
		r.look(rec, x)
		if len(r.pending) < r.perTransaction {
			return nil
		}
		return r.commit(ctx)
	})
}

// look decides about one rejected row.
func (r *replayer) look(rec *kgo.Record, x rejects.Row) {
	r.got.Looked++
	j := r.judges[x.Stream]
	switch {
	case r.done[x.Place]:
		r.got.Before++
		return
	case x.Kind != "bad" && x.Kind != "future":
		r.got.Counted++
		return
	case j == nil:
		r.got.Unknown++
		return
	}
	bad := j.judge(rec, x.Time)
	if x.Length > 0 {
		bad = &core.Reject{Reason: fmt.Sprintf("the row has %d bytes, of which topic %s took only %d", x.Length, rec.Topic, len(rec.Key)+len(rec.Value))}
	}
	if bad != nil {
		r.got.Bad++
		if len(r.got.Examples) < replayExamples {
			r.got.Examples = append(r.got.Examples, StillBad{x.Place, bad.Column, bad.Reason})
		}
		return
	}
	r.done[x.Place] = true
	r.got.Replayed++
	r.got.Streams[x.Stream]++
	again := rejects.Row{Place: x.Place, Time: x.Time}
	r.pending = append(r.pending, &kgo.Record{Topic: names{r.App}.Replayed(), Key: rec.Key, Value: rec.Value, Headers: again.Headers()})
}

// commit writes what is pending, in one transaction.
func (r *replayer) commit(ctx context.Context) error {
	if len(r.pending) == 0 || r.DryRun {
		r.pending = nil
		return nil
	}
	if rec := firstTooLarge(r.limits, r.pending); rec != nil {
		return tooLarge(rec, batchLimit(r.limits, rec.Topic))
	}
	ctx, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	err := r.client.BeginTransaction()
	if err == nil {
		err = r.client.ProduceSync(ctx, r.pending...).FirstErr()
	}
	if err == nil && r.halt != nil {
		err = r.halt()
	}
	if err == nil {
		err = r.client.EndTransaction(ctx, kgo.TryCommit)
	}
	r.pending = nil
	for _, e := range []error{kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidProducerIDMapping} {
		if errors.Is(err, e) {
			return fmt.Errorf("another replay of application %q has begun, which goes on where this one stops: %w", r.App, err)
		}
	}
	if err != nil {
		return fmt.Errorf("write replayed rows: %w", err)
	}
	return nil
}

// whole gives fn the committed rows of a topic of rejected or replayed ones; none where there is no topic.
func (r *replayer) whole(ctx context.Context, topic string, fn func(*kgo.Record, rejects.Row) error) error {
	have, err := r.cluster.describeTopics(ctx, []string{topic})
	if err != nil || len(have) == 0 {
		return err
	}
	limits, err := r.cluster.bounds(ctx, topic)
	if err != nil {
		return err
	}
	end, err := r.cluster.committedEnd(ctx, topic)
	if err != nil {
		return err
	}
	return r.cluster.readSpan(ctx, topic, limits[0].Start, end, func(recs []*kgo.Record, _ int64) error {
		for _, rec := range recs {
			x, err := rejects.Of(rec)
			if err != nil {
				return fmt.Errorf("topic %s, offset %d: %w", topic, rec.Offset, err)
			}
			if err := fn(rec, x); err != nil {
				return err
			}
		}
		return nil
	})
}

// judge tells whether a row can be read: it is routed as the engine would, and forgotten.
type judge struct {
	router *core.Router
	part   *core.RoutePartition
	next   int64
}

func newJudge(p *plan.Plan, s *plan.Stream) (*judge, error) {
	plain := *s
	plain.Options.BadData, plain.Options.LateData = "reject", "reject"
	j := &judge{router: core.NewRouter(&plan.Plan{Streams: []*plan.Stream{&plain}, Tables: nil}, &plain, 1, 1)}
	var err error
	j.part, err = j.router.Assign(0, core.Start(0))
	return j, err
}

// judge returns why a row is bad, nil when it is not.
func (j *judge) judge(rec *kgo.Record, at time.Time) *core.Reject {
	j.next++
	row := format.Record{Offset: j.next, Time: at.UnixMilli(), Key: rec.Key, Value: rec.Value}
	if err := j.part.Rows([]format.Record{row}, time.Now().UnixMicro()); err != nil {
		return &core.Reject{Reason: err.Error()}
	}
	for _, x := range j.router.Take().Rejects {
		return &x
	}
	return nil
}
