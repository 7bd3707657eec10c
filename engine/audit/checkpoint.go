package audit

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/engine/reference"
	"penstock/query/plan"
)

// Checkpoint is where an audit that found no difference ended, with what the evaluator has to
// remember to go on. The next one begins there, so that it needs no older records: retention may
// remove them.
type Checkpoint struct {
	App     string    `json:"app"`
	Plan    string    `json:"plan"` // fingerprint
	Written time.Time `json:"written"`
	// Topics are the ids of the source topics: one that was made again has other records.
	Topics map[string]string `json:"topics"`
	// Rejects are the offsets of the rejects topic behind which no older row's reject can be.
	Rejects map[int32]int64  `json:"rejects"`
	Joined  []joined         `json:"joined,omitempty"`
	State   *reference.State `json:"state"`
}

// checkpointFormat is raised with every change that an older program could not read.
const (
	checkpointMagic  = "penstock-audit-checkpoint"
	checkpointFormat = 1
)

// ErrCheckpoint is in every error about a checkpoint that cannot be used.
var ErrCheckpoint = errors.New("unusable checkpoint")

// WriteCheckpoint writes a checkpoint to a file, which is there as a whole or not at all. The first
// line says what it is, in which format, and the checksum of the rest, which is JSON packed by gzip.
func WriteCheckpoint(file string, c *Checkpoint) (err error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := errors.Join(json.NewEncoder(z).Encode(c), z.Close()); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".checkpoint-")
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write checkpoint: %w", err), os.Remove(f.Name()))
		}
	}()
	sum := sha256.Sum256(packed.Bytes())
	_, err = fmt.Fprintf(f, "%s %d %s\n%s", checkpointMagic, checkpointFormat, hex.EncodeToString(sum[:]), packed.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// ReadCheckpoint reads a file that WriteCheckpoint wrote. Where there is none the error is
// fs.ErrNotExist.
func ReadCheckpoint(file string) (*Checkpoint, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w %s: %s; without it an audit begins at the start of the topics", ErrCheckpoint, file, fmt.Sprintf(format, args...))
	}
	r := bufio.NewReader(f)
	first, err := r.ReadString('\n')
	words := strings.Fields(first)
	if err != nil || len(words) != 3 || words[0] != checkpointMagic {
		return nil, bad("it is none, or its beginning is damaged")
	}
	if format, err := strconv.Atoi(words[1]); err != nil || format > checkpointFormat {
		return nil, bad("its format is %s, and this program knows %d: it was written by a newer one", words[1], checkpointFormat)
	}
	packed, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	if sum := sha256.Sum256(packed); hex.EncodeToString(sum[:]) != words[2] {
		return nil, bad("it is damaged: its checksum is another")
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, bad("%v", err)
	}
	c := &Checkpoint{}
	if err := json.NewDecoder(z).Decode(c); err != nil || c.State == nil {
		return nil, bad("it cannot be read: %v", err)
	}
	return c, nil
}

