// Package engine runs a plan over Kafka: it is the shell around the deterministic core of
// engine/core, and the only package that talks to Goka, sarama and franz-go.
//
// A plan becomes one route group per stream and one fold group, all of them Goka processors:
//
//	<app>-route-<stream>   input: the stream's topic           writes: <app>-frames, decisions, rejects
//	<app>-fold             input: <app>-frames, <app>-fold-loop  writes: <app>-fold-table, the loop, metrics
//
// What Goka is used for: group membership, co-partitioning, recovery of the group table, the
// loop, and starting and stopping all of this in the right order. What it is not used for: its
// SetValue, Emit and offset commits, which lose and double (Goka does not wait for the changelog,
// and a mark on message N+1 commits N). Instead every stage reads, computes and writes in one
// Kafka transaction per flush. The pieces, one file each:
//
//	group.go      the consumer group between Goka and sarama: swallows marks, sees every session first
//	fetcher.go    what sarama's claims deliver, read with franz-go
//	runs.go       many source records as one Goka message
//	producer.go   one transaction: records, then the offsets they were made from, fenced by generation
//	flusher.go    when a flush is taken, and that only one is in flight
//	stage.go      one Goka processor from start to end, rebuilt after any error
//	route.go      the stage that turns rows into frames
//	start.go      where an application begins, and whether what it has read is still there
//	deleted.go    topics that are deleted, or made again, while it runs
//	fold.go       the stage that turns frames into tables and results
//	recovery.go   Goka's view of our store, and how its recovery is kept from hanging
//	takeover.go   ending what a process left open when it died
//	clocks.go     time goes on in source partitions that say nothing; none runs too far ahead
//	wall.go       what the machine's clock says, and when that is not believed
//	growth.go     new partitions of a source topic are assigned to somebody
//	idle.go       whether a source partition has nothing more to say
//	ends.go       where the topics end, asked once a second for all who want to know
//	replay.go     writing rejected rows that can be read now where replayed.go reads them
//	offsets.go    committed and end offsets, cutting topics behind them
//	topics.go     the topics of an application: made, or checked and described
//	status.go     what an engine is doing, at one moment
//	caught_up.go  ending when everything that could be read is in the results
//	query.go      a statement answered from the tables of all processes; scan.go its part that is here
//	serve.go      what an engine that answers does beside running: members.go, history.go, sizes.go
//	overview.go   where every partition stands, over all processes
//	why.go        what holds a metric's results back
//	engine.go     the stages of a plan together, from start to end; damage.go: a damaged store is replaced
//	bug.go        what becomes of a panic of ours; hang.go: work that does not end is logged
//	security.go   TLS and SASL for both clients; refused.go: what it means when they do not come about
//	logging.go    everybody's log lines, into slog
//	versions.go   brokers that are too old
//	client.go     our clients of Kafka and their settings; backoff.go, errors.go: what is tried again, what is not
//	record_size.go  how large a record each topic takes
//	definitions.go  what an application's tables mean, written down when it begins
//	restore.go    reading a changelog into an empty store; rest.go, settle.go: what is still on its way
//	reset.go      forgetting an application; app_topics.go: its topics without running it
//	topic_tail.go  the end of a topic, for people; reject_tail.go: of the rejected rows
//	memory.go     what each part of a process may hold; cores.go: what scans leave to others
//
// The rule behind all of it is crash only: after any error in a flush the stage forgets what it
// has in memory, closes its clients, and begins again from what is committed. Nothing is aborted
// and retried in place, because the state in memory already holds what the transaction did not.
package engine
