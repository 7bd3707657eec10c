package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAwayByTopic: of what Kafka says of one topic the others' clocks do not stand still; of what it does
// not say, all do.
func TestAwayByTopic(t *testing.T) {
	part := func(err error) *kadm.ShardErrors {
		req := kmsg.NewPtrListOffsetsRequest()
		req.Topics = append(req.Topics, kmsg.ListOffsetsRequestTopic{Topic: "a"})
		return &kadm.ShardErrors{Errs: []kadm.ShardError{{Req: req, Err: err}}}
	}
	both := func() kadm.ListedOffsets {
		return kadm.ListedOffsets{"a": {0: {Topic: "a", Offset: 7}}, "b": {0: {Topic: "b", Offset: 8}}}
	}
	deleted := both()
	deleted["a"] = map[int32]kadm.ListedOffset{-1: {Topic: "a", Partition: -1, Err: kerr.UnknownTopicOrPartition}}
	one := both()
	delete(one, "a")
	for _, c := range []struct {
		what string
		list kadm.ListedOffsets
		err  error
		late time.Duration
		a, b bool // away
	}{
		{what: "all is well", list: both()},
		{what: "a was deleted", list: deleted, a: true},
		{what: "a has a partition without a leader", list: both(), err: part(kerr.LeaderNotAvailable), a: true},
		{what: "nothing is said of a", list: one, a: true},
		{what: "a broker cannot be asked", list: both(), err: part(errors.New("connection refused")), a: true, b: true},
		{what: "no broker can be asked", err: context.DeadlineExceeded, a: true, b: true},
		{what: "late", list: both(), late: 2 * slowAnswer, a: true, b: true},
	} {
		x := newEnds(nil, wallClock{}, []string{"a", "b"}, nil)
		x.ask()
		if _, known := x.lastAway("b"); known {
			t.Errorf("%s: it is known while it is asked", c.what)
		}
		some := x.answered(time.Now().Add(-c.late), c.list, c.err)
		for topic, want := range map[string]bool{"a": c.a, "b": c.b} {
			at, known := x.lastAway(topic)
			if !known || at.IsZero() == want {
				t.Errorf("%s: %s was away at %v, expected away: %v", c.what, topic, at, want)
			}
		}
		if ends := x.of("b"); some != (ends[0] == 8) || some == (c.b && c.late == 0) {
			t.Errorf("%s: the end of b is %v, something was answered: %v", c.what, ends, some)
		}
	}
}
