package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/broker/kafkatest"
	"penstock/engine/format"
	"penstock/engine/rejects"
)

const wideFile = `
CREATE STREAM orders (at TIMESTAMP, n BIGINT, k VARCHAR, v VARCHAR %s) WITH (topic = 'orders', format = 'csv', timestamp = 'at');
CREATE TABLE wide AS SELECT k, MIN(v) AS low, MAX(v) AS high, SUM(n) AS n FROM orders GROUP BY k;
CREATE METRIC everything AS SELECT k, low, high, n FROM wide EMIT EVERY 5 SECONDS;
CREATE METRIC windows AS SELECT k, COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) GROUP BY k EMIT FINAL;
`

// dense is text of so many bytes that no compression makes smaller.
func dense(rnd *rand.Rand, size int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	b := make([]byte, size)
	for i := range b {
		b[i] = letters[rnd.IntN(len(letters))]
	}
	return string(b)
}

// wideLog makes rows of so many bytes, of some keys, and a small one for each of them.
func wideLog(partitions, keys, size int) [][]format.Record {
	rnd := rand.New(rand.NewPCG(1, 2))
	log := make([][]format.Record, partitions)
	at := time.Date(2016, 3, 22, 20, 25, 20, 0, time.UTC)
	for i := range 2 * keys {
		when := at.Add(time.Duration(i) * 700 * time.Millisecond)
		text := dense(rnd, size/2-20)
		if i%2 == 1 {
			text = fmt.Sprint("small ", i)
		}
		line := fmt.Sprintf("%s,%d,%s,%s", when.Format("2006-01-02 15:04:05.000"), i, text, text)
		log[i%partitions] = append(log[i%partitions], format.Record{Time: when.UnixMilli(), Value: []byte(line)})
	}
	return log
}

// loadWide writes rows that may be larger than any producer's defaults allow.
func loadWide(t *testing.T, ctx context.Context, brokers []string, topic string, log [][]format.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(4<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for p, list := range log {
		for _, r := range list {
			rec := &kgo.Record{Topic: topic, Partition: int32(p), Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Time)}
			if err := client.ProduceSync(ctx, rec).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLargeRecords: rows of a megabyte that are a group's key, its smallest and its largest value make
// records of three in the frames, the shares, the changelog and the results. Nothing but time is lost by
// that, neither then nor when the changelog is read again. A row that is larger than any may be is rejected.
func TestLargeRecords(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		ctx := testContext(t, time.Minute)
		p := bindText(t, app, formatText(wideFile, ""))
		c := testCluster(t, ctx, brokers)
		topic := p.Streams[0].Options.Topic
		makeTopic(t, ctx, c, topic, 2, "max.message.bytes", "4000000")
		log := wideLog(2, 4, 1_000_000)
		huge := format.Record{Time: log[0][0].Time, Value: []byte(strings.Repeat("x", 2_000_000))}
		log[1] = append(log[1], huge)
		loadWide(t, ctx, brokers, topic, log)
		want := expected(t, p, "orders", log)
		dir := filepath.Join(t.TempDir(), "state")
		o := Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 3, ExitWhenCaughtUp: true, StateDir: dir}
		for range 2 {
			if err := testEngine(t, o).Run(ctx); err != nil {
				t.Fatal(err)
			}
			compareLines(t, published(t, ctx, brokers, p), want)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
		bad := readAll(t, ctx, brokers, names{app}.Rejects(), true)[0]
		if len(bad) != 1 || string(bad[0].Value) != string(huge.Value) {
			t.Errorf("%d rejected rows, expected the one of %d bytes", len(bad), len(huge.Value))
		}
		largest := map[string]int{}
		for _, topic := range []string{names{app}.Frames(), names{app}.FoldLoop(), names{app}.FoldTable(), p.Metrics[0].Topic} {
			for _, recs := range readAll(t, ctx, brokers, topic, true) {
				for _, r := range recs {
					largest[topic] = max(largest[topic], recordBytes(r))
				}
			}
		}
		// Frames and shares are cut behind what was committed, and may be gone.
		for _, topic := range []string{names{app}.FoldTable(), p.Metrics[0].Topic} {
			if largest[topic] <= 1_048_588 {
				t.Errorf("no record of %s is larger than Kafka takes by its defaults: %v", topic, largest)
			}
		}
	})
}

// setLimit sets how large a record a topic takes.
func setLimit(t *testing.T, ctx context.Context, c *cluster, topic string, bytes int) {
	t.Helper()
	value := fmt.Sprint(bytes)
	got, err := c.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &value}}, topic)
	if err != nil || got[0].Err != nil {
		t.Fatal(err, got)
	}
	// The broker says yes before it does so.
	eventually(t, ctx, "the topic takes so much", func() bool {
		configs, err := c.topicConfigs(ctx, topic)
		return err == nil && configs["max.message.bytes"] == value
	})
}

