package script

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/rejects"
)

// results reads the topics of the metrics.
func (t *kafkaTarget) results(ctx context.Context) ([]core.Output, error) {
	var topics []string
	for _, m := range t.plan.Metrics {
		if !slices.Contains(topics, m.Topic) {
			topics = append(topics, m.Topic)
		}
	}
	var out []core.Output
	for _, topic := range topics {
		recs, err := t.readTopic(ctx, topic)
		if err != nil {
			return nil, err
		}
		for _, r := range recs {
			out = append(out, core.Output{Topic: r.Topic, Key: r.Key, Value: r.Value, Time: milliTime(r)})
		}
	}
	return out, nil
}

// rejects reads the topic of rejects.
func (t *kafkaTarget) rejects(ctx context.Context) ([]core.Reject, error) {
	recs, err := t.readTopic(ctx, rejects.Topic(t.app))
	if err != nil {
		return nil, err
	}
	var out []core.Reject
	for _, r := range recs {
		x, err := rejects.Of(r)
		if err != nil {
			return nil, err
		}
		one := core.Reject{Stream: x.Stream, Partition: x.Partition, Kind: x.Kind, Column: x.Column, Reason: x.Reason}
		one.Record = format.Record{Offset: x.Offset, Key: r.Key, Value: r.Value}
		if x.Tables != "" {
			one.Tables = strings.Split(x.Tables, ",")
		}
		out = append(out, one)
	}
	return out, nil
}

// decisions reads the topic of decisions.
func (t *kafkaTarget) decisions(ctx context.Context) ([]core.Decision, error) {
	recs, err := t.readTopic(ctx, t.app+"-decisions")
	if err != nil {
		return nil, err
	}
	var out []core.Decision
	for _, r := range recs {
		var d core.Decision
		if err := json.Unmarshal(r.Value, &d); err != nil {
			return nil, fmt.Errorf("decision %s: %w", r.Key, err)
		}
		out = append(out, d)
	}
	return out, nil
}

// readTopic returns the committed records of a topic up to its present end, by partition. A topic
// that does not exist has none.
func (t *kafkaTarget) readTopic(ctx context.Context, topic string) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ends, err := t.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	left, from := map[int32]int64{}, map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil && o.Offset > 0 {
			left[o.Partition], from[o.Partition] = o.Offset, kgo.NewOffset().AtStart()
		}
	})
	if len(left) == 0 {
		return nil, nil
	}
	client, err := kgo.NewClient(append(t.security.ClientOptions(), kgo.SeedBrokers(t.brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	got := map[int32][]*kgo.Record{}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("read %s: %w", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				got[r.Partition] = append(got[r.Partition], r)
			}
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		})
	}
	var all []*kgo.Record
	for p := range int32(len(ends[topic])) {
		all = append(all, got[p]...)
	}
	return all, nil
}
