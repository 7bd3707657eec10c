package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
)

// errNotOurs is what Goka gets when it tries one of the ways of writing that we do not use.
var errNotOurs = errors.New("records are written by the stage's transactions, not by Goka")

// noProducer stands where Goka wants a producer of its own: nothing may be emitted through it.
type noProducer struct{}

// Emit implements goka.Producer.
func (noProducer) Emit(string, string, []byte) *goka.Promise { return refused() }

// EmitWithHeaders implements goka.Producer.
func (noProducer) EmitWithHeaders(string, string, []byte, goka.Headers) *goka.Promise {
	return refused()
}

// Close implements goka.Producer.
func (noProducer) Close() error { return nil }

func refused() *goka.Promise {
	p, finish := goka.NewPromiseWithFinisher()
	finish(nil, errNotOurs)
	return p
}

// noConsumer stands where Goka wants a consumer for tables, in groups that have none. It saves a
// client with its connections.
type noConsumer struct {
	sarama.Consumer
}

// HighWaterMarks implements sarama.Consumer.
func (noConsumer) HighWaterMarks() map[string]map[int32]int64 { return nil }

// Close implements sarama.Consumer.
func (noConsumer) Close() error { return nil }

// topicManager is Goka's view of topics. It makes none: Goka's would have a replication factor
// of two and keep an hour.
type topicManager struct {
	cluster *cluster
}

// EnsureTableExists implements goka.TopicManager.
func (t topicManager) EnsureTableExists(topic string, npar int) error { return t.ensure(topic, npar) }

// EnsureStreamExists implements goka.TopicManager.
func (t topicManager) EnsureStreamExists(topic string, npar int) error { return t.ensure(topic, npar) }

// EnsureTopicExists implements goka.TopicManager.
func (t topicManager) EnsureTopicExists(topic string, npar, _ int, _ map[string]string) error {
	return t.ensure(topic, npar)
}

func (t topicManager) ensure(topic string, npar int) error {
	parts, err := t.Partitions(topic)
	if err != nil {
		return err
	}
	if len(parts) != npar {
		return stateError("topic %q has %d partitions, expected %d as its group's other topics", topic, len(parts), npar)
	}
	return nil
}

// Partitions implements goka.TopicManager.
func (t topicManager) Partitions(topic string) ([]int32, error) {
	states, err := t.cluster.describeTopics(context.Background(), []string{topic})
	if err != nil {
		return nil, err
	}
	n := states[topic].partitions
	if n == 0 {
		return nil, fmt.Errorf("topic %q does not exist", topic)
	}
	parts := make([]int32, n)
	for i := range parts {
		parts[i] = int32(i)
	}
	return parts, nil
}

// GetOffset implements goka.TopicManager; time is sarama.OffsetOldest or OffsetNewest.
func (t topicManager) GetOffset(topic string, partition int32, time int64) (int64, error) {
	list := t.cluster.admin.ListEndOffsets
	if time == sarama.OffsetOldest {
		list = t.cluster.admin.ListStartOffsets
	}
	got, err := list(context.Background(), topic)
	if err != nil {
		return 0, err
	}
	o, ok := got.Lookup(topic, partition)
	if !ok {
		return 0, fmt.Errorf("no offset of %s/%d", topic, partition)
	}
	return o.Offset, o.Err
}

// Close implements goka.TopicManager.
func (topicManager) Close() error { return nil }
