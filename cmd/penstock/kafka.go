package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
)

// kafkaFlags are the flags of commands that talk to Kafka themselves.
type kafkaFlags struct {
	brokers  []string
	timeout  time.Duration
	security securityFlags
}

// defaultBroker is where `broker` and `run` listen when nothing is said, and where Kafka does.
const defaultBroker = "127.0.0.1:9092"

func (k *kafkaFlags) add(f *pflag.FlagSet) {
	f.StringSliceVarP(&k.brokers, "brokers", "b", []string{defaultBroker}, "host:port of one or more Kafka brokers")
	f.DurationVar(&k.timeout, "kafka-timeout", 5*time.Second, "how long to try to reach a broker")
	k.security.add(f)
}

// secure works out how to connect. Brokers that an option of Kafka's clients names count where
// nothing as near names others.
func (k *kafkaFlags) secure(a *app) (*engine.Security, error) {
	s, brokers, err := k.security.resolve(a)
	if err == nil && len(brokers) > 0 && (!k.security.flags.Changed("brokers") || k.security.brokersBy > a.origins["brokers"].rank) {
		k.brokers = brokers
	}
	return s, err
}

// connect returns a client that has reached a broker. The caller closes it.
func (k *kafkaFlags) connect(ctx context.Context, a *app, opts ...kgo.Opt) (*kgo.Client, error) {
	security, err := k.secure(a)
	if err != nil {
		return nil, err
	}
	opts = slices.Concat([]kgo.Opt{kgo.SeedBrokers(k.brokers...), kgo.ClientID("penstock")}, security.ClientOptions(), opts)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, usage("--brokers %s: %v", strings.Join(k.brokers, ","), err)
	}
	limit, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	tries := 0
	var no *engine.RefusedError
	for {
		tries++
		err := client.Ping(limit)
		if err == nil {
			return client, nil
		}
		// One that closes the connection may be one that is going down, and back in a moment.
		if again := engine.Refused(err, k.brokers, security); again != nil || !timedOut(err) {
			no = again // the last try may only have run out of time
		}
		if no != nil && !no.Guess {
			client.Close()
			return nil, refused(no)
		}
		wait := time.NewTimer(250 * time.Millisecond)
		select {
		case <-wait.C:
			continue
		case <-limit.Done():
			wait.Stop()
		}
		client.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if no != nil {
			return nil, refused(no).hint("tried %d times in %s (--kafka-timeout)", tries, k.timeout)
		}
		f := unreachable(strings.Join(k.brokers, ","), err)
		if security != nil && security.TLS {
			f.hint("does the port speak TLS?")
		}
		return nil, f.hint("tried %d times in %s (--kafka-timeout)", tries, k.timeout)
	}
}

// timedOut tells that an error is only that there was no more time. A connection notices that a moment
// before its context does.
func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// unreachable is the error for brokers that do not answer.
func unreachable(brokers string, err error) *failure {
	f := &failure{
		code: exitUnreachable, id: "P4001", err: err,
		text: fmt.Sprintf("cannot reach Kafka at %s (%s)", brokers, reason(err)),
	}
	return f.hint("is a broker running there?  try: penstock broker   or   --brokers host:port")
}

// topicPartitions returns how many partitions a topic has, 0 when there is no such topic, and the
// names of the topics that are there.
func topicPartitions(ctx context.Context, admin *kadm.Client, topic string) (partitions int, names []string, err error) {
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("list topics: %w", err)
	}
	if t, ok := topics[topic]; ok && t.Err == nil {
		return len(t.Partitions), nil, nil
	}
	return 0, topics.Names(), nil
}

// ensureTopic sees to it that a topic is there and returns its number of partitions. With
// partitions above 0 a missing topic is made; a topic with another number is an error.
func ensureTopic(ctx context.Context, admin *kadm.Client, topic string, partitions int) (int, error) {
	have, names, err := topicPartitions(ctx, admin, topic)
	switch {
	case err != nil:
		return 0, err
	case have > 0 && partitions > 0 && have != partitions:
		return 0, &failure{code: exitFailed, text: fmt.Sprintf("topic %s has %d partitions, not %d", topic, have, partitions)}
	case have > 0:
		return have, nil
	case partitions == 0:
		return 0, noTopic(topic, names).hint("--partitions N makes it with N partitions")
	}
	made, err := admin.CreateTopic(ctx, int32(partitions), -1, nil, topic)
	if err == nil {
		err = made.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return 0, fmt.Errorf("make topic %s: %w", topic, err)
	}
	return partitions, nil
}

// noTopic is the error for a topic that is not there.
func noTopic(topic string, names []string) *failure {
	f := &failure{code: exitFailed, text: fmt.Sprintf("topic %s does not exist", topic)}
	return f.near(topic, names)
}
