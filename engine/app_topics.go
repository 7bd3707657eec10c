package engine

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"slices"

	"penstock/query/plan"
)

// Topics looks at the topics of an application, and makes those that are missing, without running it:
// for whoever is asked to make topics before a process may use them.
type Topics struct {
	Brokers []string
	// Security says how connections to them are made; nil: in the clear.
	Security *Security
	App      string
	Plan     *plan.Plan
	// FoldPartitions and ReplicationFactor as in Options.
	FoldPartitions, ReplicationFactor int
	// SourcePartitions is what a source topic is made with whose stream names no number; 0: it is not made.
	SourcePartitions int
	// Logger is what the clients log to; default: nowhere.
	Logger *slog.Logger
}

// TopicReport is a topic that an application reads or writes, as it is and as it has to be.
type TopicReport struct {
	Topic       string            `json:"topic"`
	What        string            `json:"what"`
	Missing     bool              `json:"missing,omitempty"`
	Created     bool              `json:"created,omitempty"` // just now
	Partitions  int               `json:"partitions"`        // of a missing one, those it would be made with; 0: it would not be
	Replication int               `json:"replication,omitempty"`
	Offsets     int64             `json:"offsets"`            // between its start and its end
	Configs     map[string]string `json:"configs,omitempty"`  // what Kafka has
	Wanted      map[string]string `json:"wanted,omitempty"`   // what it would be made with
	Differs     []string          `json:"differs,omitempty"`  // from what the application needs
	Optional    bool              `json:"optional,omitempty"` // what is wanted is a default: whoever made it decides
}

func (x Topics) specs() []topicSpec {
	sources := sourceTopics(x.Plan, x.SourcePartitions > 0)
	for i := range sources {
		sources[i].partitions = cmp.Or(sources[i].partitions, x.SourcePartitions)
	}
	folds := Options{FoldPartitions: x.FoldPartitions}.withDefaults().FoldPartitions
	return slices.Concat(sources, ownedTopics(x.App, folds), resultTopics(x.Plan))
}

// Look describes the topics: sources, the application's own, results.
func (x Topics) Look(ctx context.Context) ([]TopicReport, error) {
	c, err := x.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return x.look(ctx, c)
}

// Create makes the topics that are missing. Those that are there stay as they are.
func (x Topics) Create(ctx context.Context) ([]TopicReport, error) {
	c, err := x.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	before, err := x.look(ctx, c)
	if err != nil {
		return nil, err
	}
	var made []string
	for i, s := range x.specs() {
		if !before[i].Missing || !s.owned {
			continue
		}
		if err := c.createTopic(ctx, s, x.ReplicationFactor); err != nil {
			return nil, err
		}
		made = append(made, s.name)
	}
	if _, err := c.awaitTopics(ctx, made); err != nil {
		return nil, err
	}
	after, err := x.look(ctx, c)
	for i := range after {
		after[i].Created = slices.Contains(made, after[i].Topic)
	}
	return after, err
}

func (x Topics) open(ctx context.Context) (*cluster, error) {
	if x.Logger == nil {
		x.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if err := x.Plan.CheckApp(x.App); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return openCluster(ctx, x.Brokers, x.Security, "penstock-topics", x.Logger)
}

func (x Topics) look(ctx context.Context, c *cluster) ([]TopicReport, error) {
	specs := x.specs()
	wanted := make([]string, len(specs))
	for i, s := range specs {
		wanted[i] = s.name
	}
	have, err := c.describeTopics(ctx, wanted)
	if err != nil {
		return nil, err
	}
	list := make([]TopicReport, len(specs))
	for i, s := range specs {
		t := TopicReport{Topic: s.name, What: s.what, Wanted: s.configs, Optional: s.lenient}
		is, there := have[s.name]
		if !there {
			if t.Missing = true; s.owned {
				t.Partitions = max(s.partitions, 1)
			}
			list[i] = t
			continue
		}
		t.Partitions, t.Replication = is.partitions, is.replication
		if t.Differs, err = c.differences(ctx, s, is); err != nil {
			return nil, err
		}
		if t.Configs, err = c.topicConfigs(ctx, s.name); err != nil {
			return nil, err
		}
		limits, err := c.bounds(ctx, s.name)
		if err != nil {
			return nil, err
		}
		for _, b := range limits {
			t.Offsets += b.End - b.Start
		}
		list[i] = t
	}
	return list, nil
}
