package torture

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
	"penstock/query/plan"
	"penstock/query/syntax"
)

// replayQuery is what the processes of TestReplayKilled run. The first file refuses half of the rows,
// by %[2]s; the corrected one takes them all.
const replayQuery = `
CREATE STREAM orders (time TIMESTAMP, client BIGINT, amount BIGINT %[2]s) WITH (topic = '%[1]s.orders', format = 'csv', timestamp = 'time');
CREATE TABLE totals AS SELECT client, SUM(amount) AS total, COUNT(*) AS n FROM orders GROUP BY client;
CREATE METRIC top WITH (topic = '%[1]s.metrics') AS SELECT client, total FROM totals ORDER BY total DESC LIMIT 5 EMIT EVERY 5 SECONDS;
CREATE METRIC n WITH (topic = '%[1]s.metrics') AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) EMIT FINAL;
`

const (
	replayRows  = 24_000
	replayKills = 5 // of the replay, and of the engine that reads what it writes
)

// useQuery makes the run one of another query file.
func (r *run) useQuery(name, text string) {
	r.t.Helper()
	r.file = filepath.Join(r.dir, name)
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	p, diags := plan.Bind(r.file, text)
	if syntax.HasErrors(diags) {
		r.t.Fatal(syntax.Render(r.file, text, diags))
	}
	r.plan = p
}

// TestReplayKilled kills `penstock replay-rejects` at random moments, and the engine that reads what it
// writes, again and again. Every row is replayed once, and counted once.
func TestReplayKilled(t *testing.T) {
	onKafkas(t, func(t *testing.T, k aKafka) {
		r := newRun(t, k, seed(t), 10*time.Minute)
		r.useQuery("strict.sql", fmt.Sprintf(replayQuery, r.app, "CHECK (amount < 50)"))
		r.writeOrders()
		strict := r.member("--exit-when-caught-up")
		r.start(strict)
		if err := strict.ended(r.ctx, time.Minute); err != nil {
			t.Fatal(err)
		}

		r.useQuery("corrected.sql", fmt.Sprintf(replayQuery, r.app, ""))
		p := r.memberIn(strict.name, strict.dir)
		r.start(p)
		caught := 0
		for i := range replayKills {
			replay := r.replay()
			within := []time.Duration{200 * time.Millisecond, time.Second}[i%2] // Apache Kafka takes longer
			_ = wait(r.ctx, time.Duration(r.rnd.Int64N(int64(within))))
			if replay.running() {
				replay.kill()
				caught++
			}
			if r.rnd.IntN(2) == 0 {
				p.kill()
				r.start(p)
			}
		}
		done := r.replayed()
		t.Logf("%d of %d replays were killed, the last one replayed %d rows, %d had been", caught, replayKills, done.Replayed, done.Before)
		if done.Replayed+done.Before != replayRows/2 {
			t.Errorf("after the last replay: %+v", done)
		}
		for range replayKills {
			_ = wait(r.ctx, time.Duration(r.rnd.Int64N(int64(time.Second))))
			p.kill()
			r.start(p)
		}
		if again := r.replayed(); again.Replayed != 0 || again.Before != replayRows/2 {
			t.Errorf("once more: %+v", again)
		}
		r.members = append(r.members, p)
		r.finish()
		r.replayedOnce()
		r.audit()
		if got := r.replayedRecords(); got != replayRows/2 {
			t.Errorf("the audit has read %d replayed rows, expected %d", got, replayRows/2)
		}
	})
}

// writeOrders writes the rows, half of which the first file refuses.
func (r *run) writeOrders() {
	r.t.Helper()
	c := client(r.t, r.kafka.addr(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	topic := r.app + ".orders"
	made, err := kadm.NewClient(c).CreateTopics(r.ctx, 3, -1, nil, topic)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	rows := rand.New(rand.NewPCG(r.rnd.Uint64(), 9))
	at := time.Date(2016, 3, 22, 20, 25, 20, 0, time.UTC)
	var recs []*kgo.Record
	for i := range replayRows {
		line := fmt.Sprintf("%s,%d,%d", at.Add(time.Duration(i)*5*time.Millisecond).Format("2006-01-02 15:04:05.000"), rows.IntN(500), 50*(i%2)+rows.IntN(50))
		recs = append(recs, &kgo.Record{Topic: topic, Partition: int32(rows.IntN(3)), Value: []byte(line), Timestamp: at})
	}
	if err := c.ProduceSync(r.ctx, recs...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// replay starts `penstock replay-rejects`.
func (r *run) replay() *process {
	r.t.Helper()
	r.started++
	name := fmt.Sprintf("replay%d", r.started)
	p := newProcess(penstock(r.t), name, filepath.Join(r.dir, name), "replay-rejects", r.file, "--brokers", r.kafka.addr(), "--app", r.app, "--json")
	p.clean(r.t)
	r.start(p)
	return p
}

// replayed runs it to its end.
func (r *run) replayed() (done engine.Replayed) {
	r.t.Helper()
	p := r.replay()
	if err := p.ended(r.ctx, time.Minute); err != nil {
		r.t.Fatal(err)
	}
	text := p.said()
	if err := json.Unmarshal([]byte(text[max(0, strings.Index(text, "{")):]), &done); err != nil {
		r.t.Fatalf("%v in %q", err, text)
	}
	return done
}

// replayedOnce checks that no row is twice on the topic of replayed rows.
func (r *run) replayedOnce() {
	r.t.Helper()
	topic := r.app + "-replayed"
	c := client(r.t, r.kafka.addr(), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	times, most := map[string]int{}, 0
	for len(times) < replayRows/2 && r.ctx.Err() == nil {
		fetches := c.PollFetches(r.ctx)
		fetches.EachRecord(func(rec *kgo.Record) {
			place := ""
			for _, h := range rec.Headers {
				if h.Key == "partition" || h.Key == "offset" {
					place += "/" + string(h.Value)
				}
			}
			times[place]++
			most = max(most, times[place])
		})
	}
	if len(times) != replayRows/2 || most != 1 {
		r.t.Errorf("%d rows were replayed, one of them %d times; expected %d once", len(times), most, replayRows/2)
	}
}

// replayedRecords is how many replayed rows the audit reads.
func (r *run) replayedRecords() (n int64) {
	r.t.Helper()
	for _, s := range r.audited().Sources {
		if s.Partition == -1 {
			n += s.Records
		}
	}
	return n
}
