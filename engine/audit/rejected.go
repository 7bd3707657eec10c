package audit

import (
	"context"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Rejected is a row of the rejects topic.
type Rejected struct {
	Stream    string    `json:"stream"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Time      time.Time `json:"time"` // Kafka's timestamp of the row
	Kind      string    `json:"kind"` // bad, future, late or failed
	Column    string    `json:"column,omitempty"`
	Reason    string    `json:"reason"`
	Tables    string    `json:"tables,omitempty"` // those that did not count it
	Value     []byte    `json:"value"`

	definition string // of the stream, when the row was rejected
}

// LastRejected returns the last n rows that an application has rejected, oldest first; n 0: all.
func LastRejected(ctx context.Context, client *kgo.Client, app string, n int) ([]Rejected, error) {
	a := &auditor{client: client, admin: kadm.NewClient(client)}
	topic := app + "-rejects"
	spans, _, err := a.whole(ctx, topic)
	if err != nil {
		return nil, err
	}
	// Markers of transactions take offsets too, so the last rows may be further back than n.
	var list []Rejected
	for back := int64(4*n + 100); ; back *= 8 {
		list = list[:0]
		from, all := map[int32]span{}, true
		for p, s := range spans {
			from[p] = s
			if n > 0 && s.to-back > s.from {
				from[p], all = span{s.to - back, s.to}, false
			}
		}
		err := a.read(ctx, topic, from, func(r *kgo.Record) error {
			list = append(list, rejectedOf(r))
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

func rejectedOf(r *kgo.Record) Rejected {
	x := Rejected{Value: r.Value}
	for _, h := range r.Headers {
		v := string(h.Value)
		switch h.Key {
		case "stream":
			x.Stream = v
		case "topic":
			x.Topic = v
		case "partition":
			n, _ := strconv.ParseInt(v, 10, 32)
			x.Partition = int32(n)
		case "offset":
			x.Offset, _ = strconv.ParseInt(v, 10, 64)
		case "timestamp":
			ms, _ := strconv.ParseInt(v, 10, 64)
			x.Time = time.UnixMilli(ms).UTC()
		case "kind":
			x.Kind = v
		case "column":
			x.Column = v
		case "reason":
			x.Reason = v
		case "tables":
			x.Tables = v
		case "definition":
			x.definition = v
		}
	}
	return x
}
