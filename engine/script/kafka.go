package script

import (
	"context"
	"errors"

	"penstock/query/plan"
)

// KafkaOptions say on which Kafka tests run.
type KafkaOptions struct {
	Brokers []string
}

func newKafkaTarget(context.Context, *plan.Plan, *settings, *Options) (target, error) {
	return nil, errors.New("not on Kafka yet")
}
