package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
	"penstock/engine/broker/kafkatest"
	"penstock/query/plan"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// checkpointSQL has tables without a window and with each kind, and every kind of emission. %[1]s is
// before the names of topics.
const checkpointSQL = `
CREATE STREAM orders (time TIMESTAMP, client BIGINT, amount BIGINT CHECK (amount > 0), price DECIMAL(12,2))
  WITH (topic = '%[1]s.orders', timestamp = 'time', delay = '2 seconds');
CREATE TABLE totals AS SELECT client, SUM(amount * price) AS total, COUNT(DISTINCT amount) AS amounts, MAX(price) AS most FROM orders GROUP BY client;
CREATE METRIC TOP3 WITH (topic = '%[1]s.metrics') AS SELECT client, total, amounts, most FROM totals ORDER BY total DESC LIMIT 3 EMIT EVERY 2 SECONDS;
CREATE METRIC COUNTED WITH (topic = '%[1]s.metrics') AS SELECT COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 2 SECONDS) EMIT FINAL;
CREATE METRIC RECENT WITH (topic = '%[1]s.metrics') AS SELECT client, SUM(amount) AS volume FROM orders WINDOW SLIDING (SIZE 6 SECONDS)
  GROUP BY client ORDER BY volume DESC LIMIT 3 EMIT EVERY 1 SECOND;
CREATE METRIC LISTED WITH (topic = '%[1]s.listed', format = 'list') AS SELECT client, total FROM totals ORDER BY total DESC LIMIT 2 EMIT EVERY 4 SECONDS;
CREATE METRIC LATEST WITH (topic = '%[1]s.changes') AS SELECT client, COUNT(*) AS n FROM orders GROUP BY client EMIT CHANGES;
CREATE METRIC WINDOWED WITH (topic = '%[1]s.changes') AS SELECT client, COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) GROUP BY client EMIT CHANGES;
`

// checkpointRun is an application that is given its log bit by bit.
type checkpointRun struct {
	t      *testing.T
	ctx    context.Context
	app    string
	sql    string
	plan   *plan.Plan
	client *kgo.Client
	admin  *kadm.Client
	addr   string
	dir    string
	rnd    *rand.Rand
	at     time.Time
}

