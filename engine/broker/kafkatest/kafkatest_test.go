package kafkatest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestMain(m *testing.M) { Main(m) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func TestTransactionOnEveryBroker(t *testing.T) {
	for _, b := range Brokers(t) {
		t.Run(b.Name, func(t *testing.T) {
			ctx, topic := within(t, time.Minute), Unique(t, "t")
			cl := client(t, kgo.SeedBrokers(b.Addr), kgo.TransactionalID(Unique(t, "tx")))
			if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, -1, nil, topic); err != nil {
				t.Fatal(err)
			}
			for _, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
				if err := cl.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				value := map[kgo.TransactionEndTry]string{kgo.TryAbort: "aborted", kgo.TryCommit: "committed"}[commit]
				if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
				if err := cl.EndTransaction(ctx, commit); err != nil {
					t.Fatal(err)
				}
			}
			reader := client(t, kgo.SeedBrokers(b.Addr), kgo.ConsumeTopics(topic),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			fetches := reader.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			if rs := fetches.Records(); len(rs) != 1 || string(rs[0].Value) != "committed" {
				t.Fatalf("records %v", rs)
			}
		})
	}
}

// TestNodeComesBack drives one node of its own through everything a torture
// driver does to it.
func TestNodeComesBack(t *testing.T) {
	if _, ok := Apache(t); !ok {
		return // said why
	}
	ctx := within(t, 4*time.Minute)
	c, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	cl := client(t, kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("t"))
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 1, -1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	put := func() {
		t.Helper()
		if err := cl.ProduceSync(ctx, &kgo.Record{Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	back := func() {
		t.Helper()
		if err := errors.Join(c.Restart(0), c.WaitReady(ctx)); err != nil {
			t.Fatal(err)
		}
		put()
	}
	put()
	if err := c.Kill(0); err != nil {
		t.Fatal(err)
	}
	back()
	if err := c.Shutdown(ctx, 0); err != nil {
		t.Fatal(err)
	}
	back()

	if err := c.Pause(0); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := adm.ListEndOffsets(short, "t"); err == nil {
		t.Fatal("a paused node answers")
	}
	if err := c.Continue(0); err != nil {
		t.Fatal(err)
	}
	put()
	ends, err := adm.ListEndOffsets(ctx, "t")
	if o, ok := ends.Lookup("t", 0); err != nil || !ok || o.Offset != 4 {
		t.Fatalf("end offset %+v, %v, %v", o, ok, err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Fatalf("%s is still there: %v", c.dir, err)
	}
}

func TestUnavailableSaysWhatIsMissing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	var u *Unavailable
	if _, err := Start(context.Background(), Options{}); !errors.As(err, &u) || !strings.Contains(u.Reason, "java") {
		t.Fatalf("without java: %v", err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "java"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	if _, err := Start(context.Background(), Options{}); !errors.As(err, &u) || !strings.Contains(u.Reason, "mvn") {
		t.Fatalf("without mvn: %v", err)
	}
}

func TestEnvironmentDecides(t *testing.T) {
	if addr, err := sharedAddr("kafka:9092"); err != nil || addr != "kafka:9092" {
		t.Fatalf("host:port: %q, %v", addr, err)
	}
	var u *Unavailable
	if _, err := sharedAddr("off"); !errors.As(err, &u) {
		t.Fatalf("off: %v", err)
	}
	if _, err := sharedAddr("requierd"); err == nil || errors.As(err, &u) {
		t.Fatalf("a misspelled value: %v", err)
	}
}
