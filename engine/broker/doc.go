// Package broker runs a Kafka inside the process, so that Penstock can be tried,
// tested and used by one machine without installing anything.
//
// It is kfake, franz-go's broker: one node that speaks the Kafka protocol over a
// socket, with consumer groups, transactions and compaction. Everything above it
// (Goka, the transactional producers, kcat) takes it for a Kafka, and the tests
// of this project run on it and on Apache Kafka alike. With a data directory its
// topics, groups and open transactions outlive the process, also a kill -9; what
// the operating system had not written when the machine lost power is lost, as
// with Kafka's own defaults on one node.
//
// It is no replacement for a cluster: one node, no replicas, no authentication,
// everything on one loop. So it listens on loopback unless an address is named.
//
// The package kafkatest below it starts a real Apache Kafka for tests.
package broker
