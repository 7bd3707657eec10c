package audit

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/broker/kafkatest"
)

// TestBehindAnOpenTransaction: what one process has committed may stand behind what another has not yet, and a
// reader of committed records sees neither. It counts as there, and whoever reads waits for it.
func TestBehindAnOpenTransaction(t *testing.T) {
	for _, b := range kafkatest.Brokers(t) {
		t.Run(b.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			topic := kafkatest.Unique(t, "t")
			client, other := openClient(t, b.Addr), openClient(t, b.Addr, kgo.TransactionalID(topic))
			a := &auditor{client: client, admin: kadm.NewClient(client)}
			if _, err := a.admin.CreateTopic(ctx, 1, 1, nil, topic); err != nil {
				t.Fatal(err)
			}
			if err := other.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for _, r := range []struct {
				by    *kgo.Client
				value string
			}{{other, "open"}, {client, "committed"}} {
				if err := r.by.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(r.value)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			stable, err := a.stableEnds(ctx, topic)
			if err != nil || stable[0] != 0 {
				t.Fatalf("what can be read without waiting ends at %d, %v, expected 0", stable[0], err)
			}
			spans, _, err := a.whole(ctx, topic)
			if err != nil || spans[0] != (span{0, 2}) {
				t.Fatalf("the topic is %v, %v, expected 0 to 2", spans[0], err)
			}
			var got []string
			done := make(chan error, 1)
			go func() {
				done <- a.read(ctx, topic, spans, func(r *kgo.Record) error {
					got = append(got, string(r.Value))
					return nil
				})
			}()
			if err := other.EndTransaction(ctx, kgo.TryAbort); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil || len(got) != 1 || got[0] != "committed" {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

func openClient(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
