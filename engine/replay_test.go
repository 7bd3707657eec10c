package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/audit"
	"penstock/engine/core"
	"penstock/engine/rejects"
)

const replayFile = `
CREATE STREAM orders (time TIMESTAMP, client BIGINT, amount BIGINT %s) WITH (topic = 'orders', format = 'csv', timestamp = 'time');
CREATE TABLE totals AS SELECT client, SUM(amount) AS total, COUNT(*) AS n FROM orders GROUP BY client;
CREATE METRIC top AS SELECT client, total FROM totals ORDER BY total DESC LIMIT 5 EMIT EVERY 5 SECONDS;
CREATE METRIC n AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) EMIT FINAL;
`

// strict refuses half of the rows that replayLog makes.
const strict = "CHECK (amount < 50)"

func replayLog(t *testing.T, ctx context.Context, c *cluster, topic string, from, rows int) {
	t.Helper()
	at := time.Date(2016, 3, 22, 20, 25, 20, 0, time.UTC)
	var recs []*kgo.Record
	for i := from; i < from+rows; i++ {
		line := fmt.Sprintf("%s,%d,%d", at.Add(time.Duration(i)*50*time.Millisecond).Format("2006-01-02 15:04:05.000"), i%7, i%100)
		recs = append(recs, &kgo.Record{Topic: topic, Partition: int32(i % 3), Value: []byte(line), Timestamp: at})
	}
	if err := c.write(ctx, recs...); err != nil {
		t.Fatal(err)
	}
}

// replayedPlaces counts how often each rejected row was replayed.
func replayedPlaces(t *testing.T, ctx context.Context, brokers []string, app string) (times map[rejects.Place]int, most int) {
	t.Helper()
	times = map[rejects.Place]int{}
	for _, r := range readAll(t, ctx, brokers, names{app}.Replayed(), true)[0] {
		x, err := rejects.Of(r)
		if err != nil {
			t.Fatal(err)
		}
		times[x.Place]++
		most = max(most, times[x.Place])
	}
	return times, most
}

// TestReplayOnce stops a replay in each of its transactions, with the rows written and the
// transaction open, and lets another begin while one is in the middle: every row is replayed once.
func TestReplayOnce(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		good := bindText(t, app, formatText(replayFile, ""))
		topic := good.Streams[0].Options.Topic
		makeTopic(t, ctx, c, topic, 3)
		replayLog(t, ctx, c, topic, 0, 400)
		o := Options{Brokers: brokers, App: app, Plan: bindText(t, app, formatText(replayFile, strict)), FoldPartitions: 2, ExitWhenCaughtUp: true}
		if err := testEngine(t, o).Run(ctx); err != nil {
			t.Fatal(err)
		}

		killed := errors.New("killed")
		replay := Replay{Brokers: brokers, App: app, Plan: good, Logger: testLog(), perTransaction: 30}
		if got, err := (Replay{Brokers: brokers, App: app, Plan: o.Plan}).Run(ctx); err != nil || got.Bad != 200 || got.Replayed != 0 {
			t.Fatalf("with the old file: %+v %v", got, err)
		}
		for stop := 1; ; stop++ { // 200 rows are seven transactions
			left := stop
			replay.halt = func() error {
				if left--; left == 0 {
					return killed
				}
				return nil
			}
			got, err := replay.Run(ctx)
			if err == nil {
				if got.Before+got.Replayed != 200 {
					t.Errorf("the last run: %+v", got)
				}
				break
			}
			if !errors.Is(err, killed) {
				t.Fatal(err)
			}
			if stop == 2 {
				overtaken(t, ctx, replay)
			}
		}
		times, most := replayedPlaces(t, ctx, brokers, app)
		if len(times) != 200 || most != 1 {
			t.Errorf("%d rows were replayed, one of them %d times; expected 200 once", len(times), most)
		}
	})
}

// overtaken begins a replay while another is between its rows and its commit.
func overtaken(t *testing.T, ctx context.Context, first Replay) {
	t.Helper()
	second := first
	second.halt = nil
	first.halt = func() error {
		first.halt = nil
		if _, err := second.Run(ctx); err != nil {
			t.Errorf("the second of two: %v", err)
		}
		return nil
	}
	if _, err := first.Run(ctx); err == nil || !strings.Contains(err.Error(), "another replay of application") {
		t.Errorf("the first of two: %v", err)
	}
}

// TestReplayedWhileProcessesComeAndGo replays rows while two engines run, rows come and one of the
// engines stops: the audit finds every replayed row counted once.
func TestReplayedWhileProcessesComeAndGo(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		c := testCluster(t, ctx, brokers)
		good := bindText(t, app, formatText(replayFile, ""))
		topic := good.Streams[0].Options.Topic
		makeTopic(t, ctx, c, topic, 3)
		replayLog(t, ctx, c, topic, 0, 600)
		o := Options{Brokers: brokers, App: app, Plan: bindText(t, app, formatText(replayFile, strict)), FoldPartitions: 3,
			ExitWhenCaughtUp: true, SessionTimeout: time.Second}
		if err := testEngine(t, o).Run(ctx); err != nil {
			t.Fatal(err)
		}

		o.Plan, o.ExitWhenCaughtUp = good, false
		stay := startEngine(t, ctx, o)
		brief, leave := context.WithCancel(ctx)
		defer leave()
		left := make(chan error, 1)
		o.StateDir = filepath.Join(t.TempDir(), "brief")
		goes := testEngine(t, o)
		go func() { left <- goes.Run(brief) }()
		eventually(t, ctx, "both engines read", func() bool {
			return len(stay.Status().Streams[0].Partitions) > 0 && len(goes.Status().Streams[0].Partitions) > 0
		})
		replay := Replay{Brokers: brokers, App: app, Plan: good, Logger: testLog(), perTransaction: 40}
		turns := 0
		replay.halt = func() error {
			replayLog(t, ctx, c, topic, 600+100*turns, 100)
			if turns++; turns == 4 {
				leave()
			}
			return nil
		}
		if got, err := replay.Run(ctx); err != nil || got.Replayed != 300 {
			t.Fatalf("%+v %v", got, err)
		}
		if err := <-left; err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "all replayed rows are read", func() bool {
			at, err := stay.replayedPosition(ctx, good.Streams[0])
			return err == nil && at.Tally.Read == 300
		})
		eventually(t, ctx, "everything is read", func() bool { return ended(stay) && len(stay.Status().Streams[0].Partitions) == 3 })
		checkReplayed(t, ctx, c, audit.Options{Plan: good, App: app})
	})
}

func checkReplayed(t *testing.T, ctx context.Context, c *cluster, o audit.Options) {
	t.Helper()
	r, err := audit.Run(ctx, c.client, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Wrong() > 0 {
		t.Errorf("the audit finds %d differences: %+v", r.Wrong(), r)
	}
	for _, s := range r.Sources {
		if s.Partition == core.Replayed && s.Records == 300 {
			return
		}
	}
	t.Errorf("the audit has not read 300 replayed rows: %+v", r.Sources)
}
