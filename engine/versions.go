package engine

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// oldestKafka is the first version of Apache Kafka that has all of needs.
const oldestKafka = "2.5"

// needs are the requests, with the version of each, without which nothing is exactly once: a transaction that
// is fenced by its group's generation, and offsets that are not read while one is about to change them
// (KIP-447). An older broker takes the same requests in their older forms and fences nobody.
var needs = []struct {
	key     kmsg.Key
	version int16
}{
	{kmsg.TxnOffsetCommit, 3},
	{kmsg.OffsetFetch, 7},
}

// checkVersions refuses brokers that are too old. One that does not answer is asked another time.
func (c *cluster) checkVersions(ctx context.Context) error {
	brokers, err := c.admin.ApiVersions(ctx)
	if err != nil {
		return fmt.Errorf("versions of the brokers: %w", err)
	}
	for _, b := range brokers.Sorted() {
		for _, need := range needs {
			if has, ok := b.KeyMaxVersion(need.key.Int16()); b.Err == nil && (!ok || has < need.version) {
				return &RefusedError{
					Brokers: c.brokers,
					What: fmt.Sprintf("broker %d is too old: it has the request %s up to version %d, needed is %d; Kafka %s and later have it, and with it transactions that are fenced by their group",
						b.NodeID, need.key.Name(), has, need.version, oldestKafka),
					Hint: "update the brokers, or name others with --brokers",
				}
			}
		}
	}
	return nil
}
