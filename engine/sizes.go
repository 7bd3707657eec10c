package engine

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine/core"
	"penstock/engine/read"
	"penstock/query/plan"
	"penstock/query/row"
)

// PartitionSize is how large a table partition of this process is.
type PartitionSize struct {
	Partition int32
	Remaining int64 // changelog records still to be read, while it is restored
	// Keys are the rows by table, when last counted. Bytes is the state by table: what keys and values
	// add up to, or for more than a few thousand rows about what they take in files. Tables without a
	// name of their own are left out.
	Keys, Bytes map[string]int64
}

const (
	// sizesEvery is how often rows are counted at most. Counting reads them, so it is done less often
	// where it takes long: it takes a hundredth of the time.
	sizesEvery = time.Minute
	sizesShare = 100
	// bytesEvery is how often it is asked at most how large tables are, addedRows up to how many rows
	// of a partition are added up for that.
	bytesEvery = 5 * time.Second
	addedRows  = 10_000
	// restShare is the same while no rows come: an engine with much state and nothing to do is to be quiet.
	restShare = 1000
)

// watchSizes counts the rows of the tables from time to time.
func (s *serving) watchSizes(ctx context.Context) {
	read := int64(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.engine.opts.Clock.After(changeEvery):
		}
		began := time.Now()
		sizes := s.engine.countKeys(ctx)
		s.mu.Lock()
		s.sizes = sizes
		s.mu.Unlock()
		share := time.Duration(sizesShare)
		if n := s.engine.rowsRead(); n == read {
			share = restShare
		} else {
			read = n
		}
		wait := max(sizesEvery, share*time.Since(began))
		if len(sizes) == 0 {
			wait = changeEvery // nothing is assigned yet
		}
		select {
		case <-ctx.Done():
			return
		case <-s.engine.opts.Clock.After(wait):
		}
	}
}

func (e *Engine) countKeys(ctx context.Context) []PartitionSize {
	var here []int32
	for n := range int32(e.opts.FoldPartitions) {
		if e.standing(n).State == "" {
			here = append(here, n)
		}
	}
	sizes := make([]PartitionSize, len(here))
	for i, n := range here {
		sizes[i] = PartitionSize{Partition: n, Keys: map[string]int64{}}
	}
	for _, t := range e.opts.Plan.Tables {
		if t.Hidden || len(here) == 0 {
			continue
		}
		r, err := e.bindRead(`SELECT COUNT(*) FROM "` + strings.ReplaceAll(t.Name, `"`, `""`) + `"`)
		if err != nil {
			continue
		}
		parts, err := e.scanLocal(ctx, r, here, true, read.NewBudget(read.Limits{}))
		if err != nil {
			continue
		}
		for i, p := range parts {
			if p.part == nil {
				continue
			}
			if a, err := read.Merge(r, []*read.Part{p.part}, read.NewBudget(read.Limits{})); err == nil && a.Rows.Len() == 1 {
				if vals, err := a.Rows.Row(0, nil); err == nil {
					sizes[i].Keys[t.Name] = vals[0].I
				}
			}
		}
	}
	return sizes
}

// Restore is how far a table partition of this process is restored from its changelog.
type Restore struct {
	Partition int32
	Ready     bool
	Done      int64 // changelog records that are read, while it is not ready
	AtMost    int64 // and how many there are at most; 0: not known yet
}

// Restoring lists the table partitions of this process; none when all of them are ready.
func (e *Engine) Restoring() []Restore {
	var list []Restore
	ready := true
	for n := range int32(e.opts.FoldPartitions) {
		at := e.standing(n)
		if at.State == stateUnowned {
			continue
		}
		r := Restore{Partition: n, Ready: at.State == "", Done: at.changelog - at.remaining, AtMost: at.changelog}
		ready = ready && r.Ready
		list = append(list, r)
	}
	if ready {
		return nil
	}
	return list
}