// planFingerprint is that of what the evaluator's state follows from.
func planFingerprint(p *plan.Plan) (string, error) {
	var delays []string
	for _, s := range p.Streams {
		delays = append(delays, fmt.Sprintf("%s %s", s.Name, s.Options.Delay))
	}
	text, err := json.Marshal([]any{plan.DefinitionsOf(p), delays})
	if err != nil {
		return "", fmt.Errorf("fingerprint: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// resume makes the evaluator: from the checkpoint, if there is one that fits, or a new one.
func (a *auditor) resume(ctx context.Context) (err error) {
	ids, err := a.topicIDs(ctx)
	if err != nil {
		return err
	}
	a.ids = ids
	if c := a.Checkpoint; c != nil {
		gap, err := a.fits(c)
		if err != nil {
			return err
		}
		if gap == "" {
			return a.goOn(c)
		}
		a.report.Notes = append(a.report.Notes, fmt.Sprintf("the checkpoint of %s is of no use any more: %s", c.Written.Format(time.DateTime), gap))
	}
	a.eval, err = reference.New(a.Plan, reference.Options{})
	return err
}

// fits compares a checkpoint with what there is. gap says what was removed behind it: then it is
// of no use, though nothing is wrong with it.
func (a *auditor) fits(c *Checkpoint) (gap string, err error) {
	bad := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf("%w of %s: %s", ErrCheckpoint, c.Written.Format(time.DateTime), fmt.Sprintf(format, args...))
	}
	fingerprint, err := planFingerprint(a.Plan)
	switch {
	case err != nil:
		return "", err
	case c.App != a.App:
		return bad("it is of application %q, and this audit of %q", c.App, a.App)
	case c.Plan != fingerprint:
		return bad("it was written for another query file (%s, this one is %s): name another checkpoint for this one", c.Plan, fingerprint)
	}
	for _, s := range c.State.Streams {
		src := a.streams[s.Name]
		if src == nil {
			return bad("it has a stream %s that the query file has not", s.Name)
		}
		topic := src.plan.Options.Topic
		if was := c.Topics[topic]; was != a.ids[topic] {
			return bad("topic %s was deleted and made again since (id %s, now %s)", topic, was, a.ids[topic])
		}
		for _, p := range s.Partitions {
			part := src.parts[p.Number]
			switch {
			case part == nil || p.Next > part.at.Offset:
				at := int64(0)
				if part != nil {
					at = part.at.Offset
				}
				return bad("it has read %s/%d up to offset %d, and the application only up to %d", topic, p.Number, p.Next, at)
			case p.Next < part.start && gap == "":
				gap = fmt.Sprintf("it ends at offset %d of %s/%d, and retention has removed what is before %d", p.Next, topic, p.Number, part.start)
			}
		}
	}
	return gap, nil
}

// goOn takes the state of a checkpoint, and has reading begin behind it.
func (a *auditor) goOn(c *Checkpoint) (err error) {
	if a.eval, err = reference.Restore(a.Plan, c.State); err != nil {
		return fmt.Errorf("%w of %s: %w", ErrCheckpoint, c.Written.Format(time.DateTime), err)
	}
	for _, s := range c.State.Streams {
		for _, p := range s.Partitions {
			part := a.streams[s.Name].parts[p.Number]
			part.from, part.read, part.before = p.Next, p.Tally.Read, p.Tally.Read
		}
	}
	a.report.joined = slices.Clone(c.Joined)
	a.report.Since = &c.Written
	a.resumed = c
	return nil
}

// since is the end up to which a metric's results were compared by the audit that wrote the
// checkpoint.
func (a *auditor) since(m *plan.Metric) (int64, bool) {
	if a.resumed == nil {
		return 0, false
	}
	return a.eval.Since(m.Read.Table.Stream.Name)
}

// checkpoint is what the next audit can begin from, or why there is nothing.
func (a *auditor) checkpoint() (*Checkpoint, string, error) {
	r := a.report
	switch {
	case r.Wrong() > 0:
		return nil, "there are differences", nil
	case !a.settled:
		return nil, "results are still on their way", nil
	case !a.From.IsZero() || !a.To.IsZero():
		return nil, "not all intervals were compared", nil
	}
	for _, src := range a.streams {
		for _, p := range src.parts {
			if p.cut() {
				return nil, "retention has removed rows of topic " + src.plan.Options.Topic, nil
			}
		}
	}
	for _, m := range r.Metrics {
		if m.Pending > 0 || m.Why != "" && m.Compared == 0 {
			return nil, fmt.Sprintf("metric %s could not be compared", m.Metric), nil
		}
	}
	fingerprint, err := planFingerprint(a.Plan)
	return &Checkpoint{App: a.App, Plan: fingerprint, Written: time.Now().UTC().Truncate(time.Second), Topics: a.ids,
		Rejects: a.rejectEnds, Joined: r.joined, State: a.eval.State()}, "", err
}

// topicIDs are those of the source topics.
func (a *auditor) topicIDs(ctx context.Context) (map[string]string, error) {
	names := map[string]bool{}
	for _, s := range a.Plan.Streams {
		names[s.Options.Topic] = true
	}
	topics, err := a.admin.ListTopics(ctx, slices.Collect(maps.Keys(names))...)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	ids := map[string]string{}
	for _, t := range topics {
		ids[t.Topic] = t.ID.String()
	}
	return ids, nil
}
