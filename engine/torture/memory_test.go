package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// wideQuery has a row for every client, and metrics whose results say whether each was counted.
const wideQuery = `
CREATE STREAM orders (client_id BIGINT, side VARCHAR, amount BIGINT) WITH (topic = '%[1]s.orders', format = 'csv');
CREATE METRIC BUYS WITH (topic = '%[1]s.metrics') AS SELECT COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'B' EMIT FINAL;
CREATE METRIC SELLS WITH (topic = '%[1]s.metrics') AS SELECT COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) WHERE side = 'S' EMIT FINAL;
CREATE TABLE totals AS SELECT client_id, SUM(amount) AS total, COUNT(*) AS n FROM orders GROUP BY client_id;
CREATE METRIC TOP5 WITH (topic = '%[1]s.metrics') AS SELECT client_id, total FROM totals ORDER BY total DESC LIMIT 5 EMIT EVERY 5 SECONDS;
CREATE METRIC ALL_OF_IT WITH (topic = '%[1]s.metrics') AS SELECT COUNT(*) AS clients, SUM(total) AS total, SUM(n) AS n FROM totals EMIT EVERY 10 MINUTES;
`

// wideEnv names another size than the slice's, as MEMORY:ROWS:CLIENTS, such as 512MiB:20000000:10000000.
const wideEnv = "PENSTOCK_TORTURE_MEMORY"

// TestMemory: a process told to take no more than so much memory counts many more clients than fit,
// takes at most 1.3 times that, and counts right. Where a cgroup can be made it could not take more.
func TestMemory(t *testing.T) {
	size, rows, clients := "128MiB", 330_000, 300_000
	spec := os.Getenv(wideEnv)
	if spec == "" && *full {
		spec = "512MiB:20000000:10000000"
	}
	if spec != "" {
		f := strings.Split(spec, ":")
		var err1, err2 error
		if len(f) == 3 {
			size = f[0]
			rows, err1 = strconv.Atoi(f[1])
			clients, err2 = strconv.Atoi(f[2])
		}
		if len(f) != 3 || err1 != nil || err2 != nil {
			t.Fatalf("%s=%s, expected such as 512MiB:20000000:10000000", wideEnv, spec)
		}
	}
	mib, err := strconv.Atoi(strings.TrimSuffix(size, "MiB"))
	if err != nil {
		t.Fatal(err)
	}
	most := int64(mib) << 20 * 13 / 10
	k := aKafka(nil)
	if spec != "" {
		k = startApache(t)
	}
	if k == nil {
		k = startEmbedded(t)
	}
	w := loadWide(t, k.addr(), rows, clients)
	p := newProcess(penstock(t), "p1", filepath.Join(w.dir, "p1"), "run", w.file, "--brokers", k.addr(), "--app", w.app,
		"--state-dir", filepath.Join(w.dir, "p1"), "--memory", size, "--exit-when-caught-up", "--http", "off", "--kafka-timeout", "60s")
	if group := memoryGroup(t, most); group != "" {
		p.args = append([]string{"sh", "-c", `echo $$ > "$0"/cgroup.procs && exec "$@"`, group}, p.args...)
	}
	p.clean(t)
	began := time.Now()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	if err := p.ended(ctx, 15*time.Minute); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	peak := p.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	t.Logf("%d rows of %d clients: %.0f rows/s, %.2f CPU s/M, at most %d MiB resident of %s", rows, clients, float64(rows)/took.Seconds(),
		(p.cmd.ProcessState.UserTime()+p.cmd.ProcessState.SystemTime()).Seconds()/float64(rows)*1e6, peak>>20, size)
	if peak > most {
		t.Errorf("%d MiB resident, %d are allowed", peak>>20, most>>20)
	}
	w.check(t, ctx, k.addr())
}

// wide is what was sent, and what has to come out.
type wide struct {
	app, dir, file    string
	buys, sells       int64
	clients, n, total int64
}

