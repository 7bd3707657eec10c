package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/broker"
	"penstock/engine/broker/kafkatest"
)

// A test that kills processes runs itself again as a child, with what to do in this variable.
const childVar = "PENSTOCK_ENGINE_TEST_CHILD"

func TestMain(m *testing.M) {
	if spec := os.Getenv(childVar); spec != "" {
		os.Exit(runChild(spec))
	}
	kafkatest.Main(m)
}

// childSpec is what a child process runs.
type childSpec struct {
	Kind     string // sum or table
	Brokers  []string
	App      string
	Instance string
	Dir      string
	Session  time.Duration
	Txn      time.Duration
	Hold     bool // pause inside each transaction until told to go on
}

func (c childSpec) options() Options {
	o := Options{
		Brokers: c.Brokers, App: c.App, InstanceID: c.Instance, StateDir: c.Dir,
		SessionTimeout: c.Session, TransactionTimeout: c.Txn, FlushInterval: 5 * time.Millisecond,
	}
	if os.Getenv("PENSTOCK_TEST_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 6 * time.Second
	}
	return o.withDefaults()
}

func runChild(text string) int {
	var spec childSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run := runSumStage
	if spec.Kind == "table" {
		run = runTableStage
	}
	if err := run(ctx, spec); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

// child is a process of the test binary.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
	once sync.Once
}

func startChild(t *testing.T, spec childSpec) *child {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+string(text))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_ = cmd.Wait()
	}()
	t.Cleanup(c.kill)
	return c
}

// kill is kill -9.
func (c *child) kill() {
	c.once.Do(func() { _ = c.cmd.Process.Kill() })
	<-c.done
}

func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// onKafkas runs a test on every Kafka there is, with an application name of its own.
func onKafkas(t *testing.T, test func(t *testing.T, brokers []string, app string)) {
	for _, b := range kafkatest.Brokers(t) {
		t.Run(b.Name, func(t *testing.T) { test(t, []string{b.Addr}, kafkatest.Unique(t, "t")) })
	}
}

// testBroker is an embedded broker for tests of what does not depend on Kafka.
func testBroker(t *testing.T) []string {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return []string{b.Addr()}
}

func testContext(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	// The limit is for a machine that has nothing else to do. Nothing is gained by failing on one
	// that is slow; a test that hangs fails either way.
	ctx, cancel := context.WithTimeout(context.Background(), 4*limit)
	t.Cleanup(cancel)
	return ctx
}

func testLog() *slog.Logger {
	if os.Getenv("PENSTOCK_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// lines is a log that tests look into.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func testCluster(t *testing.T, ctx context.Context, brokers []string) *cluster {
	t.Helper()
	log := testLog()
	setUpLibraries(log)
	c, err := openCluster(ctx, brokers, nil, "test", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func makeTopic(t *testing.T, ctx context.Context, c *cluster, name string, partitions int, configs ...string) {
	t.Helper()
	set := map[string]*string{}
	for i := 0; i+1 < len(configs); i += 2 {
		set[configs[i]] = kadm.StringPtr(configs[i+1])
	}
	if _, err := c.admin.CreateTopic(ctx, int32(partitions), 1, set, name); err != nil {
		t.Fatal(err)
	}
	if _, err := c.awaitTopics(ctx, []string{name}); err != nil {
		t.Fatal(err)
	}
}

// readAll returns every record of a topic up to its present end, as a reader of committed (or of
// all) records sees them, by partition in order.
func readAll(t *testing.T, ctx context.Context, brokers []string, topic string, committed bool) map[int32][]*kgo.Record {
	t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	if committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	got := map[int32][]*kgo.Record{}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("read %s: %v; left %v", topic, err, left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				got[r.Partition] = append(got[r.Partition], r)
			}
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		})
	}
	return got
}

// eventually waits until a condition holds, asking again and again; the test fails when it does
// not before ctx is over.
func eventually(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Errorf("%s: not before the deadline", what)
			return
		case <-tick.C:
		}
	}
}
