package main

import (
	"context"
	"fmt"
	"time"

	"penstock/engine/broker"
	"penstock/engine/script"
)

// testKafka prepares to run tests through Kafka, when flags ask for that. stop ends what it began.
func (a *app) testKafka(ctx context.Context, opts *script.Options, o testOptions) (stop func(), err error) {
	stop = func() {}
	switch {
	case o.embedded && len(o.brokers) > 0:
		return nil, usage("--embedded and --brokers exclude each other")
	case o.embedded:
		b, err := a.startBroker(broker.Options{Listen: broker.DefaultListen}, "--embedded")
		if err != nil {
			return nil, fmt.Errorf("start the broker inside this process: %w", err)
		}
		opts.Kafka = &script.KafkaOptions{Brokers: []string{b.Addr()}}
		return func() { _ = b.Close() }, nil
	case len(o.brokers) > 0:
		k := kafkaFlags{brokers: o.brokers, timeout: 5 * time.Second, security: o.security}
		client, err := k.connect(ctx, a)
		if err != nil {
			return nil, err
		}
		client.Close()
		security, err := k.secure(a)
		if err != nil {
			return nil, err
		}
		opts.Kafka = &script.KafkaOptions{Brokers: o.brokers, Security: security}
	}
	return stop, nil
}
