package local

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/reference"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// What has to hold after every commit.

// routeCommitted takes over what a flush of route committed.
func (s *sim) routeCommitted(g *group, flush *core.RouteFlush, done *routed) error {
	s.commits++
	name := g.stream.plan.Name
	for _, d := range flush.Decisions {
		s.decisions = append(s.decisions, d)
		s.decided[d.Key()] = d
		if d.Kind == core.DecisionJoin {
			g.stream.joins[d.Partition] = true
		}
	}
	s.rejects = append(s.rejects, flush.Rejects...)
	for _, n := range slices.Sorted(maps.Keys(flush.Positions)) {
		pos, at := flush.Positions[n], g.at(n)
		if pos.Offset < at.offset {
			return fmt.Errorf("%s/%d: offset %d committed behind %d", name, n, pos.Offset, at.offset)
		}
		if err := checkTally(pos.Tally); err != nil {
			return fmt.Errorf("%s/%d @ %d: %w", name, n, pos.Offset, err)
		}
		*at = groupOffset{known: true, offset: pos.Offset, metadata: pos.Metadata()}
		done.at[n] = appliedAt{offset: pos.Offset, decisions: len(s.decisionsOf(name, n))}
		s.event("%s/%d at %d", name, n, pos.Offset)
	}
	return nil
}

// checkTally is the accounting identity.
func checkTally(t core.Tally) error {
	if t.Read != t.Decoded+t.Bad {
		return fmt.Errorf("accounting: %+v", t)
	}
	for _, x := range t.Tables {
		if t.Decoded != x.Applied+x.Filtered+x.Late+x.Failed {
			return fmt.Errorf("accounting: %+v", t)
		}
	}
	return nil
}

func (s *sim) decisionsOf(stream string, n int32) []core.Decision {
	var list []core.Decision
	for _, d := range s.decisions {
		if d.Stream == stream && d.Partition == n {
			list = append(list, d)
		}
	}
	return list
}

// foldCommitted takes over what a flush of a fold partition committed.
func (s *sim) foldCommitted(n int32, writes []core.Write, frames, loop int64) error {
	s.commits++
	at := &s.groups[len(s.groups)-1].offsets[n]
	if frames < at.offset || loop < at.loop {
		return fmt.Errorf("fold partition %d: offsets %d and %d committed behind %d and %d", n, frames, loop, at.offset, at.loop)
	}
	s.frames[n].between(at.offset, frames, func(e *entry) {
		if s.midway[n] = e.flush == nil; s.midway[n] {
			return
		}
		for p, pos := range e.flush.at {
			s.applied[n][fmt.Sprintf("%s/%d", e.flush.stream, p)] = pos
		}
	})
	*at = groupOffset{known: true, offset: frames, loop: loop}
	for _, w := range writes {
		if !w.Local {
			s.replayed[n].Apply([]core.Write{w})
		}
	}
	s.event("fold %d at %d %d", n, frames, loop)
	return nil
}

// publish checks that results come once, in order and without gaps.
func (s *sim) publish(results []core.Output) error {
	for _, o := range results {
		s.outputs = append(s.outputs, o)
		m := s.metric(string(o.Key))
		if m == nil || m.Emit == plan.EmitChanges {
			continue
		}
		s.event("%s", o.Value)
		res, err := format.ParseResult(o.Value)
		if err != nil {
			return fmt.Errorf("published %s: %w", o.Value, err)
		}
		step := gridStep(m)
		first := res.End - (res.Intervals-1)*step
		last, before := s.ends[m.Name]
		gapless := m.Emit == plan.EmitEvery || len(m.Read.Table.Keys) == 0 && !m.Read.Grouped
		if before && (first <= last || gapless && first != last+step) {
			return fmt.Errorf("published %s behind the end %s", o.Value, row.FormatTimestamp(nil, last))
		}
		s.ends[m.Name] = res.End
	}
	return nil
}

func gridStep(m *plan.Metric) int64 {
	if m.Emit == plan.EmitFinal {
		return m.Read.Table.Window.Advance.Microseconds()
	}
	return m.Interval.Microseconds()
}

