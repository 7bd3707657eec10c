package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// How large a record may be is the topic's to say (max.message.bytes), or else the broker's. A batch
// of ours is maxBatchBytes at most, which is what a topic takes that nobody has configured, and hardly
// a record is larger. One that is has us ask what its topic takes, and open the producer again with
// batches of that size. Where the topic takes less than the record no other life of the stage would get
// further, so that the process ends and says what has to be raised.

// ownRecordBytes is what the topics that we make take: a row of a megabyte becomes a group's key, and then
// stands in frames, shares, the changelog and results together with what was added up for it. Some
// providers of Kafka allow no more.
const ownRecordBytes = 8 << 20

// maxRequestBytes is what a broker reads in one piece (socket.request.max.bytes, 100 MiB), less what is
// around a batch.
const maxRequestBytes = 100<<20 - 64<<10

// recordBytes is how large the batch is that holds nothing but the record.
func recordBytes(r *kgo.Record) int {
	const batch, record = 65, 3 // attributes, and two differences that are 0
	n := record + sized(len(r.Key)) + sized(len(r.Value)) + varint(len(r.Headers))
	for _, h := range r.Headers {
		n += sized(len(h.Key)) + sized(len(h.Value))
	}
	return batch + sized(n)
}

// sized is what n bytes take with their number before them, varint what the number alone does.
func sized(n int) int { return varint(n) + n }

func varint(n int) int { return (bits.Len(uint(2*n|1)) + 6) / 7 }

// batchLimit is how large a batch may be by what is known of a topic.
func batchLimit(known map[string]int, topic string) int {
	if n, ok := known[topic]; ok {
		return n
	}
	return maxBatchBytes
}

// firstTooLarge returns a record that its topic does not take, nil when there is none.
func firstTooLarge(known map[string]int, recs []*kgo.Record) *kgo.Record {
	for _, r := range recs {
		// Nearly all are far from any limit.
		if n := len(r.Key) + len(r.Value); (n > maxBatchBytes/2 || len(known) > 0 || len(r.Headers) > 0) && recordBytes(r) > batchLimit(known, r.Topic) {
			return r
		}
	}
	return nil
}

// batchLimits returns what is known of the topics that were asked about.
func (t *topicIDs) batchLimits() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.limits)
}

// askLimits asks how large the batches are that topics take.
func (t *topicIDs) askLimits(ctx context.Context, topics ...string) error {
	for _, topic := range topics {
		configs, err := t.cluster.topicConfigs(ctx, topic)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(configs["max.message.bytes"])
		if err != nil {
			return fmt.Errorf("topic %s does not say its max.message.bytes: %w", topic, err)
		}
		t.mu.Lock()
		if t.limits == nil {
			t.limits = map[string]int{}
		}
		// kgo refuses options below half a kilobyte.
		t.limits[topic] = max(512, min(n, maxRequestBytes))
		t.mu.Unlock()
	}
	return nil
}

// topicsOf lists the topics that records are for.
func topicsOf(recs []*kgo.Record) []string {
	var list []string
	for _, r := range recs {
		if !slices.Contains(list, r.Topic) {
			list = append(list, r.Topic)
		}
	}
	return list
}

// tooLarge says which record a topic does not take, and what can be done.
func tooLarge(r *kgo.Record, limit int) error {
	const mib = 1 << 20
	need := recordBytes(r)
	what := fmt.Sprintf("topic %s takes records of at most %d bytes (max.message.bytes), and one of %d has to be written to it", r.Topic, limit, need)
	if limit == maxRequestBytes {
		return stopf("%s, which no broker does by its defaults: aggregate less in one row, or split the group", what)
	}
	return stopf("%s; nothing was lost: set max.message.bytes=%d or more for this topic and start again, or group by something shorter",
		what, (need+mib-1)/mib*mib)
}

// fit makes sure that the producer's batches are large enough for every record.
func (p *producer) fit(ctx context.Context, recs []*kgo.Record) error {
	if firstTooLarge(p.limits, recs) == nil {
		return nil
	}
	var large []string
	for _, r := range recs {
		if recordBytes(r) > batchLimit(p.limits, r.Topic) && !slices.Contains(large, r.Topic) {
			large = append(large, r.Topic)
		}
	}
	if err := p.topics.askLimits(ctx, large...); err != nil {
		return fmt.Errorf("a record of %s is larger than usual: %w", large[0], err)
	}
	limits := p.topics.batchLimits()
	if r := firstTooLarge(limits, recs); r != nil {
		return tooLarge(r, batchLimit(limits, r.Topic))
	}
	p.client.Close()
	return p.connect(ctx)
}

// refused looks into the refusal of a batch that was too large: the topics take less than is usual. Now
// that this is known the next life of the stage makes smaller batches, or finds that a record is too large.
func (p *producer) refused(ctx context.Context, recs []*kgo.Record, err error) error {
	if !errors.Is(err, kerr.MessageTooLarge) {
		return err
	}
	if asked := p.topics.askLimits(ctx, topicsOf(recs)...); asked != nil {
		return errors.Join(err, asked)
	}
	return err
}
