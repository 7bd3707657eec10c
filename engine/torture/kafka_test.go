package torture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/broker/kafkatest"
)

// aKafka is a Kafka of its own for a run, which can be killed.
type aKafka interface {
	addr() string
	kill(ctx context.Context) error
	restart(ctx context.Context) error
}

// onKafkas runs a test on the embedded broker, as a process, and on Apache Kafka.
func onKafkas(t *testing.T, test func(t *testing.T, k aKafka)) {
	if *kafka == "" || *kafka == "embedded" {
		t.Run("embedded", func(t *testing.T) { test(t, startEmbedded(t)) })
	}
	if *kafka == "" || *kafka == "apache" {
		t.Run("apache", func(t *testing.T) {
			if k := startApache(t); k != nil {
				test(t, k)
			}
		})
	}
}

// embedded is `penstock broker`.
type embedded struct {
	p      *process
	listen string
}

func startEmbedded(t *testing.T) *embedded {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	dir := filepath.Join(workDir(t), "kafka")
	e := &embedded{listen: listen, p: newProcess(penstock(t), "kafka", dir, "broker", "--listen", listen, "--data-dir", dir)}
	e.p.clean(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.restart(ctx); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *embedded) addr() string { return e.listen }

func (e *embedded) kill(context.Context) error {
	e.p.kill()
	return nil
}

func (e *embedded) restart(ctx context.Context) error {
	if err := e.p.start(); err != nil {
		return err
	}
	return until(ctx, 30*time.Second, func() (bool, error) {
		if !e.p.running() {
			return true, fmt.Errorf("the broker has ended: %s", e.p.tail())
		}
		return e.p.says("ready:"), nil
	})
}

// apache is Apache Kafka of one node.
type apache struct{ c *kafkatest.Cluster }

func startApache(t *testing.T) aKafka {
	t.Helper()
	switch env := os.Getenv(kafkatest.Env); env {
	case "", "required":
	default:
		t.Logf("%s is %q: this run kills its Kafka, so it takes none but its own", kafkatest.Env, env)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := kafkatest.Start(ctx, kafkatest.Options{Java: []string{"-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}})
	var un *kafkatest.Unavailable
	if errors.As(err, &un) && os.Getenv(kafkatest.Env) != "required" {
		t.Logf("without Apache Kafka: %s", un.Reason)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &apache{c}
}

func (a *apache) addr() string               { return a.c.Addrs()[0] }
func (a *apache) kill(context.Context) error { return a.c.Kill(0) }
func (a *apache) restart(ctx context.Context) error {
	return errors.Join(a.c.Restart(0), a.c.WaitReady(ctx))
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.ClientID("torture")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
