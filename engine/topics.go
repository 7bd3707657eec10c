package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"penstock/query/plan"
)

// topicSpec is what a topic has to be like.
type topicSpec struct {
	name       string
	what       string // for messages: what the topic is for
	partitions int    // 0: any number
	configs    map[string]string
	// hint says what to do about a topic that is different.
	hint string
	// owned: the engine makes the topic when it is not there, and insists on the configs.
	owned bool
	// sharedResult: made when missing, but whatever the user made of it is fine.
	lenient bool
	// renewable: nothing is read on from an offset in it, so that another one in its place is fine.
	renewable bool
}

// keep is what all owned topics have in common: a broker's min.insync.replicas of 1 would
// acknowledge records that one failing disk can lose.
func keep(policy string, more ...string) map[string]string {
	c := map[string]string{"cleanup.policy": policy, "compression.type": "producer"}
	for i := 0; i+1 < len(more); i += 2 {
		c[more[i]] = more[i+1]
	}
	return c
}

// ownedTopics are the topics that belong to the application.
func ownedTopics(app string, folds int) []topicSpec {
	n := names{app}
	// Frames and loop are cut behind what fold has committed, by us; Kafka must not do it by age.
	forever := []string{"retention.ms", "-1", "retention.bytes", "-1"}
	owned := func(name, what string, partitions int, configs map[string]string) topicSpec {
		return topicSpec{
			name: name, what: what, partitions: partitions, configs: configs, owned: true,
			hint: fmt.Sprintf("the topic belongs to application %q and must be as the engine makes it; correct it, or run under another --app", app),
		}
	}
	// Small segments, because a process says every two seconds that it is there.
	members := owned(n.Members(), "which process has what", 1, keep("compact", "segment.ms", "3600000"))
	members.renewable = true
	return []topicSpec{
		owned(n.Frames(), "what route sends to fold", folds, keep("delete", forever...)),
		owned(n.FoldLoop(), "what fold partitions send each other", folds, keep("delete", forever...)),
		// A local store older than half of delete.retention.ms is thrown away, because it may
		// not have seen a tombstone that is gone; a week makes that rare.
		owned(n.FoldTable(), "the changelog of the tables", folds, keep("compact", "delete.retention.ms", "604800000")),
		owned(n.Decisions(), "decisions", 1, keep("compact")),
		members,
		{
			name: n.Rejects(), what: "bad and late rows", partitions: 1, lenient: true, owned: true, renewable: true,
			configs: map[string]string{"cleanup.policy": "delete"},
		},
		replayedTopic(app),
	}
}

// replayedTopic is what replay-rejects writes to. What is on it is also what has been replayed.
func replayedTopic(app string) topicSpec {
	return topicSpec{
		name: names{app}.Replayed(), what: "replayed rows", partitions: 1, owned: true,
		configs: keep("delete", "retention.ms", "-1", "retention.bytes", "-1"),
		hint:    fmt.Sprintf("the topic belongs to application %q and must be as the engine makes it; correct it, or run under another --app", app),
	}
}

// resultTopics are the topics that the plan's metrics are published to.
func resultTopics(p *plan.Plan) []topicSpec {
	var specs []topicSpec
	for _, m := range p.Metrics {
		if slices.ContainsFunc(specs, func(s topicSpec) bool { return s.name == m.Topic }) {
			continue
		}
		specs = append(specs, topicSpec{
			name: m.Topic, what: "results", partitions: 1, lenient: true, owned: true, renewable: true,
			configs: map[string]string{"cleanup.policy": "delete"},
		})
	}
	return specs
}

// sourceTopics are the topics that the plan's streams read. They are made only when create is
// set or the stream says how many partitions its topic has.
func sourceTopics(p *plan.Plan, create bool) []topicSpec {
	var specs []topicSpec
	for _, s := range p.Streams {
		specs = append(specs, topicSpec{
			name: s.Options.Topic, what: "stream " + s.Name, partitions: s.Options.Partitions,
			owned: create || s.Options.Partitions > 0, lenient: true,
		})
	}
	return specs
}

// topicState is a topic as Kafka has it.
type topicState struct {
	partitions  int
	replication int
	id          kadm.TopicID
}

