package audit

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/rejects"
)

// LastRejected returns the last n rows that an application has rejected, oldest first; n 0: all.
func LastRejected(ctx context.Context, client *kgo.Client, app string, n int) ([]rejects.Row, error) {
	a := &auditor{client: client, admin: kadm.NewClient(client)}
	topic := rejects.Topic(app)
	spans, _, err := a.upTo(ctx, topic, a.stableEnds)
	if err != nil {
		return nil, err
	}
	// Markers of transactions take offsets too, so the last rows may be further back than n.
	var list []rejects.Row
	for back := int64(4*n + 100); ; back *= 8 {
		list = list[:0]
		from, all := map[int32]span{}, true
		for p, s := range spans {
			from[p] = s
			if n > 0 && s.to-back > s.from {
				from[p], all = span{s.to - back, s.to}, false
			}
		}
		err := a.readRows(ctx, topic, from, func(_ *kgo.Record, x rejects.Row) error {
			list = append(list, x)
			return nil
		})
		if err != nil || all || len(list) >= n {
			if n > 0 {
				list = list[max(0, len(list)-n):]
			}
			return list, err
		}
	}
}

// readRows is read, of a topic of rejected or replayed rows.
func (a *auditor) readRows(ctx context.Context, topic string, spans map[int32]span, fn func(*kgo.Record, rejects.Row) error) error {
	return a.read(ctx, topic, spans, func(r *kgo.Record) error {
		x, err := rejects.Of(r)
		if err != nil {
			return fmt.Errorf("topic %s, offset %d: %w", topic, r.Offset, err)
		}
		return fn(r, x)
	})
}
