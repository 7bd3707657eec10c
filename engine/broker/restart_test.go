package broker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// killing is a broker that is killed again and again: what it has on disk at that moment is copied,
// and the next one starts from the copy.
type killing struct {
	t    *testing.T
	ctx  context.Context
	dir  string
	addr string
	b    *Broker
}

func newKilling(t *testing.T) *killing {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	k := &killing{t: t, ctx: ctx, dir: t.TempDir(), addr: DefaultListen}
	k.start()
	k.addr = k.b.Addr()
	if _, err := kadm.NewClient(k.client()).CreateTopic(ctx, 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *killing) start() {
	k.t.Helper()
	b, err := Start(Options{DataDir: k.dir, Listen: k.addr})
	if err != nil {
		k.t.Fatal(err)
	}
	k.b = b
	k.t.Cleanup(func() { _ = b.Close() })
}

// kill leaves what is on disk now, less what spoil takes away.
func (k *killing) kill(spoil func(dir string)) {
	k.t.Helper()
	left := k.t.TempDir()
	if err := os.CopyFS(left, os.DirFS(k.dir)); err != nil {
		k.t.Fatal(err)
	}
	if err := k.b.Close(); err != nil {
		k.t.Fatal(err)
	}
	if k.dir = left; spoil != nil {
		spoil(left)
	}
	k.start()
}

func (k *killing) client(opts ...kgo.Opt) *kgo.Client {
	k.t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.b.Addr()), kgo.DefaultProduceTopic("t"))...)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(c.Close)
	return c
}

// open writes a value in a transaction that stays open.
func (k *killing) open(c *kgo.Client, value string) {
	k.t.Helper()
	if err := c.BeginTransaction(); err != nil {
		k.t.Fatal(err)
	}
	if err := c.ProduceSync(k.ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
		k.t.Fatal(err)
	}
}

func (k *killing) commit(c *kgo.Client) {
	k.t.Helper()
	if err := c.EndTransaction(k.ctx, kgo.TryCommit); err != nil {
		k.t.Fatal(err)
	}
}

// committed is what a reader of committed records gets.
func (k *killing) committed() string {
	k.t.Helper()
	c := k.client(kgo.ConsumeTopics("t"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	end := k.client()
	if err := end.ProduceSync(k.ctx, kgo.StringRecord("end")).FirstErr(); err != nil {
		k.t.Fatal(err)
	}
	var list []string
	for {
		fetches := c.PollFetches(k.ctx)
		if err := fetches.Err0(); err != nil {
			k.t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if list = append(list, string(r.Value)); string(r.Value) == "end" {
				return strings.Join(list, " ")
			}
		}
	}
}

// TestKilledInsideATransaction asks a broker to commit the rest of a transaction in the middle of
// which it was killed: that must not look like success.
func TestKilledInsideATransaction(t *testing.T) {
	k := newKilling(t)
	c := k.client(kgo.TransactionalID("x"))
	k.open(c, "one")
	k.commit(c)
	k.open(c, "two")
	k.kill(nil)
	if err := c.EndTransaction(k.ctx, kgo.TryCommit); err == nil {
		t.Error("a transaction that was lost has been committed")
	}
	if got := k.committed(); got != "one end" {
		t.Errorf("committed: %s", got)
	}
}

// TestKilledTwice: what was lost with the first kill does not come back with the second, when the
// same producer has committed something in between.
func TestKilledTwice(t *testing.T) {
	k := newKilling(t)
	k.open(k.client(kgo.TransactionalID("x")), "lost")
	k.kill(nil)
	c := k.client(kgo.TransactionalID("x"))
	k.open(c, "kept")
	k.commit(c)
	k.kill(nil)
	if got := k.committed(); got != "kept end" {
		t.Errorf("committed: %s", got)
	}
}

// TestKilledInsideACommit takes the marker away that a commit has written, and leaves the note of
// the commit: it is done to its end.
func TestKilledInsideACommit(t *testing.T) {
	k := newKilling(t)
	c := k.client(kgo.TransactionalID("x"))
	k.open(c, "one")
	var before map[string]int64
	part := func(dir string) string { return filepath.Join(dir, "kafka", "partitions", "t-0") }
	sizes := func(dir string) map[string]int64 {
		m := map[string]int64{}
		for _, name := range []string{"0.dat", "0.idx"} {
			st, err := os.Stat(filepath.Join(part(dir), name))
			if err != nil {
				t.Fatal(err)
			}
			m[name] = st.Size()
		}
		return m
	}
	before = sizes(k.dir)
	k.commit(c)
	k.kill(func(dir string) {
		for name, size := range before {
			if err := os.Truncate(filepath.Join(part(dir), name), size); err != nil {
				t.Fatal(err)
			}
		}
	})
	if got := k.committed(); got != "one end" {
		t.Errorf("committed: %s", got)
	}
}