// TestRecordTooLarge: a record that its topic does not take ends the process with what has to be
// raised, also at the next start. When it is raised everything is there once.
func TestRecordTooLarge(t *testing.T) {
	for _, of := range []string{"frames", "fold-loop", "fold-table", "metrics"} {
		t.Run(of, func(t *testing.T) {
			onKafkas(t, func(t *testing.T, brokers []string, app string) {
				ctx := testContext(t, time.Minute)
				p := bindText(t, app, formatText(wideFile, ""))
				c := testCluster(t, ctx, brokers)
				source, topic := p.Streams[0].Options.Topic, app+"-"+of
				makeTopic(t, ctx, c, source, 2)
				if of == "metrics" {
					topic = p.Metrics[0].Topic
				}
				if _, err := c.ensureTopics(ctx, 0, append(ownedTopics(app, 3), resultTopics(p)...)...); err != nil {
					t.Fatal(err)
				}
				setLimit(t, ctx, c, topic, 4000)
				log := wideLog(2, 8, 12_000)
				load(t, ctx, c, source, log)
				o := Options{Brokers: brokers, App: app, Plan: p, FoldPartitions: 3, ExitWhenCaughtUp: true, StateDir: filepath.Join(t.TempDir(), "state")}
				for range 2 {
					turnedAway(t, o, "topic "+topic+" takes records of at most 4000 bytes (max.message.bytes), and one of ", "set max.message.bytes=1048576 or more")
				}
				setLimit(t, ctx, c, topic, 1<<20)
				if err := testEngine(t, o).Run(ctx); err != nil {
					t.Fatal(err)
				}
				compareLines(t, published(t, ctx, brokers, p), expected(t, p, "orders", log))
			})
		})
	}
}

// TestTopicTakesLess: records that fit one by one go through a topic that takes less than a batch of ours.
func TestTopicTakesLess(t *testing.T) {
	onKafkas(t, func(t *testing.T, brokers []string, app string) {
		k := newCircumstances(t, brokers, app, 2000)
		c := testCluster(t, k.ctx, brokers)
		if _, err := c.ensureTopics(k.ctx, 0, append(ownedTopics(app, 4), resultTopics(k.plan)...)...); err != nil {
			t.Fatal(err)
		}
		setLimit(t, k.ctx, c, k.plan.Metrics[0].Topic, 1500)
		if err := testEngine(t, k.options(filepath.Join(t.TempDir(), "state"), true)).Run(k.ctx); err != nil {
			t.Fatal(err)
		}
		k.check()
	})
}

// TestRejectedRowIsCut: no row of a stream stops it, also where the topic for it takes less than the
// stream's. What is left of a row is never taken for the row.
func TestRejectedRowIsCut(t *testing.T) {
	ctx := testContext(t, time.Minute)
	brokers, app := testBroker(t), kafkatest.Unique(t, "t")
	strict, good := bindText(t, app, formatText(wideFile, "CHECK (n < 50)")), bindText(t, app, formatText(wideFile, ""))
	c := testCluster(t, ctx, brokers)
	source := good.Streams[0].Options.Topic
	makeTopic(t, ctx, c, source, 1)
	if _, err := c.ensureTopics(ctx, 0, ownedTopics(app, 3)...); err != nil {
		t.Fatal(err)
	}
	setLimit(t, ctx, c, names{app}.Rejects(), 3000)
	const at, then = "2016-03-22 20:25:20", 1_458_678_320_000
	rnd := rand.New(rand.NewPCG(3, 4))
	rows := []format.Record{
		{Time: then, Key: []byte("short"), Value: []byte(at + ",77,a," + dense(rnd, 5000))},
		{Time: then, Key: []byte(dense(rnd, 5000)), Value: []byte(at + ",77,a,b")},
		{Time: then, Value: []byte(at + ",77,whole,b")},
	}
	loadWide(t, ctx, brokers, source, [][]format.Record{rows})
	o := Options{Brokers: brokers, App: app, Plan: strict, FoldPartitions: 3, ExitWhenCaughtUp: true}
	if err := testEngine(t, o).Run(ctx); err != nil {
		t.Fatal(err)
	}
	got := readAll(t, ctx, brokers, names{app}.Rejects(), true)[0]
	if len(got) != len(rows) {
		t.Fatalf("%d rejected rows, expected %d", len(got), len(rows))
	}
	for i, rec := range got {
		x, err := rejects.Of(rec)
		if err != nil {
			t.Fatal(err)
		}
		whole := len(rows[i].Key) + len(rows[i].Value)
		if recordBytes(rec) > 3000 || !strings.HasPrefix(string(rows[i].Value), x.Value) || x.Offset != int64(i) {
			t.Errorf("row %d: %d bytes, row %d", i, recordBytes(rec), x.Offset)
		}
		if cut := i < 2; cut && (x.Length != whole || recordBytes(rec) < 2900) || !cut && (x.Length != 0 || len(rec.Value) != whole) {
			t.Errorf("row %d of %d bytes: %d are kept, and it says it had %d", i, whole, len(rec.Key)+len(rec.Value), x.Length)
		}
	}
	replay := Replay{Brokers: brokers, App: app, Plan: good, Logger: testLog()}
	done, err := replay.Run(ctx)
	if err != nil || done.Replayed != 1 || done.Bad != 2 || !strings.Contains(done.Examples[0].Reason, "the row has 5030 bytes, of which topic "+names{app}.Rejects()+" took only") {
		t.Errorf("%+v, %v; expected 1 replayed, and 2 bad because they are cut", done, err)
	}
}
