package engine

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"penstock/engine/core"
	"penstock/query/plan"
)

// Where an application begins is committed once, before anybody reads: for every stream the
// offsets its group starts from, and for fold the beginning of its own topics. From then on a
// group without offsets is one whose offsets Kafka has forgotten, and a source partition without
// one appeared later. Without this both would look like a first start, and read everything again
// into tables that hold it already.
//
// Several processes may do this at the same time. They commit the same (but for streams that
// start with the latest record, where the last one counts), and what is used is what is read back
// when partitions are assigned.

// streamMarks is what fold commits with its offsets: which topic, by its id, each stream has been
// read from. It survives what the state directory does not, and tells a topic that was deleted
// and made again (whose group offsets Kafka deletes with it) from one that is new.
type streamMarks map[string]string

const marksVersion = "f1"

// streamMarks is their form in the offset's metadata. Streams beyond what fits are left out.
func (e *Engine) streamMarks() string {
	var b strings.Builder
	b.WriteString(marksVersion)
	for _, s := range e.opts.Plan.Streams {
		mark := fmt.Sprintf(" %s=%s", url.QueryEscape(s.Name), e.topics.known(s.Options.Topic))
		if b.Len()+len(mark) > 4000 {
			break
		}
		b.WriteString(mark)
	}
	return b.String()
}

func parseMarks(metadata string) streamMarks {
	m := streamMarks{}
	fields := strings.Fields(metadata)
	if len(fields) == 0 || fields[0] != marksVersion {
		return m
	}
	for _, f := range fields[1:] {
		escaped, id, _ := strings.Cut(f, "=")
		if name, err := url.QueryUnescape(escaped); err == nil {
			m[name] = id
		}
	}
	return m
}

// startGroups makes sure that all groups of the application have begun, and that what they have
// read is still what there is.
func (e *Engine) startGroups(ctx context.Context) error {
	marks, err := e.startFold(ctx)
	if err != nil {
		return err
	}
	for _, s := range e.opts.Plan.Streams {
		if err := e.startRoute(ctx, s, marks[s.Name]); err != nil {
			return err
		}
	}
	return nil
}

// endOwn ends what this process, killed inside a transaction, has left open in a group. Its offsets
// cannot be read before, and that it is started again is what everybody waits for.
func (e *Engine) endOwn(group string) func(context.Context) error {
	return func(ctx context.Context) error {
		return e.cluster.takeOver(ctx, names{e.opts.App}, group, e.opts.InstanceID)
	}
}

// startFold begins the fold group, or returns which topics it has read.
func (e *Engine) startFold(ctx context.Context) (streamMarks, error) {
	n := names{e.opts.App}
	// The changelog first: a process that starts at the same time commits before it writes there.
	changelog, err := e.cluster.bounds(ctx, n.FoldTable())
	if err != nil {
		return nil, err
	}
	at, err := e.cluster.committed(ctx, n.FoldGroup(), n.Frames(), partitionsOf(changelog), e.endOwn(n.FoldGroup()))
	if err != nil {
		return nil, err
	}
	loop, err := e.cluster.committed(ctx, n.FoldGroup(), n.FoldLoop(), partitionsOf(changelog), e.endOwn(n.FoldGroup()))
	if err != nil {
		return nil, err
	}
	var first []sourceOffset
	for p, o := range at {
		if o.Offset != noOffset && loop[p].Offset == noOffset {
			return nil, stateError("topic %s was deleted and made again: what application %q had there is lost; start again under another --app", n.FoldLoop(), e.opts.App)
		}
		if o.Offset != noOffset {
			continue
		}
		if changelog[p].End > 0 {
			return nil, e.forgotten("the tables", n.FoldGroup())
		}
		for _, topic := range []string{n.Frames(), n.FoldLoop()} {
			first = append(first, sourceOffset{Topic: topic, Partition: p, Metadata: e.streamMarks()})
		}
	}
	marks := streamMarks{}
	for _, o := range at {
		for stream, id := range parseMarks(o.Metadata) {
			marks[stream] = id
		}
	}
	if len(first) > 0 {
		if err := e.cluster.commitPlain(ctx, n.FoldGroup(), first); err != nil {
			return nil, fmt.Errorf("start group %s: %w", n.FoldGroup(), err)
		}
	}
	return marks, nil
}

func (e *Engine) forgotten(what, group string) error {
	return stateError("%s: group %s has no committed offsets any more, but the tables of application %q hold rows already; "+
		"Kafka forgets the offsets of a group that is away for longer than offsets.retention.minutes; start again under another --app",
		what, group, e.opts.App)
}

// startRoute begins the group of a stream, unless it has. mark is the id of the topic that the
// stream was read from before, empty when it never was.
func (e *Engine) startRoute(ctx context.Context, s *plan.Stream, mark string) error {
	group, topic := names{e.opts.App}.RouteGroup(s.Name), s.Options.Topic
	if id := e.topics.known(topic); mark != "" && mark != id {
		return stateError("stream %s: application %q has read topic %s before under the id %s, now it has the id %s: it was deleted and made again, "+
			"or the query file named another topic; its offsets mean other records now; start again under another --app",
			s.Name, e.opts.App, topic, mark, id)
	}
	limits, err := e.cluster.bounds(ctx, topic)
	if err != nil {
		return err
	}
	at, err := e.cluster.committed(ctx, group, topic, partitionsOf(limits), e.endOwn(group))
	if err != nil {
		return err
	}
	for _, o := range at {
		if o.Offset != noOffset {
			return nil
		}
	}
	if mark != "" && e.moved(ctx) {
		return e.forgotten("stream "+s.Name, group)
	}
	var first []sourceOffset
	for p, b := range limits {
		pos := core.Start(b.Start)
		if s.Options.Start == "latest" {
			pos = core.Start(b.End)
		}
		first = append(first, sourceOffset{Topic: topic, Partition: p, Offset: pos.Offset, Metadata: pos.Metadata()})
	}
	if err := e.cluster.commitPlain(ctx, group, first); err != nil {
		return fmt.Errorf("start group %s: %w", group, err)
	}
	return nil
}

// moved tells whether fold has ever taken a frame. A mark alone may be that of a process that
// was stopped between the start of fold and the start of the stream.
func (e *Engine) moved(ctx context.Context) bool {
	n := names{e.opts.App}
	frames, err := e.cluster.bounds(ctx, n.Frames())
	if err != nil {
		return true
	}
	for _, b := range frames {
		if b.End > 0 {
			return true
		}
	}
	return false
}

func partitionsOf(limits map[int32]bounds) []int32 {
	list := make([]int32, 0, len(limits))
	for p := range limits {
		list = append(list, p)
	}
	return list
}

// known returns the text of the id of a topic that was looked up before.
func (t *topicIDs) known(topic string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.ids[topic]
	return hex.EncodeToString(id[:])
}
