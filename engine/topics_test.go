package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestTopics makes and checks topics as testdata/topics says; the messages are the interface.
func TestTopics(t *testing.T) {
	ctx := testContext(t, time.Minute)
	c := testCluster(t, ctx, testBroker(t))
	datadriven.RunTest(t, "testdata/topics", func(t *testing.T, d *datadriven.TestData) string {
		var name string
		partitions := 1
		d.MaybeScanArgs(t, "topic", &name)
		d.MaybeScanArgs(t, "partitions", &partitions)
		switch d.Cmd {
		case "make":
			var configs []string
			for _, line := range strings.Fields(d.Input) {
				k, v, _ := strings.Cut(line, "=")
				configs = append(configs, k, v)
			}
			makeTopic(t, ctx, c, name, partitions, configs...)
			return ""
		case "ensure-app":
			var app string
			d.ScanArgs(t, "app", &app)
			return ensured(c.ensureTopics(ctx, 0, ownedTopics(app, partitions)...))
		case "ensure-source":
			spec := topicSpec{name: name, what: "stream " + name, partitions: partitions, owned: d.HasArg("create"), lenient: true}
			return ensured(c.ensureTopics(ctx, 0, spec))
		case "describe":
			return describeTopic(t, ctx, c, name)
		}
		return "unknown command"
	})
}

func ensured(_ map[string]topicState, err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func describeTopic(t *testing.T, ctx context.Context, c *cluster, name string) string {
	states, err := c.describeTopics(ctx, []string{name})
	if err != nil {
		t.Fatal(err)
	}
	if states[name].partitions == 0 {
		return "none"
	}
	configs, err := c.topicConfigs(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("partitions %d\ncleanup.policy %s\nretention.ms %s", states[name].partitions, configs["cleanup.policy"], configs["retention.ms"])
}

func TestNearest(t *testing.T) {
	all := []string{"orders", "clicks", "metrics", "__consumer_offsets"}
	for name, want := range map[string]string{"ordres": "orders", "Orders": "orders", "click": "clicks", "readings": "", "o": ""} {
		if got := nearest(name, all); got != want {
			t.Errorf("nearest(%q) = %q, expected %q", name, got, want)
		}
	}
}
