package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/broker/kafkatest"
)

// aKafka is a Kafka of its own for a run. One of its nodes, drawn each time, is killed, ended by SIGTERM, or
// stopped by SIGSTOP; restart and thaw are for that one.
type aKafka interface {
	addr() string // of all nodes, with commas
	proxies() []*proxy
	kill(ctx context.Context) error
	end(ctx context.Context) error
	restart(ctx context.Context) error
	freeze() error
	thaw() error
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
	if *full && *kafka == "" || *kafka == "three" {
		t.Run("three", func(t *testing.T) {
			if k := startThree(t); k != nil {
				test(t, k)
			}
		})
	}
}

// brokerEnds is how long a broker may take to end by SIGTERM.
const brokerEnds = time.Minute

// embedded is `penstock broker`.
type embedded struct {
	p     *process
	proxy *proxy
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
	proxy, err := startProxy(t, listen)
	if err != nil {
		t.Fatal(err)
	}
	e := &embedded{proxy: proxy, p: newProcess(penstock(t), "kafka", dir, "broker", "--listen", listen, "--advertise", proxy.addr(), "--data-dir", dir)}
	e.p.clean(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.restart(ctx); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *embedded) addr() string      { return e.proxy.addr() }
func (e *embedded) proxies() []*proxy { return []*proxy{e.proxy} }

func (e *embedded) kill(context.Context) error {
	e.p.kill()
	return nil
}

func (e *embedded) end(ctx context.Context) error {
	_, err := e.p.end(ctx, brokerEnds)
	return err
}

func (e *embedded) freeze() error {
	e.p.pause()
	return nil
}

func (e *embedded) thaw() error {
	e.p.resume()
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

// apache is Apache Kafka, of one node or of three.
type apache struct {
	c   *kafkatest.Cluster
	all []*proxy
	rnd *rand.Rand // which node it is

	down int // the node that was killed, ended or stopped
}

func startApache(t *testing.T) aKafka {
	t.Helper()
	return startNodes(t, kafkatest.Options{Java: []string{"-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}})
}

// startThree is a cluster of three small nodes. Every topic has three copies, two of which have to be
// there.
func startThree(t *testing.T) aKafka {
	t.Helper()
	return startNodes(t, kafkatest.Options{Nodes: 3})
}

func startNodes(t *testing.T, o kafkatest.Options) aKafka {
	t.Helper()
	switch env := os.Getenv(kafkatest.Env); env {
	case "", "required":
	default:
		t.Logf("%s is %q: this run kills its Kafka, so it takes none but its own", kafkatest.Env, env)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	a := &apache{rnd: rand.New(rand.NewPCG(seed(t), 3))}
	var mu sync.Mutex
	o.Proxy = func(addr string) (string, error) {
		p, err := startProxy(t, addr)
		if err != nil {
			return "", err
		}
		mu.Lock()
		defer mu.Unlock()
		a.all = append(a.all, p)
		return p.addr(), nil
	}
	c, err := kafkatest.Start(ctx, o)
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
	a.c = c
	return a
}

func (a *apache) addr() string      { return strings.Join(a.c.Proxied(), ",") }
func (a *apache) proxies() []*proxy { return a.all }

// draw chooses a node: the only one, or one of three.
func (a *apache) draw() int {
	a.down = a.rnd.IntN(len(a.all))
	return a.down
}

func (a *apache) kill(context.Context) error { return a.c.Kill(a.draw()) }

// end waits for the node: an orderly end takes some seconds.
func (a *apache) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, brokerEnds)
	defer cancel()
	return a.c.Shutdown(ctx, a.draw())
}

func (a *apache) freeze() error { return a.c.Pause(a.draw()) }
func (a *apache) thaw() error   { return a.c.Continue(a.down) }

func (a *apache) restart(ctx context.Context) error {
	return errors.Join(a.c.Restart(a.down), a.c.WaitReady(ctx))
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(addr, ",")...), kgo.ClientID("torture"), kgo.AlwaysRetryEOF()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