// ensureTopics makes the topics that are missing and may be made, and compares the others with
// what they have to be. All differences are reported together. It returns the topics as they are.
func (c *cluster) ensureTopics(ctx context.Context, replication int, specs ...topicSpec) (map[string]topicState, error) {
	wanted := make([]string, len(specs))
	for i, s := range specs {
		wanted[i] = s.name
	}
	have, err := c.describeTopics(ctx, wanted)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, s := range specs {
		if _, ok := have[s.name]; ok {
			continue
		}
		if !s.owned {
			errs = append(errs, c.missingTopic(ctx, s))
			continue
		}
		if err := c.createTopic(ctx, s, replication); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if have, err = c.awaitTopics(ctx, wanted); err != nil {
		return nil, err
	}
	for _, s := range specs {
		if err := c.checkTopic(ctx, s, have[s.name]); err != nil {
			errs = append(errs, err)
		}
	}
	return have, errors.Join(errs...)
}

// describeTopics returns those of the topics that exist.
func (c *cluster) describeTopics(ctx context.Context, wanted []string) (map[string]topicState, error) {
	details, err := c.admin.ListTopics(ctx, wanted...)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	have := map[string]topicState{}
	for _, t := range details {
		if errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if t.Err != nil {
			return nil, fmt.Errorf("describe topic %s: %w", t.Topic, t.Err)
		}
		have[t.Topic] = topicState{partitions: len(t.Partitions), replication: t.Partitions.NumReplicas(), id: t.ID}
	}
	return have, nil
}

// awaitTopics waits until all the topics are in the metadata: a broker answers that a topic was
// made before all of them know it.
func (c *cluster) awaitTopics(ctx context.Context, wanted []string) (map[string]topicState, error) {
	var b backoff
	for {
		have, err := c.describeTopics(ctx, wanted)
		if err == nil && !slices.ContainsFunc(wanted, func(t string) bool { return have[t].partitions == 0 }) {
			return have, nil
		}
		if err != nil && !transient(err) {
			return nil, err
		}
		if werr := b.wait(ctx); werr != nil {
			return nil, errors.Join(err, werr)
		}
	}
}

// missingTopic says that a source topic does not exist, and which one may have been meant.
func (c *cluster) missingTopic(ctx context.Context, s topicSpec) error {
	hint := "create it, or name its number of partitions (WITH (partitions = 4)) and the engine does"
	if all, err := c.admin.ListTopics(ctx); err == nil {
		if near := nearest(s.name, slices.Collect(maps.Keys(all))); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
	}
	return stopf("topic %q of %s does not exist; %s", s.name, s.what, hint)
}

func (c *cluster) createTopic(ctx context.Context, s topicSpec, replication int) error {
	factor, err := c.replication(ctx, replication)
	if err != nil {
		return err
	}
	configs := map[string]*string{}
	for k, v := range s.configs {
		configs[k] = &v
	}
	if s.owned && factor >= 3 {
		configs["min.insync.replicas"] = kadm.StringPtr("2")
	}
	partitions := max(s.partitions, 1)
	create := func() error {
		resp, err := c.admin.CreateTopic(ctx, int32(partitions), int16(factor), configs, s.name)
		return cmp.Or(err, resp.Err)
	}
	if len(s.configs) > 0 { // no source's
		configs["max.message.bytes"] = kadm.StringPtr(strconv.Itoa(ownRecordBytes))
	}
	if err = create(); errors.Is(err, kerr.InvalidConfig) || errors.Is(err, kerr.PolicyViolation) {
		// Not everybody who runs a Kafka for others allows so much. Hardly a record needs it.
		delete(configs, "max.message.bytes")
		err = create()
	}
	// Another process of the application may have been faster.
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s (%s): %w", s.name, s.what, err)
	}
	if err == nil {
		c.log.Info("topic created", "topic", s.name, "partitions", partitions, "replication", factor)
	}
	return nil
}