// TableSizes tells how large the partitions of this process are. Row counts are up to a minute old.
func (e *Engine) TableSizes() []PartitionSize {
	s := e.served()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	counted := s.sizes
	s.mu.Unlock()
	bytes := s.partitionBytes()
	var list []PartitionSize
	for n := range int32(e.opts.FoldPartitions) {
		at := e.standing(n)
		if at.State == stateUnowned {
			continue
		}
		p := PartitionSize{Partition: n, Remaining: at.remaining, Bytes: bytes[n]}
		for _, c := range counted {
			if c.Partition == n {
				p.Keys = c.Keys
			}
		}
		list = append(list, p)
	}
	return list
}

// tableBytes is how large each table is in a partition.
func (e *Engine) tableBytes(n int32) map[string]int64 {
	out := map[string]int64{}
	part := e.local().Partition(tableState, n)
	for _, t := range e.opts.Plan.Tables {
		if t.Hidden {
			continue
		}
		core.TableSpans(t.Name, func(lower, upper []byte) {
			rows, bytes := 0, int64(0)
			err := part.Scan(lower, upper, func(k, v []byte) bool {
				rows, bytes = rows+1, bytes+int64(len(k)+len(v))
				return rows < addedRows
			})
			if err == nil && rows == addedRows {
				if files, err := part.Bytes(lower, upper); err == nil {
					bytes = max(bytes, files)
				}
			}
			out[t.Name] += bytes
		})
	}
	return out
}

// partitionBytes is how large each table is in each partition of this process. That is asked again
// after a while, which is longer where asking takes long; until then the answer is shared.
func (s *serving) partitionBytes() map[int32]map[string]int64 {
	now := s.engine.opts.Clock.Now()
	s.mu.Lock()
	known, due := s.bytes, s.bytesDue
	s.mu.Unlock()
	began := time.Now()
	bytes := map[int32]map[string]int64{}
	for n := range int32(s.engine.opts.FoldPartitions) {
		switch {
		case s.engine.standing(n).State == stateUnowned:
		case known[n] != nil && now.Before(due):
			bytes[n] = known[n]
		default:
			bytes[n] = s.engine.tableBytes(n)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes = bytes; !now.Before(due) {
		s.bytesDue = now.Add(max(bytesEvery, sizesShare*time.Since(began)))
	}
	return bytes
}

// ownBytes is how large each table is in this process.
func (s *serving) ownBytes() map[string]int64 {
	total := map[string]int64{}
	for _, tables := range s.partitionBytes() {
		for name, b := range tables {
			total[name] += b
		}
	}
	return total
}

// TableBytes is how large each table is over all processes, as they last said.
func (e *Engine) TableBytes() map[string]int64 {
	s := e.served()
	if s == nil {
		return nil
	}
	total := s.ownBytes()
	for _, m := range s.members.alive(e.opts.Clock.Now()) {
		if m.Instance == e.opts.InstanceID {
			continue
		}
		for name, b := range m.Bytes {
			total[name] += b
		}
	}
	return total
}

// emitted tells the service of the results among the records of a flush that was committed.
func (e *Engine) emitted(records []*kgo.Record) {
	s := e.served()
	if s == nil || s.Emitted == nil {
		return
	}
	for _, r := range records {
		if r.Topic == (names{e.opts.App}).FoldTable() || r.Topic == (names{e.opts.App}).FoldLoop() {
			continue
		}
		name, _, _ := strings.Cut(string(r.Key), "/[")
		m := e.opts.Plan.Metric(name)
		if m == nil {
			continue
		}
		end, known := intervalEnd(m, r.Value)
		s.Emitted(m.Name, e.opts.Clock.Now().Sub(end), known)
	}
}

// intervalEnd finds the end of the interval in a record of JSON, if the stream's time is Kafka's: only
// then is it comparable with now.
func intervalEnd(m *plan.Metric, value []byte) (end time.Time, known bool) {
	if m.Read.Table.Stream.TimeColumn >= 0 || m.Emit == plan.EmitChanges {
		return end, false
	}
	_, rest, ok := bytes.Cut(value, []byte(`,"end":"`))
	text, _, closed := bytes.Cut(rest, []byte(`"`))
	if !ok || !closed {
		return end, false
	}
	us, err := row.ParseTimestamp(string(text))
	return time.UnixMicro(us), err == nil
}
