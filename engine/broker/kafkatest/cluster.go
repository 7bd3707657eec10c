package kafkatest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/broker/internal/filelock"
)

// Options say what kind of cluster to start. The zero value is one node, as
// small and quick as Kafka can be made.
type Options struct {
	// Nodes is the number of brokers, each of which is a controller too.
	// Default 1. With three or more the internal topics have three copies, of
	// which two must be there.
	Nodes int

	// Users, with their passwords, makes every node listen on a port more, with
	// SASL_SSL and all mechanisms: Cluster.Secure, and Cluster.Authority for the
	// certificates.
	Users map[string]string

	// Proxy makes every node listen on a port more, whose clients are told the
	// address that Proxy returns instead of the node's: Cluster.Proxied. It is
	// called before the node starts.
	Proxy func(addr string) (advertised string, err error)

	// Config is added to server.properties, over what the package sets.
	Config map[string]string

	// Java are the options of the virtual machine. Default: 384 MiB of heap
	// (256 per node in a larger cluster), the serial collector, and only the
	// quick compiler, which starts fastest. For measurements give more.
	Java []string

	// StartTimeout bounds how long a node may take to start. Default 3 min:
	// it is 2 s on an idle machine and half a minute on a busy one.
	StartTimeout time.Duration
}

// Cluster is a running Apache Kafka. Its methods may be called from several
// goroutines, each node by one at a time.
type Cluster struct {
	opts  Options
	dir   string
	nodes []*node
	free  func() error

	stop sync.Once
	err  error
}

// Start starts a cluster and waits until all nodes are there and groups and
// transactions have their coordinators. Where that is not possible the error is
// an *Unavailable. Stop it; if this process is killed, its nodes go with it
// (Linux) and the next Start removes what they left.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	opts = opts.withDefaults()
	classPath, err := install(ctx)
	if err != nil {
		return nil, err
	}
	dir, free, err := runDir()
	if err != nil {
		return nil, err
	}
	c := &Cluster{opts: opts, dir: dir, free: free}
	ctx, cancel := context.WithTimeout(ctx, opts.StartTimeout)
	defer cancel()
	if err := c.start(ctx, classPath); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.Java == nil {
		heap := "-Xmx384m"
		if o.Nodes > 1 {
			heap = "-Xmx256m"
		}
		o.Java = []string{heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 3 * time.Minute
	}
	return o
}

// runDir makes a directory for one cluster, and removes those whose process is
// gone. It holds a lock in it: that is how the others know.
func runDir() (dir string, free func() error, err error) {
	base := filepath.Join(cacheDir(), "run")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", nil, fmt.Errorf("make %s: %w", base, err)
	}
	// Under one lock, or a directory that has no lock yet would be taken for
	// an old one.
	unlock, err := filelock.Wait(filepath.Join(base, "LOCK"))
	if err != nil {
		return "", nil, fmt.Errorf("lock %s: %w", base, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	old, err := filepath.Glob(filepath.Join(base, "kafka-*"))
	if err != nil {
		return "", nil, fmt.Errorf("list %s: %w", base, err)
	}
	for _, d := range old {
		if unlock, err := filelock.Try(filepath.Join(d, "LOCK")); err == nil {
			_ = os.RemoveAll(d)
			_ = unlock()
		}
	}
	dir, err = os.MkdirTemp(base, "kafka-")
	if err != nil {
		return "", nil, fmt.Errorf("make a directory for kafka: %w", err)
	}
	held, err := filelock.Try(filepath.Join(dir, "LOCK"))
	if err != nil {
		return "", nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), held()) }, nil
}