// loadWide sends rows of clients in turn, in an order that has nothing to do with their numbers.
func loadWide(t *testing.T, addr string, rows, clients int) *wide {
	w := &wide{app: fmt.Sprintf("wide%d", os.Getpid()), dir: workDir(t), clients: int64(min(rows, clients))}
	w.file = filepath.Join(w.dir, "wide.sql")
	if err := os.WriteFile(w.file, fmt.Appendf(nil, wideQuery, w.app), 0o600); err != nil {
		t.Fatal(err)
	}
	c := client(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(1<<17),
		kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchMaxBytes(1_000_000))
	made, err := kadm.NewClient(c).CreateTopics(context.Background(), partitions, 1, nil, w.app+".orders")
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	const span = 10 * time.Minute
	const stride = 7_368_787 // a prime that divides no number of clients
	start := time.Now().Add(-span)
	var failed error
	for i := range rows {
		side, amount := "BS"[i%3%2], int64(i%1000)
		if side == 'B' {
			w.buys++
		} else {
			w.sells++
		}
		w.n, w.total = w.n+1, w.total+amount
		line := fmt.Appendf(make([]byte, 0, 24), "%d,%c,%d", i%clients*stride%clients, side, amount)
		at := start.Add(time.Duration(float64(span) * float64(i) / float64(rows)))
		c.Produce(context.Background(), &kgo.Record{Topic: w.app + ".orders", Partition: int32(i % partitions), Value: line, Timestamp: at},
			func(_ *kgo.Record, err error) {
				if err != nil {
					failed = err
				}
			})
	}
	if err := c.Flush(context.Background()); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return w
}

// check adds up the results: each row counted once, each client there with all of its amounts.
func (w *wide) check(t *testing.T, ctx context.Context, addr string) {
	t.Helper()
	var got wide
	var top []byte
	eachRecord(t, ctx, addr, w.app+".metrics", func(r *kgo.Record) {
		var m struct {
			Rows []struct {
				Clients  int64
				N, Total json.Number // sums are text
			}
		}
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatalf("%s: %v", r.Value, err)
		}
		if string(r.Key) == "TOP5" {
			top = r.Value
		}
		for _, row := range m.Rows {
			n, _ := row.N.Int64()
			switch string(r.Key) {
			case "BUYS":
				got.buys += n
			case "SELLS":
				got.sells += n
			case "ALL_OF_IT": // the last one holds all
				got.clients, got.n = row.Clients, n
				got.total, _ = row.Total.Int64()
			}
		}
	})
	got.app, got.dir, got.file = w.app, w.dir, w.file
	if got != *w {
		t.Errorf("counted %+v, sent %+v", got, *w)
	}
	if top == nil {
		t.Error("no top five")
	}
}

// eachRecord reads a topic to its end.
func eachRecord(t *testing.T, ctx context.Context, addr, topic string, fn func(*kgo.Record)) {
	t.Helper()
	c := client(t, addr, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	ends, err := kadm.NewClient(c).ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				fn(r)
				// The last offset is that of the transaction's end, which nobody is given.
				if r.Offset >= left[p.Partition]-2 {
					delete(left, p.Partition)
				}
			}
		})
	}
}

// memoryGroup makes a cgroup that may take so much, of either version, and returns its directory; empty
// where that is not possible. The kernel then kills a process that takes more.
func memoryGroup(t *testing.T, most int64) string {
	for root, file := range map[string]string{"/sys/fs/cgroup": "memory.max", "/sys/fs/cgroup/memory": "memory.limit_in_bytes"} {
		dir := filepath.Join(root, fmt.Sprintf("penstock-torture-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		limit := filepath.Join(dir, file)
		if _, err := os.Stat(limit); err != nil || os.WriteFile(limit, strconv.AppendInt(nil, most, 10), 0o600) != nil {
			_ = os.Remove(dir)
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
		t.Logf("in a cgroup with %s = %d", file, most)
		return dir
	}
	t.Log("no cgroup can be made here: the peak is measured only")
	return ""
}
