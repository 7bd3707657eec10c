package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/query/plan"
)

// What an application's tables and metrics mean is written down once, as the first record of its
// decisions topic, before anybody reads a row. A process that comes with a query file which means
// something else is refused before it touches anything: state of two definitions cannot be told
// apart afterwards. The state of each fold partition holds the same again, for what a later file
// has brought; this is what covers the frames that nobody has folded yet.

// definitionsRecord is the record's value. Its key holds a hash of it, so that compaction keeps the
// first of several when processes with different files start a new application at the same time.
type definitionsRecord struct {
	Kind string `json:"kind"`
	plan.Definitions
}

// checkDefinitions makes sure that the query file means what the application has been running.
func (e *Engine) checkDefinitions(ctx context.Context) error {
	topic := names{e.opts.App}.Decisions()
	first, err := e.cluster.first(ctx, topic)
	if err != nil {
		return err
	}
	if first == nil {
		value, err := json.Marshal(definitionsRecord{core.DecisionDefinitions, plan.DefinitionsOf(e.opts.Plan)})
		if err != nil {
			return fmt.Errorf("definitions: %w", err)
		}
		hash := sha256.Sum256(value)
		key := core.DecisionDefinitions + "/" + hex.EncodeToString(hash[:8])
		if err := e.cluster.write(ctx, &kgo.Record{Topic: topic, Key: []byte(key), Value: value}); err != nil {
			return fmt.Errorf("write %s: %w", topic, err)
		}
		if first, err = e.cluster.first(ctx, topic); err != nil {
			return err
		}
	}
	var was definitionsRecord
	if first == nil || json.Unmarshal(first.Value, &was) != nil || was.Kind != core.DecisionDefinitions {
		return stateError("topic %s does not begin with what application %q runs: it was emptied or made by something else; start again under another --app", topic, e.opts.App)
	}
	if err := was.Accept(e.opts.Plan); err != nil {
		return &StopError{Err: err, State: true}
	}
	return nil
}

// first returns the first record of a topic's partition 0, nil when it has none.
func (c *cluster) first(ctx context.Context, topic string) (*kgo.Record, error) {
	limits, err := c.bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	if limits[0].Start >= limits[0].End {
		return nil, nil
	}
	client, err := kgo.NewClient(append(clientOptions(c.brokers, c.security, "penstock-definitions", c.log), kgo.FetchMaxPartitionBytes(1<<16),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(limits[0].Start)}}))...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", topic, err)
	}
	defer client.Close()
	fetches := client.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", topic, err)
	}
	return fetches.Records()[0], nil
}