func (c *Cluster) start(ctx context.Context, classPath string) error {
	const each = 4
	ports, err := freePorts(each * c.opts.Nodes)
	if err != nil {
		return err
	}
	if len(c.opts.Users) > 0 {
		if err := makeKeys(c.dir); err != nil {
			return err
		}
	}
	var voters string
	for i := range c.opts.Nodes {
		n := &node{
			id: i + 1, dir: filepath.Join(c.dir, strconv.Itoa(i+1)),
			port: ports[each*i], controller: ports[each*i+1], secure: ports[each*i+2], proxied: ports[each*i+3],
			classPath: classPath, java: c.opts.Java,
		}
		if voters != "" {
			voters += ","
		}
		voters += fmt.Sprintf("%d@127.0.0.1:%d", n.id, n.controller)
		c.nodes = append(c.nodes, n)
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	cluster := base64.RawURLEncoding.EncodeToString(id[:])
	err = c.eachNode(func(n *node) error {
		if err := n.configure(voters, c.opts); err != nil {
			return err
		}
		if err := n.format(ctx, cluster, c.opts.Users); err != nil {
			return err
		}
		return n.start()
	})
	if err != nil {
		return err
	}
	return c.WaitReady(ctx)
}

func (c *Cluster) eachNode(do func(*node) error) error {
	errs := make([]error, len(c.nodes))
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		wg.Go(func() { errs[i] = do(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// WaitReady waits until every running node takes requests and answers for all
// others, and groups and transactions work. A node that ended on its own is an
// error.
func (c *Cluster) WaitReady(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DialTimeout(2*time.Second),
		kgo.RetryTimeout(2*time.Second))
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.ready(ctx, adm)
		if err == nil {
			return nil
		}
		for _, n := range c.nodes {
			if exit := n.ended(); exit != nil {
				return exit
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kafka is not ready: %w (%w)\n%s", ctx.Err(), err, c.tails())
		case <-tick.C:
		}
	}
}

func (c *Cluster) ready(ctx context.Context, adm *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// Each node is asked: the others go on naming one that was killed until
	// its session is over.
	for _, n := range c.nodes {
		if !n.running() {
			continue
		}
		known, err := n.brokers(ctx)
		if err != nil {
			return fmt.Errorf("ask node %d: %w", n.id, err)
		}
		for _, other := range c.nodes {
			if other.running() && !slices.Contains(known, int32(other.id)) {
				return fmt.Errorf("node %d does not know node %d yet", n.id, other.id)
			}
		}
	}
	// Asking makes the internal topics, which takes a second that would
	// otherwise be the first test's.
	if err := adm.FindGroupCoordinators(ctx, "kafkatest").Error(); err != nil {
		return fmt.Errorf("find a group's coordinator: %w", err)
	}
	if err := adm.FindTxnCoordinators(ctx, "kafkatest").Error(); err != nil {
		return fmt.Errorf("find a transaction's coordinator: %w", err)
	}
	return nil
}

func (c *Cluster) tails() string {
	var all string
	for _, n := range c.nodes {
		all += fmt.Sprintf("node %d:\n%s\n", n.id, n.tail())
	}
	return all
}

// Addrs are the addresses of all nodes, host:port, running or not.
func (c *Cluster) Addrs() []string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.addr())
	}
	return all
}

// Secure are the addresses with SASL_SSL, when there are Users.
func (c *Cluster) Secure() []string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, local(n.secure))
	}
	return all
}

// Authority is the file (PEM) with the authority of the certificates there.
func (c *Cluster) Authority() string { return filepath.Join(c.dir, authorityFile) }

// Proxied are the addresses that Proxy has returned.
func (c *Cluster) Proxied() []string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.advertised)
	}
	return all
}

// Kill ends node i (0 is the first) at once, as kill -9 does.
func (c *Cluster) Kill(i int) error { return c.nodes[i].kill() }

// Shutdown ends node i as an operator would, and waits for it.
func (c *Cluster) Shutdown(ctx context.Context, i int) error { return c.nodes[i].shutdown(ctx) }

// Restart starts node i again after Kill or Shutdown, with its data and on its
// old address. It does not wait; see WaitReady.
func (c *Cluster) Restart(i int) error { return c.nodes[i].start() }

// Pause stops node i without ending it (SIGSTOP): its connections stay open and
// nothing answers.
func (c *Cluster) Pause(i int) error { return c.nodes[i].pause() }

// Continue lets node i go on after Pause.
func (c *Cluster) Continue(i int) error { return c.nodes[i].resume() }

// Stop ends all nodes and removes their data. Nothing of it is kept, so they are
// killed, not shut down. Safe twice.
func (c *Cluster) Stop() error {
	c.stop.Do(func() {
		c.err = errors.Join(c.eachNode((*node).kill), c.free())
	})
	return c.err
}
