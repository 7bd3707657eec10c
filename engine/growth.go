package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// growthEvery is how often it is looked for source partitions that nobody reads.
const growthEvery = 10 * time.Second

// watchGrowth sees to it that partitions which a source topic was given are assigned to somebody.
//
// A process that was away for less than its session timeout comes back as the member it was, with
// the partitions it had, and without a rebalance: that is what makes a restart cheap. But who
// then is the group's leader has not seen the topic grow, as sarama only compares what it sees
// from one moment to the next; the new partitions would stay unread until some other rebalance.
// So whoever finds one that no member of a stable group has leaves the group and joins again.
func (r *routeLogic) watchGrowth(ctx context.Context) {
	for {
		p, found, err := r.life.cluster.unassigned(ctx, r.life.stage.group, r.topic())
		if err == nil && found {
			r.life.log.Info("source topic has grown", "topic", r.topic(), "partition", p)
			if err = r.life.cluster.leaveGroup(ctx, r.life.stage.group, r.life.opts.InstanceID); err == nil {
				return
			}
		}
		if err != nil && ctx.Err() == nil {
			r.life.log.Debug("look for new partitions", "topic", r.topic(), "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.life.opts.Clock.After(growthEvery):
		}
	}
}

// unassigned finds a partition of a topic that no member of a group has. While the group is being
// balanced there is none.
func (c *cluster) unassigned(ctx context.Context, group, topic string) (partition int32, found bool, err error) {
	topics, err := c.describeTopics(ctx, []string{topic})
	if err != nil {
		return 0, false, err
	}
	groups, err := c.admin.DescribeGroups(ctx, group)
	if err != nil {
		return 0, false, fmt.Errorf("describe group %s: %w", group, err)
	}
	g, ok := groups[group]
	if !ok || g.Err != nil || g.State != "Stable" {
		return 0, false, g.Err
	}
	have := g.AssignedPartitions()
	for p := range int32(topics[topic].partitions) {
		if !have.Lookup(topic, p) {
			return p, true, nil
		}
	}
	return 0, false, nil
}

// leaveGroup takes a process out of a group by its instance id.
func (c *cluster) leaveGroup(ctx context.Context, group, instance string) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	m := kmsg.NewLeaveGroupRequestMember()
	m.InstanceID = kmsg.StringPtr(instance)
	req.Members = append(req.Members, m)
	resp, err := req.RequestWith(ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err == nil && len(resp.Members) > 0 {
		err = kerr.ErrorForCode(resp.Members[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("leave group %s: %w", group, err)
	}
	return nil
}
