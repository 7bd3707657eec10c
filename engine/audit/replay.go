package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/rejects"
	"penstock/query/plan"
)

// decision is a record of the decisions topic.
type decision struct {
	Stream    string `json:"stream"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Kind      string `json:"kind"`
	Clock     int64  `json:"clock"`
}

// decisions reads what was decided about the records that were routed.
func (a *auditor) decisions(ctx context.Context) (refused []decision, err error) {
	topic := a.App + "-decisions"
	spans, _, err := a.whole(ctx, topic)
	if err != nil {
		return nil, err
	}
	err = a.read(ctx, topic, spans, func(r *kgo.Record) error {
		if len(r.Value) == 0 {
			return nil
		}
		var d decision
		if err := json.Unmarshal(r.Value, &d); err != nil {
			return fmt.Errorf("decision at offset %d of %s: %w", r.Offset, topic, err)
		}
		if d.Kind == core.DecisionDefinitions {
			return a.accept(r.Value)
		}
		src := a.streams[d.Stream]
		if src == nil || src.parts[d.Partition] == nil {
			return nil
		}
		p := src.parts[d.Partition]
		switch {
		case d.Offset > p.at.Offset || d.Offset < p.from:
		case d.Kind == "future":
			refused = append(refused, d)
		case d.Offset == p.at.Offset && d.Clock > p.at.Clock:
			// Made after the position was looked at. Compaction keeps the last decision of an
			// offset, so this one may stand for one that was in force then.
			if p.at.Started {
				d.Clock = p.at.Clock
				p.moves = append(p.moves, d)
			}
		default:
			p.moves = append(p.moves, d)
		}
		return nil
	})
	for _, src := range a.streams {
		for _, p := range src.parts {
			slices.SortStableFunc(p.moves, func(x, y decision) int { return int(x.Offset - y.Offset) })
		}
	}
	return refused, err
}

// accept refuses a query file that is not what the application has been running: every
// difference it would find would be one of the files.
func (a *auditor) accept(definitions []byte) error {
	var was plan.Definitions
	if err := json.Unmarshal(definitions, &was); err != nil {
		return fmt.Errorf("definitions of application %q: %w", a.App, err)
	}
	if err := was.Accept(a.Plan); err != nil {
		return fmt.Errorf("this is not the query file that application %q runs: %w", a.App, err)
	}
	return nil
}

// replay gives the records that were routed, and the decisions, to the evaluator.
func (a *auditor) replay(ctx context.Context) error {
	refused, err := a.decisions(ctx)
	if err != nil {
		return err
	}
	for _, d := range refused {
		if err := a.eval.Refuse(d.Stream, d.Partition, d.Offset); err != nil {
			return err
		}
	}
	if err := a.refuseEarlier(ctx); err != nil {
		return err
	}
	for _, s := range a.Plan.Streams {
		if err := a.replayStream(ctx, a.streams[s.Name]); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) replayStream(ctx context.Context, src *source) error {
	f := &feeder{a: a, src: src, pending: map[int32][]format.Record{}}
	spans := map[int32]span{}
	if src.parts[core.Replayed] != nil {
		if err := a.eval.Follow(src.plan.Name, core.Replayed); err != nil {
			return err
		}
	}
	for n, p := range src.parts {
		// Of a partition that gave nothing, its clock still counts.
		if err := a.eval.Add(src.plan.Name, n, nil); err != nil {
			return err
		}
		spans[n] = span{p.from, p.at.Offset}
	}
	replayed := map[int32]span{0: spans[core.Replayed]}
	delete(spans, core.Replayed)
	err := a.read(ctx, src.plan.Options.Topic, spans, func(r *kgo.Record) error { return f.add(r) })
	if err == nil {
		err = a.readRows(ctx, rejects.Replayed(a.App), replayed, f.addReplayed)
	}
	if err != nil {
		return err
	}
	for _, n := range src.numbers() {
		topic := src.plan.Options.Topic
		if n == core.Replayed {
			topic = rejects.Replayed(a.App)
		}
		p := src.parts[n]
		if err := f.feed(n, p, p.at.Offset+1); err != nil {
			return err
		}
		a.report.Sources = append(a.report.Sources, SourceReport{
			Stream: src.plan.Name, Topic: topic, Partition: n, From: p.from, To: p.at.Offset, Records: p.read - p.before, cut: p.cut(),
		})
	}
	return nil
}

// feeder gives records in batches, with the decisions between them.
type feeder struct {
	a       *auditor
	src     *source
	pending map[int32][]format.Record
}

const feedBatch = 1024

func (f *feeder) add(r *kgo.Record) error {
	return f.record(r.Partition, format.Record{Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value})
}

// addReplayed adds a replayed row, if it is of this stream. Its timestamp is that of its first reading.
func (f *feeder) addReplayed(r *kgo.Record, x rejects.Row) error {
	if x.Stream == f.src.plan.Name {
		return f.record(core.Replayed, format.Record{Offset: r.Offset, Time: x.Time.UnixMilli(), Key: r.Key, Value: r.Value})
	}
	return nil
}

func (f *feeder) record(n int32, r format.Record) error {
	p := f.src.parts[n]
	if len(p.moves) > 0 && p.moves[0].Offset <= r.Offset || len(f.pending[n]) >= feedBatch {
		if err := f.feed(n, p, r.Offset+1); err != nil {
			return err
		}
	}
	p.read++
	f.pending[n] = append(f.pending[n], r)
	return nil
}

// feed gives what is pending, and the decisions below an offset behind it.
func (f *feeder) feed(n int32, p *sourcePart, below int64) error {
	stream := f.src.plan.Name
	if recs := f.pending[n]; len(recs) > 0 {
		if err := f.a.eval.Add(stream, n, recs); err != nil {
			return err
		}
		f.pending[n] = recs[:0]
	}
	for len(p.moves) > 0 && p.moves[0].Offset < below {
		d := p.moves[0]
		p.moves = p.moves[1:]
		if err := f.a.eval.MoveClock(stream, n, d.Offset, d.Clock); err != nil {
			return fmt.Errorf("decision %q: %w", d.Kind, err)
		}
		if d.Kind == core.DecisionJoin {
			f.a.report.joined = append(f.a.report.joined, joined{Stream: stream, Partition: n})
		}
	}
	return nil
}
