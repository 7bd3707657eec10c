package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/reference"
	"penstock/engine/rejects"
	"penstock/query/plan"
)

// rejected names a rejected row.
type rejected struct {
	stream    string
	partition int32
	offset    int64
}

func (x rejected) String() string {
	return fmt.Sprintf("%s/%s @ %d", x.stream, core.PartitionName(x.partition), x.offset)
}

func (a *auditor) place(x *rejects.Row) rejected {
	if x.Topic == rejects.Replayed(a.App) {
		return rejected{x.Stream, core.Replayed, x.Offset}
	}
	return rejected{x.Stream, x.Partition, x.Offset}
}

// refuseEarlier tells the evaluator which rows were bad by an earlier query file. This one may read
// them; what counts is that they were not counted, and may have been replayed.
func (a *auditor) refuseEarlier(ctx context.Context) error {
	topic := rejects.Topic(a.App)
	spans, _, err := a.whole(ctx, topic)
	if err != nil {
		return err
	}
	return a.readRows(ctx, topic, spans, func(_ *kgo.Record, x rejects.Row) error {
		src := a.streams[x.Stream]
		if src == nil || x.Definition == "" || x.Definition == core.DefinitionOf(src.plan) || x.Kind != "bad" && x.Kind != "future" {
			return nil
		}
		at := a.place(&x)
		return a.eval.RefuseAs(at.stream, at.partition, at.offset, x.Kind)
	})
}

// rejects compares the rejected rows with those that have to be there: each of them once.
func (a *auditor) rejects(ctx context.Context) error {
	topic := rejects.Topic(a.App)
	r := &RejectsReport{Topic: topic}
	a.report.Rejects = r
	spans, cut, err := a.whole(ctx, topic)
	if err != nil {
		return err
	}
	if a.resumed != nil {
		cut = false
		for p, from := range a.resumed.Rejects {
			cut = cut || spans[p].from > from
			spans[p] = span{max(from, spans[p].from), spans[p].to}
		}
	}
	for _, src := range a.streams {
		for _, p := range src.parts {
			cut = cut || p.cut()
		}
	}
	got := map[rejected][]string{}
	err = a.readRows(ctx, topic, spans, func(_ *kgo.Record, x rejects.Row) error {
		at, what := a.place(&x), x.Kind+" "+x.Tables
		src := a.streams[at.stream]
		if src == nil || src.parts[at.partition] == nil || at.offset >= src.parts[at.partition].at.Offset || at.offset < src.parts[at.partition].from {
			return nil
		}
		got[at] = append(got[at], what)
		return nil
	})
	if err != nil {
		return err
	}
	if cut {
		r.Why, r.Rows = "retention has removed rows or rejects", len(got)
		return nil
	}
	for _, x := range a.eval.Rejects() {
		if a.wanted(&x) {
			a.compareReject(r, got, &x)
		}
	}
	for at := range got {
		r.Unexpected++
		r.example(Difference{Kind: "unexpected", Key: at.String(), Published: strings.Join(got[at], "; ")})
	}
	return nil
}

func (a *auditor) compareReject(r *RejectsReport, got map[rejected][]string, x *reference.Reject) {
	at := rejected{x.Stream, x.Partition, x.Record.Offset}
	want := x.Kind + " " + strings.Join(x.Tables, ",")
	list := got[at]
	delete(got, at)
	r.Rows++
	d := Difference{Key: at.String(), Expected: want + ": " + x.Reason, Published: strings.Join(list, "; ")}
	switch {
	case len(list) == 0:
		d.Kind = "missing"
		r.Missing++
		r.example(d)
		return
	case list[0] != want:
		d.Kind = "different"
		r.Different++
		r.example(d)
	default:
		r.Equal++
	}
	if len(list) > 1 {
		d.Kind = "duplicated"
		r.Duplicated += len(list) - 1
		r.example(d)
	}
}

// wanted tells whether the stream keeps such rows.
func (a *auditor) wanted(x *reference.Reject) bool {
	i := slices.IndexFunc(a.Plan.Streams, func(s *plan.Stream) bool { return s.Name == x.Stream })
	o := &a.Plan.Streams[i].Options
	policy := o.BadData
	if x.Kind == "late" {
		policy = o.LateData
	}
	return policy == "" || policy == "reject"
}

func (r *RejectsReport) example(d Difference) {
	if len(r.Examples) < examples {
		r.Examples = append(r.Examples, d)
	}
}

// accounts compares the counters that were committed with the positions: read = decoded + bad, and
// per table decoded = applied + filtered + late + failed.
func (a *auditor) accounts() {
	for i := range a.report.Sources {
		s := &a.report.Sources[i]
		src := a.streams[s.Stream]
		p := src.parts[s.Partition]
		if p.cut() {
			continue
		}
		want := a.eval.Tally(s.Stream, s.Partition)
		have := p.at.Tally
		say := func(what string, have, want int64) {
			if have != want && s.Account == "" {
				s.Account = fmt.Sprintf("%s: %d, expected %d", what, have, want)
			}
		}
		say("read", have.Read, want.Read)
		say("decoded", have.Decoded, want.Decoded)
		say("bad", have.Bad, want.Bad)
		for n, t := range core.TablesOf(a.Plan, src.plan) {
			if n >= len(have.Tables) {
				break
			}
			h, w := have.Tables[n], want.Tables[t.Name]
			say(t.Name+" applied", h.Applied, w.Applied)
			say(t.Name+" filtered", h.Filtered, w.Filtered)
			say(t.Name+" late", h.Late, w.Late)
			say(t.Name+" failed", h.Failed, w.Failed)
		}
	}
}
