package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func start(t *testing.T, opts Options) *Broker {
	t.Helper()
	b, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func client(t *testing.T, b *Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestStartIsALoopbackClusterOfOne(t *testing.T) {
	b := start(t, Options{})
	host, _, err := net.SplitHostPort(b.Addr())
	if err != nil || host != "127.0.0.1" {
		t.Fatalf("Addr = %q", b.Addr())
	}
	adm := kadm.NewClient(client(t, b))
	meta, err := adm.BrokerMetadata(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(meta.Brokers) != 1 || fmt.Sprintf("%s:%d", meta.Brokers[0].Host, meta.Brokers[0].Port) != b.Addr() {
		t.Fatalf("brokers = %+v, Addr = %s", meta.Brokers, b.Addr())
	}
	other, err := kadm.NewClient(client(t, start(t, Options{}))).BrokerMetadata(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(meta.Cluster) != 22 || meta.Cluster == other.Cluster {
		t.Fatalf("cluster ids %q and %q, expected two different ones of 22 characters", meta.Cluster, other.Cluster)
	}
}

func TestTopicsAreNotMadeByAsking(t *testing.T) {
	cl := client(t, start(t, Options{}), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
	err := cl.ProduceSync(deadline(t), &kgo.Record{Topic: "ordres", Value: []byte("x")}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Fatalf("err = %v", err)
	}
}

func TestDataOutlivesTheBroker(t *testing.T) {
	ctx, dir := deadline(t), t.TempDir()
	b := start(t, Options{DataDir: dir})
	cl := client(t, b)
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 2, -1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	before, err := adm.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := before["orders"].Partitions.NumReplicas(); n != 1 {
		t.Fatalf("a topic that leaves it to the broker has %d replicas, want 1", n)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("one")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 0, At: 7, Metadata: "clock"})
	if err := adm.CommitAllOffsets(ctx, "g", offsets); err != nil {
		t.Fatal(err)
	}
	meta, err := adm.BrokerMetadata(ctx)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := Start(Options{DataDir: dir}); !errors.Is(err, ErrInUse) {
		t.Fatalf("second broker on the directory: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal("second Close:", err)
	}

	b = start(t, Options{DataDir: dir, Listen: b.Addr()})
	cl = client(t, b, kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	adm = kadm.NewClient(cl)
	after, err := adm.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if after["orders"].ID != before["orders"].ID || len(after["orders"].Partitions) != 2 {
		t.Fatalf("topic before %+v, after %+v", before["orders"], after["orders"])
	}
	again, err := adm.BrokerMetadata(ctx)
	if err != nil || again.Cluster != meta.Cluster {
		t.Fatalf("cluster id %q became %q, %v", meta.Cluster, again.Cluster, err)
	}
	got, err := adm.FetchOffsets(ctx, "g")
	if o, ok := got.Lookup("orders", 0); err != nil || !ok || o.At != 7 || o.Metadata != "clock" {
		t.Fatalf("committed offset %+v, %v, %v", o, ok, err)
	}
	fetches := cl.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	if rs := fetches.Records(); len(rs) != 1 || string(rs[0].Value) != "one" {
		t.Fatalf("records %v", rs)
	}
}

func TestTransactionLeftOpenIsAbortedByItsSuccessor(t *testing.T) {
	ctx, dir := deadline(t), t.TempDir()
	b := start(t, Options{DataDir: dir})
	if _, err := kadm.NewClient(client(t, b)).CreateTopic(ctx, 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	put := func(cl *kgo.Client, value string) {
		t.Helper()
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	put(client(t, b, kgo.TransactionalID("app/g/1")), "lost")
	second := client(t, b, kgo.TransactionalID("app/g/1"))
	put(second, "kept")
	if err := second.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	reader := client(t, b, kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	fetches := reader.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	if rs := fetches.Records(); len(rs) != 1 || string(rs[0].Value) != "kept" {
		t.Fatalf("records %v", rs)
	}
}

func TestAddressInUseIsSaidInWords(t *testing.T) {
	b := start(t, Options{})
	_, err := Start(Options{Listen: b.Addr()})
	if err == nil || !strings.Contains(err.Error(), "--broker-listen") || !strings.Contains(err.Error(), b.Addr()) {
		t.Fatalf("err = %v", err)
	}
}

func TestAdvertisedAddress(t *testing.T) {
	b := start(t, Options{Listen: "0.0.0.0:0", Advertise: "localhost"})
	host, port, err := net.SplitHostPort(b.Addr())
	if err != nil || host != "localhost" || port == "0" {
		t.Fatalf("Addr = %q", b.Addr())
	}
	if err := client(t, b).Ping(deadline(t)); err != nil {
		t.Fatal(err)
	}
}