// replication returns the replication factor for new topics: the one asked for, else the
// brokers' default, else 3; never more than there are brokers.
func (c *cluster) replication(ctx context.Context, asked int) (int, error) {
	if asked > 0 {
		return asked, nil
	}
	brokers, err := c.admin.ListBrokers(ctx)
	if err != nil {
		return 0, fmt.Errorf("list brokers: %w", err)
	}
	factor := 3
	if len(brokers) > 0 {
		configs, err := c.admin.DescribeBrokerConfigs(ctx, brokers[0].NodeID)
		if err == nil && len(configs) > 0 {
			for _, e := range configs[0].Configs {
				// The shipped default is 1, which says nothing about what the owner wants.
				if n, err := strconv.Atoi(e.MaybeValue()); e.Key == "default.replication.factor" && err == nil && n > 1 {
					factor = n
				}
			}
		}
	}
	return max(1, min(factor, len(brokers))), nil
}

// checkTopic reports a topic that is not what it has to be.
func (c *cluster) checkTopic(ctx context.Context, s topicSpec, have topicState) error {
	diffs, err := c.differences(ctx, s, have)
	if err != nil || len(diffs) == 0 {
		return err
	}
	return stateError("topic %q (%s) %s; %s", s.name, s.what, strings.Join(diffs, ", "), s.hint)
}

// differences compares a topic with what it has to be.
func (c *cluster) differences(ctx context.Context, s topicSpec, have topicState) (diffs []string, err error) {
	if s.partitions > 0 && have.partitions != s.partitions && !s.lenient {
		diffs = append(diffs, fmt.Sprintf("has %d partitions, expected %d", have.partitions, s.partitions))
	}
	if !s.lenient && len(s.configs) > 0 {
		got, err := c.topicConfigs(ctx, s.name)
		if err != nil {
			return nil, err
		}
		for _, k := range slices.Sorted(maps.Keys(s.configs)) {
			if v, ok := got[k]; ok && v != s.configs[k] {
				diffs = append(diffs, fmt.Sprintf("has %s=%s, expected %s", k, v, s.configs[k]))
			}
		}
	}
	return diffs, nil
}

func (c *cluster) topicConfigs(ctx context.Context, topic string) (map[string]string, error) {
	resources, err := c.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	got := map[string]string{}
	for _, r := range resources {
		if r.Err != nil {
			return nil, fmt.Errorf("describe topic %s: %w", topic, r.Err)
		}
		for _, e := range r.Configs {
			got[e.Key] = e.MaybeValue()
		}
	}
	return got, nil
}

// topicIDs remembers the ids of topics. A topic that was deleted and made again has another id,
// so an id that was looked up once stays the one that this engine works with.
type topicIDs struct {
	cluster *cluster
	mu      sync.Mutex
	ids     map[string]kadm.TopicID
	limits  map[string]int // bytes of a batch, of the topics that were asked (record_size.go)
}

func newTopicIDs(c *cluster) *topicIDs {
	return &topicIDs{cluster: c, ids: map[string]kadm.TopicID{}}
}

// set records what is known.
func (t *topicIDs) set(states map[string]topicState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, s := range states {
		t.ids[name] = s.id
	}
}

// same tells whether an id is the one that is remembered of a topic. Old brokers give none, and then nobody
// can tell.
func (t *topicIDs) same(topic string, id kadm.TopicID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, ok := t.ids[topic]
	return !ok || was == id || was == kadm.TopicID{} || id == kadm.TopicID{}
}

// get returns the id of a topic, asking Kafka the first time.
func (t *topicIDs) get(ctx context.Context, topic string) (kadm.TopicID, error) {
	t.mu.Lock()
	id, ok := t.ids[topic]
	t.mu.Unlock()
	if ok {
		return id, nil
	}
	states, err := t.cluster.describeTopics(ctx, []string{topic})
	if err != nil {
		return id, err
	}
	s, ok := states[topic]
	if !ok {
		return id, fmt.Errorf("topic %q does not exist", topic)
	}
	t.set(states)
	return s.id, nil
}

// nearest returns the name that differs least from a misspelt one, if any is near enough.
func nearest(name string, all []string) string {
	best, dist := "", max(1, len(name)/3)+1
	slices.Sort(all)
	for _, other := range all {
		if d := editDistance(strings.ToLower(name), strings.ToLower(other)); d < dist {
			best, dist = other, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours between
// two strings.
func editDistance(a, b string) int {
	before, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, prev[j]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}