func (s *sim) metric(name string) *plan.Metric {
	for _, m := range s.plan.Metrics {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// checkStore: a store that has caught up holds what the changelog adds up to.
func (s *sim) checkStore(n int32, store localStore) error {
	got, err := changelogRows(store)
	if err != nil {
		return err
	}
	if maps.EqualFunc(got, s.replayed[n], bytes.Equal) {
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(s.replayed[n])) {
		if v, ok := got[k]; !ok || !bytes.Equal(v, s.replayed[n][k]) {
			return fmt.Errorf("fold partition %d: key %x is %x in the store, %x in the changelog", n, k, v, s.replayed[n][k])
		}
	}
	return fmt.Errorf("fold partition %d: the store has %d rows, the changelog %d", n, len(got), len(s.replayed[n]))
}

// checkApplied looks at a store that has just taken a flush: sometimes at all of it, and
// sometimes as a reader of the tables.
func (s *sim) checkApplied(f *foldSession) error {
	if s.r.IntN(4) == 0 {
		if err := s.checkStore(f.number, f.store); err != nil {
			return err
		}
	}
	if s.r.IntN(12) == 0 {
		return s.checkTables(f.number, f.store)
	}
	return nil
}

// checkTables reads the tables of a fold partition and compares them with the definition at the
// offsets that it has applied.
func (s *sim) checkTables(n int32, store core.Store) error {
	if s.midway[n] {
		return nil // between the parts of a split frame rows are ahead of the offsets
	}
	r, err := core.NewReader(s.plan, n, s.folds, store)
	if err != nil {
		return err
	}
	e, err := s.evaluator(groupPlan(s.plan), s.applied[n], false)
	if err != nil {
		return err
	}
	for _, t := range s.plan.Tables {
		closed, ok := r.Closed(t)
		clock, started := r.Clock(t.Stream.Name)
		if !ok || !started || closed != clock || trails(s.plan, t) {
			continue // the definition is told a clock, the table stands at the end of a pane
		}
		s.reads++
		got, keys, err := groupRows(r, t, core.Scan{})
		if err != nil {
			return err
		}
		if err := s.checkLookup(r, t, got, keys); err != nil {
			return err
		}
		want, err := s.definedRows(e, t, n, closed)
		if err != nil {
			return err
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Errorf("table %s in fold partition %d at %v differs from its definition\n%s", t.Name, n, s.applied[n],
				differences(strings.Join(got, "\n"), strings.Join(want, "\n")))
		}
	}
	return nil
}

// groupRows reads the rows of a table in one fold partition, and the key of each.
func groupRows(r *core.Reader, t *plan.Table, scan core.Scan) (rows, keys []string, err error) {
	cols := t.Group()
	err = r.Batches(t, scan, func(b *core.RowBatch) bool {
		for i := range b.N {
			rows, keys = append(rows, line(b.Values(i), cols)), append(keys, string(b.Key(i)))
		}
		return true
	})
	return rows, keys, err
}

// checkLookup asks for one of the keys of a table alone, each time for another.
func (s *sim) checkLookup(r *core.Reader, t *plan.Table, rows, keys []string) error {
	if len(rows) == 0 || len(t.Keys) == 0 {
		return nil
	}
	key := keys[s.reads%len(keys)]
	got, _, err := groupRows(r, t, core.Scan{Prefix: []byte(key), Whole: true})
	if err != nil {
		return err
	}
	var want []string
	for i, k := range keys {
		if k == key {
			want = append(want, rows[i])
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("table %s: a lookup of %x differs from a scan\n%s", t.Name, key, differences(strings.Join(got, "\n"), strings.Join(want, "\n")))
	}
	return nil
}

// definedRows are the rows of a table that belong to a fold partition.
func (s *sim) definedRows(e *reference.Evaluator, t *plan.Table, n int32, closed int64) ([]string, error) {
	_, rows, err := e.Table(t.Name)
	if err != nil {
		return nil, err
	}
	cols := t.Group()
	bucket := t.Window.Kind == plan.Tumbling || t.Window.Kind == plan.Hopping
	var list []string
	for _, vals := range rows {
		var key []byte
		for i := range t.Keys {
			key = row.AppendKey(key, vals[i], cols[i].Type)
		}
		if core.PartitionOf(key, s.folds) != n || bucket && vals[len(vals)-1].I <= closed {
			continue
		}
		list = append(list, line(vals, cols))
	}
	return list, nil
}

func line(vals []row.Value, cols []row.Column) string {
	var b []byte
	for i, v := range vals {
		if v.State == row.Error {
			v.S = ""
		}
		b = append(row.AppendJSON(b, v, cols[i].Type), ' ')
	}
	return string(b)
}

// trails tells of a hopping table that it is kept as one window that trails time: its rows are
// not those of its windows.
func trails(p *plan.Plan, t *plan.Table) bool {
	if t.Window.Kind != plan.Hopping || t.Window.Size <= 4*t.Window.Advance {
		return false
	}
	for _, m := range p.Metrics {
		if m.Read.Table == t && m.Emit != plan.EmitFinal {
			return false
		}
	}
	return true
}

// groupPlan is a plan whose tables show their group rows: keys, aggregates, window bounds.
func groupPlan(p *plan.Plan) *plan.Plan {
	out := &plan.Plan{Streams: p.Streams}
	for _, t := range p.Tables {
		x := *t
		x.Having, x.Output = nil, nil
		for i, c := range t.Group() {
			x.Output = append(x.Output, plan.Named{Name: c.Name, Expr: expr.Col(i, c.Name, c.Type)})
		}
		out.Tables = append(out.Tables, &x)
	}
	return out
}

// evaluator evaluates the definition over what was applied; nil: over everything. compacted takes
// only the decisions that compaction leaves.
func (s *sim) evaluator(p *plan.Plan, applied map[string]appliedAt, compacted bool) (*reference.Evaluator, error) {
	e, err := reference.New(p, reference.Options{})
	if err != nil {
		return nil, err
	}
	for _, st := range s.streams {
		if err := e.Follow(st.plan.Name, core.Replayed); err != nil {
			return nil, err
		}
		for _, n := range st.numbers() {
			log, _ := st.records(n)
			decisions := s.decisionsOf(st.plan.Name, n)
			if compacted {
				decisions = s.compacted(decisions)
			}
			if applied != nil {
				at, ok := applied[fmt.Sprintf("%s/%d", st.plan.Name, n)]
				if !ok {
					continue
				}
				decisions = decisions[:at.decisions]
				i, _ := slices.BinarySearchFunc(log, at.offset, func(r format.Record, o int64) int { return int(r.Offset - o) })
				log = log[:i]
			}
			if err := evaluatePartition(e, st.plan.Name, n, log, decisions); err != nil {
				return nil, err
			}
		}
	}
	return e, nil
}

// compacted is what compaction leaves of a partition's decisions.
func (s *sim) compacted(all []core.Decision) []core.Decision {
	var list []core.Decision
	for _, d := range all {
		if s.decided[d.Key()] == d {
			list = append(list, d)
		}
	}
	return list
}

func evaluatePartition(e *reference.Evaluator, stream string, n int32, log []format.Record, decisions []core.Decision) error {
	for _, d := range decisions {
		if d.Kind == "future" {
			if err := e.Refuse(stream, n, d.Offset); err != nil {
				return err
			}
		}
	}
	for _, d := range decisions {
		if d.Kind == "future" {
			continue
		}
		i := 0
		for i < len(log) && log[i].Offset < d.Offset {
			i++
		}
		if err := e.Add(stream, n, log[:i]); err != nil {
			return err
		}
		log = log[i:]
		if err := e.MoveClock(stream, n, d.Offset, d.Clock); err != nil {
			return err
		}
	}
	return e.Add(stream, n, log)
}

// checkEnd compares everything with the definition.
func (s *sim) checkEnd() error {
	e, err := s.evaluator(s.plan, nil, false)
	if err != nil {
		return err
	}
	got := s.published()
	if want := s.unjoined(computed(e)); got != want {
		return fmt.Errorf("results differ from the definition\n%s", differences(got, want))
	}
	if len(s.compacted(s.decisions)) < len(s.decisions) {
		c, err := s.evaluator(s.plan, nil, true)
		if err != nil {
			return err
		}
		if got, want := s.expanded(got), s.expanded(s.unjoined(computed(c))); got != want {
			return fmt.Errorf("results differ from the definition after compaction of the decisions\n%s", differences(got, want))
		}
	}
	for _, st := range s.streams {
		for _, n := range st.numbers() {
			if err := s.checkCounted(e, st, n); err != nil {
				return err
			}
		}
	}
	return s.checkRejects(e)
}

// published is what a reader of the metrics topic ends up with.
func (s *sim) published() string {
	last := map[string]int{}
	for i, o := range s.outputs {
		last[string(o.Key)] = i
	}
	var lines []string
	for i, o := range s.outputs {
		if s.metric(string(o.Key)) == nil && (o.Value == nil || last[string(o.Key)] != i) {
			continue // EMIT CHANGES: the last value of a key counts
		}
		lines = append(lines, string(o.Key)+" "+string(o.Value))
	}
	slices.SortStableFunc(lines, strings.Compare)
	return s.unjoined(strings.Join(lines, "\n"))
}

// expanded writes a run of equal results as that many. Compaction keeps the last move of a clock
// at an offset, not how many steps it took, so which results are one record cannot be told from
// what it leaves; nor can the window bounds that such a record shows where nothing is in the window.
func (s *sim) expanded(results string) string {
	var b strings.Builder
	for _, l := range strings.Split(results, "\n") {
		key, value, _ := strings.Cut(l, " ")
		m := s.metric(key)
		if m == nil || m.Emit == plan.EmitChanges {
			fmt.Fprintln(&b, l)
			continue
		}
		res, err := format.ParseResult([]byte(value))
		if err != nil || m.Read.Table.Window.Kind != plan.Tumbling && strings.Contains(m.Text, "window_") {
			continue
		}
		_, rows, _ := strings.Cut(value, `"rows":`)
		for i := range res.Intervals {
			fmt.Fprintln(&b, key, res.End-i*gridStep(m), rows)
		}
	}
	lines := strings.Split(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// unjoined takes out the first cut of partitions that appeared later: whether a result of before
// then names them depends on when it was published.
func (s *sim) unjoined(results string) string {
	for _, st := range s.streams {
		for n, joined := range st.joins {
			if joined {
				results = strings.ReplaceAll(results, fmt.Sprintf(`,"%d":0,`, n), ",")
				results = strings.ReplaceAll(results, fmt.Sprintf(`,"%d":0}`, n), "}")
			}
		}
	}
	return results
}

// checkCounted compares what became of the records of a source partition, in every fold partition.
func (s *sim) checkCounted(e *reference.Evaluator, st *simStream, n int32) error {
	want := e.Tally(st.plan.Name, n)
	var tables []core.TableTally
	for _, t := range core.TablesOf(s.plan, st.plan) {
		tables = append(tables, core.TableTally(want.Tables[t.Name]))
	}
	for _, p := range s.procs {
		x := p.sessions[s.groups[len(s.groups)-1]]
		if x == nil {
			continue
		}
		for _, f := range x.folds {
			got, ok := f.fold.Tally(st.plan.Name)[n]
			if !ok && want.Read == 0 {
				continue
			}
			if got.Read != want.Read || got.Decoded != want.Decoded || got.Bad != want.Bad || !slices.Equal(got.Tables, tables) {
				return fmt.Errorf("%s/%d in fold partition %d: counted %+v, by the definition %+v", st.plan.Name, n, f.number, got, want)
			}
		}
	}
	return nil
}

// checkRejects: every record that was not counted is there once, with the reason's kind and tables.
func (s *sim) checkRejects(e *reference.Evaluator) error {
	show := func(stream string, p int32, r format.Record, kind string, tables []string) string {
		return fmt.Sprintf("%s/%d @ %06d %s %v %q", stream, p, r.Offset, kind, tables, r.Value)
	}
	var got, want []string
	for _, r := range s.rejects {
		got = append(got, show(r.Stream, r.Partition, r.Record, r.Kind, r.Tables))
	}
	for _, r := range e.Rejects() {
		want = append(want, show(r.Stream, r.Partition, r.Record, r.Kind, r.Tables))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("rejects differ from the definition\n%s", differences(strings.Join(got, "\n"), strings.Join(want, "\n")))
	}
	return nil
}

// differences shows the first lines that only one side has.
func differences(got, want string) string {
	count := map[string]int{}
	for _, l := range strings.Split(got, "\n") {
		count[l]++
	}
	for _, l := range strings.Split(want, "\n") {
		count[l]--
	}
	var list []string
	for l, n := range count {
		if n != 0 {
			list = append(list, fmt.Sprintf("%s\t%+d", l, n))
		}
	}
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(b, a) })
	if len(list) > 12 {
		list = append(list[:12], fmt.Sprintf("... %d more", len(list)-12))
	}
	return "+ only here, - only in the definition\n" + strings.Join(list, "\n")
}
