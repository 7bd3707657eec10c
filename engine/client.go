package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cluster is the engine's own connection to Kafka, for everything but consuming: topics,
// offsets, plain records. Goroutines may share it.
type cluster struct {
	brokers  []string
	security *Security
	client   *kgo.Client
	admin    *kadm.Client
	log      *slog.Logger
}

// clientOptions are the options that all our kgo clients have in common.
func clientOptions(brokers []string, s *Security, id string, log *slog.Logger) []kgo.Opt {
	return append(s.ClientOptions(),
		kgo.SeedBrokers(brokers...),
		kgo.ClientID(id),
		kgo.WithLogger(clientLogger{log.With("lib", "kgo")}),
		kgo.MetadataMinAge(100*time.Millisecond),
		// Of a connection that is not used nobody knows whether it is half open. Each client that had
		// one would find out for itself, one after another, in the middle of beginning again.
		kgo.ConnIdleTimeout(silence/2),
		kgo.RequestTimeoutOverhead(silence),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(maxBatchBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
	)
}

// maxBatchBytes is Kafka's default for message.max.bytes, so that our records fit a broker
// nobody has configured.
const maxBatchBytes = 1_000_000

func openCluster(ctx context.Context, brokers []string, s *Security, id string, log *slog.Logger) (*cluster, error) {
	client, err := kgo.NewClient(append(clientOptions(brokers, s, id, log),
		// What is written here may be there twice; but who waits for it must be able to stop
		// waiting. Otherwise a record that was on its way when the broker died holds up the end
		// of the process until the broker is back.
		kgo.AllowIdempotentProduceCancellation())...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	if err := reach(ctx, client); err != nil {
		client.Close()
		if refused := Refused(err, brokers, s); refused != nil && !refused.Guess {
			return nil, refused
		}
		return nil, fmt.Errorf("cannot reach Kafka at %v: %w", brokers, err)
	}
	return &cluster{brokers: brokers, security: s, client: client, admin: kadm.NewClient(client), log: log}, nil
}

// reachTries is how often a broker may close the connection at once, which one that wants TLS does, and one that
// has only just started or goes down.
const reachTries = 3

// reach makes the first request. franz-go tries again what goes away by itself, but for a connection that
// is closed at once.
func reach(ctx context.Context, client *kgo.Client) error {
	var b backoff
	for try := 1; ; try++ {
		err := client.Ping(ctx)
		var closed *kgo.ErrFirstReadEOF
		if !errors.As(err, &closed) || try == reachTries || b.wait(ctx) != nil {
			return err
		}
	}
}

func (c *cluster) close() { c.client.Close() }

// write produces plain records, outside any transaction, and waits for all of them.
func (c *cluster) write(ctx context.Context, recs ...*kgo.Record) error {
	return c.client.ProduceSync(ctx, recs...).FirstErr()
}

// silence is how long a broker may take to answer before the connection is given up for another one.
// The peer of a half-open connection is gone without anybody being told; nothing else ends it. It is
// franz-go's default; sarama's is 30 seconds.
const silence = 10 * time.Second

// fetchWait is how long a broker may wait with the answer to a fetch while there is nothing to answer
// (fetch.max.wait.ms, whose default this is). A record is answered at once, so that waiting longer
// costs no latency, and less work when there are none.
const fetchWait = time.Second

// replayWait is the same for the changelogs, which are read to their ends and no further: the last
// fetch finds nothing, and the start of the stage waits for it.
const replayWait = 100 * time.Millisecond

// clientSettings are the few settings in which our sarama clients differ.
type clientSettings struct {
	instance string        // group.instance.id; empty: no static membership
	session  time.Duration // session.timeout.ms
	fetch    int32         // bytes asked for per partition and fetch
	wait     time.Duration // how long a broker may wait with an empty answer; default fetchWait
	clientID string
	security *Security
}

// saramaConfig returns a new config; Goka's builders change the one they are given, so every
// client gets its own.
func saramaConfig(s clientSettings) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0 // the oldest that has all we need: stable offsets, static members
	c.ClientID = "penstock"
	if s.clientID != "" {
		c.ClientID = s.clientID
	}
	c.ApiVersionsRequest = true
	c.Metadata.AllowAutoTopicCreation = false
	c.Metadata.RefreshFrequency = 30 * time.Second // how soon new partitions of a topic are seen
	c.Net.DialTimeout = silence
	// A member that asks to join is answered when the slowest of the others has joined or is given
	// up, which takes as long as a session.
	c.Net.ReadTimeout = max(silence, s.session+4*time.Second)
	c.Net.WriteTimeout = c.Net.ReadTimeout
	c.Consumer.Return.Errors = true
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	c.Consumer.MaxProcessingTime = 250 * time.Millisecond
	c.Consumer.MaxWaitTime = fetchWait
	if s.wait > 0 {
		c.Consumer.MaxWaitTime = s.wait
	}
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.ResetInvalidOffsets = false
	c.Consumer.Group.Rebalance.Strategy = goka.CopartitioningStrategy
	c.Consumer.Group.Rebalance.Retry.Backoff = 200 * time.Millisecond
	c.Consumer.Group.InstanceId = s.instance
	if s.session > 0 {
		c.Consumer.Group.Session.Timeout = s.session
		c.Consumer.Group.Heartbeat.Interval = s.session / 10
	}
	if s.fetch > 0 {
		c.Consumer.Fetch.Default = s.fetch
	}
	s.security.sarama(c)
	return c
}

// transient tells whether an error of a client is of the kind that goes away by itself: a broker
// that restarts, a coordinator that moves, a connection that broke.
func transient(err error) bool {
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke.Retriable
	}
	var se sarama.KError
	if errors.As(err, &se) {
		return kerr.IsRetriable(kerr.ErrorForCode(int16(se)))
	}
	var ne net.Error
	var oe *net.OpError
	switch {
	case errors.As(err, &ne), errors.As(err, &oe):
		return true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return true
	case errors.Is(err, sarama.ErrOutOfBrokers), errors.Is(err, sarama.ErrBrokerNotAvailable),
		errors.Is(err, sarama.ErrNotConnected), errors.Is(err, sarama.ErrClosedClient):
		return true
	}
	return errors.Is(err, kgo.ErrRecordTimeout) || errors.Is(err, context.DeadlineExceeded)
}
