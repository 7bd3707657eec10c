package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/rejects"
	"penstock/query/row"
)

// Rejects returns the last n rows of the rejects topic, oldest first. What is no
// UTF-8 in their values is escaped, and they are cut to 4 KiB.
func (e *Engine) Rejects(ctx context.Context, n int) ([]rejects.Row, error) {
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
	list := []rejects.Row{}
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
		for _, r := range fetches.Records() {
			if at = r.Offset + 1; r.Attrs.IsControl() {
				continue
			}
			x, err := rejects.Of(r)
			if err != nil {
				return nil, fmt.Errorf("topic %s, offset %d: %w", topic, r.Offset, err)
			}
			x.Value = row.ClipTo(x.Value, maxShown)
			list = append(list, x)
		}
	}
	return list[max(0, len(list)-n):], nil
}
