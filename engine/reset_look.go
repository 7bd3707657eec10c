package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// look finds what there is.
func (x *resetting) look(ctx context.Context) (*ResetPlan, error) {
	p := &ResetPlan{App: x.App, Topics: []ResetTopic{}, Groups: []string{}, Running: []string{}, Sources: []ResetSource{}, Results: []ResetTopic{}}
	if err := x.lookAtTopics(ctx, p); err != nil {
		return nil, err
	}
	var err error
	if p.Groups, err = x.groups(ctx); err != nil {
		return nil, err
	}
	if p.Running, err = x.members(ctx, p.Groups); err != nil {
		return nil, err
	}
	if x.claim != nil {
		bytes, err := x.claim.Bytes()
		if err != nil {
			return nil, err
		}
		if bytes > 0 {
			p.State = &ResetState{Dir: x.StateDir, Bytes: bytes}
		}
	}
	return p, nil
}

// lookAtTopics finds the topics of the application, its sources and its results.
func (x *resetting) lookAtTopics(ctx context.Context, p *ResetPlan) error {
	owned, results, sources := ownedTopics(x.App, 0), resultTopics(x.Plan), sourceTopics(x.Plan, false)
	var all []string
	for _, s := range slices.Concat(owned, results, sources) {
		all = append(all, s.name)
	}
	have, err := x.cluster.describeTopics(ctx, all)
	if err != nil {
		return err
	}
	topic := func(s topicSpec) (t ResetTopic, gone int64, err error) {
		limits, err := x.cluster.bounds(ctx, s.name)
		for _, b := range limits {
			t.Offsets += b.End - b.Start
			gone += b.Start
		}
		t.Topic, t.What, t.Partitions = s.name, s.what, len(limits)
		return t, gone, err
	}
	for _, list := range []struct {
		specs []topicSpec
		into  *[]ResetTopic
	}{{owned, &p.Topics}, {results, &p.Results}} {
		for _, s := range list.specs {
			if _, ok := have[s.name]; !ok {
				continue
			}
			t, _, err := topic(s)
			if err != nil {
				return err
			}
			*list.into = append(*list.into, t)
		}
	}
	for i, s := range sources {
		if _, ok := have[s.name]; !ok {
			continue
		}
		t, gone, err := topic(s)
		if err != nil {
			return err
		}
		st := x.Plan.Streams[i]
		p.Sources = append(p.Sources, ResetSource{Stream: st.Name, Topic: s.name, Offsets: t.Offsets, Gone: gone, Latest: st.Options.Start == "latest"})
	}
	return nil
}

// streamName is what a stream can be called. It has no '-', so that no group of another
// application is taken for one of ours (but for fold's of APP-route, see ours).
var streamName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// groups are the application's consumer groups that there are: fold's, and those of all streams that
// any of its query files has had. One that is left would let a later file go on in the middle.
func (x *resetting) groups(ctx context.Context) ([]string, error) {
	list, err := x.cluster.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	groups := []string{}
	for _, name := range list.Groups() {
		stream, route := strings.CutPrefix(name, x.names.RouteGroup(""))
		if name != x.names.FoldGroup() && (!route || !streamName.MatchString(stream)) {
			continue
		}
		ours, err := x.ours(ctx, name)
		if err != nil {
			return nil, err
		}
		if ours {
			groups = append(groups, name)
		}
	}
	slices.Sort(groups)
	return groups, nil
}

// ours tells whether a group with a name of ours is: fold's of an application APP-route is named as
// that of a stream "fold" of APP would be.
func (x *resetting) ours(ctx context.Context, group string) (bool, error) {
	other := names{x.App + "-route"}
	if group != other.FoldGroup() {
		return true, nil
	}
	offsets, err := x.cluster.admin.FetchOffsets(ctx, group)
	if err != nil {
		return false, fmt.Errorf("offsets of %s: %w", group, err)
	}
	return len(offsets[other.Frames()]) == 0, nil
}

// members lists who is in the groups.
func (x *resetting) members(ctx context.Context, groups []string) ([]string, error) {
	who := []string{}
	if len(groups) == 0 {
		return who, nil
	}
	described, err := x.cluster.admin.DescribeGroups(ctx, groups...)
	if err != nil {
		return nil, fmt.Errorf("describe groups: %w", err)
	}
	for _, g := range described {
		if g.Err != nil && !errors.Is(g.Err, kerr.GroupIDNotFound) {
			return nil, fmt.Errorf("describe group %s: %w", g.Group, g.Err)
		}
		for _, m := range g.Members {
			name := m.MemberID
			if m.InstanceID != nil {
				name = *m.InstanceID
			}
			host, _, err := net.SplitHostPort(m.ClientHost)
			if err != nil {
				host = m.ClientHost
			}
			if name += " from " + strings.Trim(host, "/"); !slices.Contains(who, name) {
				who = append(who, name)
			}
		}
	}
	slices.Sort(who)
	return who, nil
}
