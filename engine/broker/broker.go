package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"penstock/engine/broker/internal/filelock"
)

// DefaultListen is where a broker listens that was told nothing: loopback, a
// port that is free.
const DefaultListen = "127.0.0.1:0"

// Options say how a broker is started. The zero value works.
type Options struct {
	// Listen is the address to listen on, host:port; port 0 takes a free one.
	// Default DefaultListen. There is no authentication: an address beyond
	// loopback opens every topic to whoever reaches it, and is logged as that.
	// Kafka: listeners.
	Listen string

	// Advertise is the host, or host:port, that clients are told to connect to:
	// that of a proxy for instance. Default: the host of Listen, or the machine's name when that is every address (0.0.0.0).
	// Kafka: advertised.listeners.
	Advertise string

	// DataDir keeps topics and groups on disk. Default: in memory, gone with
	// Close. Kafka: log.dirs.
	DataDir string

	// SyncWrites waits for the disk with every batch, at a fraction of the
	// speed. Only a loss of power makes the difference. Kafka:
	// log.flush.interval.messages=1.
	SyncWrites bool

	// MinSessionTimeout is the shortest session timeout a group may ask for.
	// Default 1 s. Kafka: group.min.session.timeout.ms, 6 s there.
	MinSessionTimeout time.Duration

	// Config sets broker options by Kafka's names (message.max.bytes,
	// log.retention.ms, ...), over the ones set here.
	Config map[string]string

	// Logger receives what the broker has to say. Default: nothing is logged.
	Logger *slog.Logger
}

// Broker is a running broker. Goroutines may share it.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
	unlock  func() error
	dir     string // of the data; empty: in memory
	txns    *transactions

	close sync.Once
	err   error
}

// ErrInUse is in the error of Start when another broker has the data directory.
var ErrInUse = errors.New("data directory is in use")

// Start starts a broker and returns when it takes connections. With a data
// directory that takes as long as reading the indexes of its segments.
func Start(opts Options) (*Broker, error) {
	if opts.Listen == "" {
		opts.Listen = DefaultListen
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 100}))
	}
	ln, err := listen(opts)
	if err != nil {
		return nil, err
	}
	b := &Broker{addr: ln.Addr().String(), unlock: func() error { return nil }}
	settings, err := b.settings(opts, ln)
	if err == nil {
		b.cluster, err = kfake.NewCluster(settings...)
		if err != nil {
			err = fmt.Errorf("start the embedded broker: %w", err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(ln.Close()), b.unlock())
	}
	intentFile := ""
	if opts.DataDir != "" {
		b.dir, intentFile = opts.DataDir, filepath.Join(opts.DataDir, lastCommit)
	}
	if err := b.guard(intentFile); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Broker) settings(opts Options, ln net.Listener) ([]kfake.Opt, error) {
	if opts.MinSessionTimeout == 0 {
		opts.MinSessionTimeout = time.Second
	}
	config := map[string]string{
		// One node: topics that leave the factor to the broker get one copy.
		"default.replication.factor": "1",
		// Compaction runs on the one loop of the broker and reads whole
		// partitions: often enough to keep changelogs small, no more. Kafka: 15 s.
		"log.cleaner.backoff.ms": strconv.Itoa(int((5 * time.Minute).Milliseconds())),
	}
	for k, v := range opts.Config {
		config[k] = v
	}
	all := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.DefaultNumPartitions(1),
		kfake.GroupMinSessionTimeout(opts.MinSessionTimeout),
		kfake.BrokerConfigs(config),
		kfake.WithLogger(logger{opts.Logger}),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return ln, nil }),
		// Every broker is a cluster of its own; state must not take a new one
		// for the one it knows. On disk the id of the first start is kept.
		kfake.ClusterID(newClusterID()),
	}
	if opts.DataDir == "" {
		return all, nil
	}
	dir, err := b.lockData(opts.DataDir)
	if err != nil {
		return nil, err
	}
	all = append(all, kfake.DataDir(dir))
	if opts.SyncWrites {
		all = append(all, kfake.SyncWrites())
	}
	return all, nil
}

// lockData takes the directory for this process: kfake itself would let a
// second one write into the same files.
func (b *Broker) lockData(dir string) (string, error) {
	logs := filepath.Join(dir, "kafka")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return "", fmt.Errorf("make the broker's data directory: %w", err)
	}
	unlock, err := filelock.Try(filepath.Join(dir, "LOCK"))
	if errors.Is(err, filelock.ErrHeld) {
		return "", fmt.Errorf("%w: %s belongs to a broker that is running; stop it, or name another directory", ErrInUse, dir)
	}
	if err != nil {
		return "", fmt.Errorf("use the broker's data directory: %w", err)
	}
	b.unlock = unlock
	if err := recoverData(dir, logs); err != nil {
		return "", fmt.Errorf("recover the broker's data in %s: %w", dir, err)
	}
	return logs, nil
}

// Addr is where clients connect, host:port.
func (b *Broker) Addr() string { return b.addr }

// Close stops the broker and, with a data directory, writes what it knows.
// Connections are cut. Safe twice.
func (b *Broker) Close() error {
	b.close.Do(func() {
		b.cluster.Close()
		if b.txns != nil {
			b.err = b.txns.close()
		}
		if b.dir != "" {
			b.err = errors.Join(b.err, os.WriteFile(filepath.Join(b.dir, cleanStop), nil, 0o600))
		}
		b.err = errors.Join(b.err, b.unlock())
	})
	return b.err
}

// listener says another address than the one it listens on: kfake tells clients
// what Addr says.
type listener struct {
	net.Listener
	addr advertised
}

type advertised string

// Network is part of net.Addr.
func (advertised) Network() string { return "tcp" }

// String is the address clients are told.
func (a advertised) String() string { return string(a) }

// Addr returns the advertised address.
func (l listener) Addr() net.Addr { return l.addr }

func listen(opts Options) (net.Listener, error) {
	ln, err := net.Listen("tcp", opts.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the embedded broker cannot listen on %s, something else does: stop that, or name another address with --broker-listen", opts.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("the embedded broker cannot listen on %s: %w", opts.Listen, err)
	}
	actual := ln.Addr().(*net.TCPAddr)
	if !actual.IP.IsLoopback() {
		opts.Logger.Warn("embedded broker is open to the network without authentication", "listen", actual.String())
	}
	if _, _, err := net.SplitHostPort(opts.Advertise); err == nil {
		return listener{ln, advertised(opts.Advertise)}, nil
	}
	host := opts.Advertise
	if host == "" {
		host = actual.IP.String()
		if actual.IP.IsUnspecified() {
			if host, err = os.Hostname(); err != nil {
				host = "127.0.0.1"
			}
		}
	}
	return listener{ln, advertised(net.JoinHostPort(host, strconv.Itoa(actual.Port)))}, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// newClusterID has the form of Kafka's: 16 random bytes in 22 characters.
func newClusterID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// logger takes kfake's lines. It calls each request informative, and warns of each
// transaction that took milliseconds; that is debug here, since normal running is quiet.
type logger struct{ log *slog.Logger }

// Logf is kfake.Logger.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	if level == kfake.LogLevelError {
		to = slog.LevelError
	}
	if l.log.Enabled(context.Background(), to) {
		l.log.Log(context.Background(), to, "embedded broker", "text", fmt.Sprintf(format, args...))
	}
}
