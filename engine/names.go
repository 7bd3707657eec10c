package engine

import "penstock/engine/rejects"

// names are the names of everything an application owns in Kafka. They follow from its own
// name, so that a process needs to be told nothing else to find its state again.
type names struct {
	app string
}

// Frames is the topic from route to fold.
func (n names) Frames() string { return n.app + "-frames" }

// FoldGroup is the consumer group of fold. Goka derives the names of its loop and table.
func (n names) FoldGroup() string { return n.app + "-fold" }

// FoldLoop is the topic by which fold partitions send each other their shares.
func (n names) FoldLoop() string { return n.FoldGroup() + "-loop" }

// FoldTable is the changelog of the fold partitions.
func (n names) FoldTable() string { return n.FoldGroup() + "-table" }

// Decisions is the compacted topic with what only a wall clock or a person could decide.
func (n names) Decisions() string { return n.app + "-decisions" }

// Members is the compacted topic on which processes say where they are and what they have.
func (n names) Members() string { return n.app + "-members" }

// Rejects is the topic of bad and late rows.
func (n names) Rejects() string { return rejects.Topic(n.app) }

// Replayed is the topic of rejected rows that a corrected query file can read.
func (n names) Replayed() string { return rejects.Replayed(n.app) }

// ReplayTransaction is the transactional id of whoever replays.
func (n names) ReplayTransaction() string { return n.app + "/replay" }

// RouteGroup is the consumer group that reads a stream.
func (n names) RouteGroup(stream string) string { return n.app + "-route-" + stream }

// Transaction is the transactional id of one process in one group: no two processes share an
// instance id, so none can end the transaction of another by starting.
func (n names) Transaction(group, instance string) string {
	return n.TransactionPrefix(group) + instance
}

// TransactionPrefix is what the transactional ids of a group begin with.
func (n names) TransactionPrefix(group string) string { return n.app + "/" + group + "/" }