func newCheckpointRun(t *testing.T, b kafkatest.Named) *checkpointRun {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := &checkpointRun{t: t, ctx: ctx, app: kafkatest.Unique(t, "c"), client: client, admin: kadm.NewClient(client), addr: b.Addr,
		dir: t.TempDir(), rnd: rand.New(rand.NewPCG(seed, 1)), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.sql = fmt.Sprintf(checkpointSQL, r.app)
	r.plan = r.bind(r.sql)
	made, err := r.admin.CreateTopic(ctx, 3, 1, nil, r.app+".orders")
	if err := errors.Join(err, made.Err); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *checkpointRun) bind(sql string) *plan.Plan {
	r.t.Helper()
	p, diags := plan.Bind("orders.sql", sql)
	if p == nil {
		r.t.Fatal(diags)
	}
	return p
}

// run sends orders, and lets the application read all of them.
func (r *checkpointRun) run(orders int) {
	r.t.Helper()
	var recs []*kgo.Record
	for range orders {
		r.at = r.at.Add(time.Duration(r.rnd.IntN(30)) * time.Millisecond)
		when := r.at.Add(-time.Duration(r.rnd.IntN(2500)) * time.Millisecond)
		line := fmt.Sprintf("%s,%d,%d,%d.%02d", when.Format("2006-01-02 15:04:05.000"), r.rnd.IntN(9), r.rnd.IntN(40), 1+r.rnd.IntN(30), r.rnd.IntN(100))
		recs = append(recs, &kgo.Record{Topic: r.app + ".orders", Partition: int32(r.rnd.IntN(3)), Value: []byte(line), Timestamp: r.at})
	}
	if err := r.client.ProduceSync(r.ctx, recs...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
	// The end of the input moves clocks past the last windows: what comes next is later.
	r.at = r.at.Add(20 * time.Second)
	e, err := engine.New(engine.Options{Brokers: []string{r.addr}, App: r.app, Plan: r.plan, StateDir: filepath.Join(r.dir, "state"),
		FoldPartitions: 2, FlushInterval: 20 * time.Millisecond, ExitWhenCaughtUp: true})
	if err == nil {
		err = e.Run(r.ctx)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// forget removes the orders that are there, as retention does.
func (r *checkpointRun) forget() {
	r.t.Helper()
	ends, err := r.admin.ListEndOffsets(r.ctx, r.app+".orders")
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.admin.DeleteRecords(r.ctx, ends.Offsets()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *checkpointRun) audit(c *Checkpoint) *Report {
	r.t.Helper()
	report, err := Run(r.ctx, r.client, Options{Plan: r.plan, App: r.app, Tables: true, Checkpoint: c})
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// equal requires that everything was compared and is equal.
func (r *checkpointRun) equal(report *Report) {
	r.t.Helper()
	for _, m := range report.Metrics {
		if m.Wrong() > 0 || m.Compared == 0 || m.Equal != m.Compared || m.Unchecked > 0 || m.Why != "" {
			r.t.Errorf("metric %s: %+v", m.Metric, m)
		}
	}
	for _, table := range report.Tables {
		if table.Wrong() > 0 || table.Table == "totals" && table.Rows == 0 || table.Why != "" {
			r.t.Errorf("table %s: %+v", table.Table, table)
		}
	}
	if x := report.Rejects; x.Wrong() > 0 || x.Rows == 0 || x.Why != "" {
		r.t.Errorf("rejects: %+v", x)
	}
	for _, s := range report.Sources {
		if s.Account != "" {
			r.t.Errorf("account: %s", s.Account)
		}
	}
	if report.Checkpoint == nil {
		r.t.Fatalf("no checkpoint: %s", report.NoCheckpoint)
	}
}

// through writes a checkpoint to a file, and reads it.
func (r *checkpointRun) through(c *Checkpoint) *Checkpoint {
	r.t.Helper()
	file := filepath.Join(r.dir, "checkpoint")
	if err := WriteCheckpoint(file, c); err != nil {
		r.t.Fatal(err)
	}
	got, err := ReadCheckpoint(file)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// TestCheckpoint: retention removes what was audited, and the rest is audited from the checkpoint, also
// what holds everything since the beginning.
func TestCheckpoint(t *testing.T) {
	for _, b := range kafkatest.Brokers(t) {
		t.Run(b.Name, func(t *testing.T) {
			r := newCheckpointRun(t, b)
			r.run(3000)
			first := r.audit(nil)
			r.equal(first)
			c := r.through(first.Checkpoint)
			r.forget()
			r.run(2000)

			// Without it, what cannot be checked is named.
			without := r.audit(nil)
			if without.Wrong() > 0 || without.Checkpoint != nil || !strings.Contains(without.NoCheckpoint, "retention has removed rows") {
				t.Errorf("without a checkpoint: %+v", without)
			}
			if m := without.Metrics[0]; m.Metric != "TOP3" || m.Compared > 0 || m.Unchecked == 0 || !strings.Contains(m.Why, "--checkpoint") {
				t.Errorf("without a checkpoint: %+v", m)
			}

			second := r.audit(c)
			r.equal(second)
			if second.Since == nil || second.Sources[0].From != c.State.Streams[0].Partitions[0].Next {
				t.Errorf("it did not begin at the checkpoint: %+v", second.Sources)
			}
			other := r.through(second.Checkpoint)
			r.run(500)
			r.equal(r.audit(other))
			// The older one still fits: nothing behind it was removed.
			r.equal(r.audit(c))
			r.wrong(c)
			r.forget()
			r.gap(other)
		})
	}
}

// wrong: a state that is not what was read makes differences.
func (r *checkpointRun) wrong(c *Checkpoint) {
	r.t.Helper()
	bad := r.through(c)
	for _, table := range bad.State.Streams[0].Tables {
		if table.Name == "totals" {
			table.Base[0].Sums[0].Sum.Add(table.Base[0].Sums[0].Sum, big.NewInt(1))
		}
	}
	if report := r.audit(bad); report.Wrong() == 0 || report.Checkpoint != nil {
		r.t.Error("a state that is off by a cent made no difference")
	}
}

// gap: what came behind the checkpoint is gone too.
func (r *checkpointRun) gap(c *Checkpoint) {
	r.t.Helper()
	report := r.audit(c)
	if report.Since != nil || report.Wrong() > 0 || !strings.Contains(strings.Join(report.Notes, "\n"), "is of no use any more: it ends at offset") {
		r.t.Errorf("with records missing behind the checkpoint: %+v", report)
	}
}

// TestCheckpointRefused: one that does not fit is refused in words, and begins nothing.
func TestCheckpointRefused(t *testing.T) {
	r := newCheckpointRun(t, kafkatest.Brokers(t)[0])
	r.run(500)
	c := r.audit(nil).Checkpoint
	if c == nil {
		t.Fatal("no checkpoint")
	}
	for _, bad := range []struct {
		what   string
		change func(*Checkpoint, *Options)
		say    string
	}{
		{"another plan", func(_ *Checkpoint, o *Options) {
			o.Plan = r.bind(strings.Replace(r.sql, "delay = '2", "delay = '3", 1))
		}, "it was written for another query file"},
		{"another application", func(c *Checkpoint, _ *Options) { c.App = "other" }, `it is of application "other"`},
		{"a later offset", func(c *Checkpoint, _ *Options) { c.State.Streams[0].Partitions[1].Next += 1000 }, r.app + ".orders/1 up to offset"},
		{"a topic made again", func(c *Checkpoint, _ *Options) { c.Topics[r.app+".orders"] = "x" }, "was deleted and made again"},
		{"a table that is not there", func(c *Checkpoint, _ *Options) { c.State.Streams[0].Tables[0].Name = "x" }, "another plan"},
	} {
		o := Options{Plan: r.plan, App: r.app, Checkpoint: r.through(c)}
		bad.change(o.Checkpoint, &o)
		if _, err := Run(r.ctx, r.client, o); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), bad.say) {
			t.Errorf("%s: got %v, expected %q", bad.what, err, bad.say)
		}
	}
	file := filepath.Join(r.dir, "checkpoint")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string]struct {
		text []byte
		say  string
	}{
		"damaged":        {append(bytes.Clone(text[:len(text)-1]), text[len(text)-1]^1), "its checksum is another"},
		"cut short":      {text[:len(text)/2], "its checksum is another"},
		"something":      {[]byte("hello\n"), "it is none"},
		"nothing":        {nil, "it is none"},
		"a newer format": {bytes.Replace(text, []byte("checkpoint 1 "), []byte("checkpoint 2 "), 1), "its format is 2, and this program knows 1"},
	} {
		if err := os.WriteFile(file, bad.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCheckpoint(file); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), bad.say) {
			t.Errorf("%s: got %v, expected %q", what, err, bad.say)
		}
	}
	if _, err := ReadCheckpoint(filepath.Join(r.dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
