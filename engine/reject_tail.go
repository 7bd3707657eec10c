package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/query/row"
)

// RejectedRow is a bad or late row as the rejects topic has it.
type RejectedRow struct {
	Stream    string `json:"stream"`
	Topic     string `json:"topic"`
	Partition string `json:"partition"`
	Offset    string `json:"offset"`
	Kind      string `json:"kind"` // bad, late, ...
	Column    string `json:"column,omitempty"`
	Reason    string `json:"reason"`
	Tables    string `json:"tables,omitempty"`
	Value     string `json:"value"` // as text; what is no UTF-8 is escaped
}

// Rejects returns the last n rows of the rejects topic, oldest first.
func (e *Engine) Rejects(ctx context.Context, n int) ([]RejectedRow, error) {
	c := e.kafka()
	if c == nil {
		return nil, ErrNotRunning
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	topic := names{e.opts.App}.Rejects()
	limits, err := c.bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	list := []RejectedRow{}
	b := limits[0]
	// Markers of transactions take offsets too: look back over more than is asked for.
	from := max(b.Start, b.End-int64(4*n)-100)
	if from >= b.End {
		return list, nil
	}
	client, err := kgo.NewClient(append(clientOptions(c.brokers, c.security, "penstock-rejects", c.log),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(from)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for at := from; at < b.End; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			if ctx.Err() != nil && len(list) > 0 {
				break // behind an open transaction
			}
			return nil, fmt.Errorf("read %s: %w", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if at = r.Offset + 1; !r.Attrs.IsControl() {
				list = append(list, rejectedRow(r))
			}
		})
	}
	return list[max(0, len(list)-n):], nil
}

func rejectedRow(r *kgo.Record) RejectedRow {
	x := RejectedRow{Value: row.Clip(string(r.Value))}
	for _, h := range r.Headers {
		to := map[string]*string{"stream": &x.Stream, "topic": &x.Topic, "partition": &x.Partition, "offset": &x.Offset,
			"kind": &x.Kind, "column": &x.Column, "reason": &x.Reason, "tables": &x.Tables}[h.Key]
		if to != nil {
			*to = string(h.Value)
		}
	}
	return x
}
