package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"penstock/query/plan"
	"penstock/query/row"
)

// Why tells what holds a metric's results back, or a table's rows: the answer of EXPLAIN WHY. The
// causes stand in the order in which they should be looked at.
type Why struct {
	Name   string  `json:"name"`
	Causes []Cause `json:"causes"`
	// Facts are lines that are always there: the last result, when the next is due, what became of
	// the rows.
	Facts []string `json:"facts"`
}

// Cause is one reason. Code stays the same; Text says it with names and numbers, Hint what to do.
type Cause struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// whyFacts is everything that Why is made from.
type whyFacts struct {
	now     time.Time
	name    string
	metric  *plan.Metric // nil: a table or a stream is asked about
	table   *plan.Table  // nil: a stream is asked about
	stream  *plan.Stream
	at      StreamOverview
	parts   []TablePartition
	members []Member
	plan    string // fingerprint of our own
	stages  []StageStatus
	last    *Published // of the metric, nil: none is known
}

// explainWhy answers EXPLAIN WHY.
func (e *Engine) explainWhy(ctx context.Context, name string) (*Answer, error) {
	f := whyFacts{now: e.opts.Clock.Now(), name: name, plan: planFingerprint(e.opts.Plan)}
	p := e.opts.Plan
	if f.metric = p.Metric(name); f.metric != nil {
		f.table = f.metric.Read.Table
		if _, list, _ := e.History(name, 1); len(list) > 0 {
			f.last = &list[0]
		}
	} else {
		f.table = p.Table(name)
	}
	if f.stream = p.Stream(name); f.table != nil {
		f.stream = f.table.Stream
	}
	o, err := e.Overview(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range o.Streams {
		if s.Stream == f.stream.Name {
			f.at = s
		}
	}
	f.parts, f.members, f.stages = o.Tables, o.Members, e.Status().Stages
	return whyAnswer(f.why()), nil
}

// whyAnswer is a Why as rows for a program and text for a person.
func whyAnswer(w *Why) *Answer {
	var b strings.Builder
	for _, c := range w.Causes {
		fmt.Fprintf(&b, "%s: %s\n", c.Code, c.Text)
		if c.Hint != "" {
			fmt.Fprintf(&b, "  = %s\n", c.Hint)
		}
	}
	a := textAnswer(w.Name, b.String()+strings.Join(w.Facts, "\n")+"\n")
	a.Why = w
	return a
}

// why finds the causes.
func (f *whyFacts) why() *Why {
	w := &Why{Name: f.name, Causes: []Cause{}}
	for _, find := range []func() []Cause{
		f.stopped, f.otherPlans, f.unread, f.unowned, f.restoring, f.noRows, f.allBad, f.noClock, f.clock,
		f.tooLate, f.filtered, f.failing, f.shares, f.empty, f.notDue,
	} {
		w.Causes = append(w.Causes, find()...)
	}
	if len(w.Causes) == 0 {
		w.Causes = append(w.Causes, Cause{"nothing", "nothing holds " + f.name + " back", ""})
	}
	w.Facts = f.facts()
	return w
}

func cause(code, hint, text string, args ...any) []Cause {
	return []Cause{{Code: code, Text: fmt.Sprintf(text, args...), Hint: hint}}
}

// stopped: a stage of this process does not run.
func (f *whyFacts) stopped() (list []Cause) {
	for _, s := range f.stages {
		if s.State == "restarting" || s.State == "stopped" {
			text := fmt.Sprintf("group %s is %s in this process", s.Group, s.State)
			if s.Error != "" {
				text += ": " + s.Error
			}
			list = append(list, Cause{"stopped", text, "it begins again by itself when what it needs is back; see the log"})
		}
	}
	return list
}

// otherPlans: a process of the application runs another query file.
func (f *whyFacts) otherPlans() (list []Cause) {
	for _, m := range f.members {
		if m.Plan != f.plan {
			list = append(list, Cause{"other_plan", "process " + m.Instance + " runs another query file under the same --app", "run the same file everywhere, or another --app"})
		}
	}
	return list
}

// unread: nobody reads a source partition.
func (f *whyFacts) unread() []Cause {
	var names []string
	for _, p := range f.at.Partitions {
		if p.Reader == "" {
			names = append(names, f.source(p.Partition))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return cause("no_reader", "a process takes them within the session timeout of the one that left; start one if none runs",
		"no process reads %s", strings.Join(names, ", "))
}

// unowned: a result needs every table partition.
func (f *whyFacts) unowned() []Cause {
	var names []string
	for _, p := range f.parts {
		if p.State == stateUnowned {
			names = append(names, fmt.Sprintf("p%d", p.Partition))
		}
	}
	if len(names) == 0 || f.table == nil {
		return nil
	}
	return cause("no_owner", "a process takes them within the session timeout of the one that left; start one if none runs",
		"no process has table partitions %s", strings.Join(names, ", "))
}

// restoring: a table partition is being recovered from its changelog.
func (f *whyFacts) restoring() (list []Cause) {
	for _, p := range f.parts {
		if p.State == stateRestoring && f.table != nil {
			list = append(list, Cause{"restoring", fmt.Sprintf("table partition p%d is being restored, %d %% is done", p.Partition, p.Percent), "it goes on by itself"})
		}
	}
	return list
}

func (f *whyFacts) noRows() []Cause {
	for _, p := range f.at.Partitions {
		if p.Read > 0 || p.End > p.Offset {
			return nil
		}
	}
	return cause("no_rows", "is something written to the topic? penstock tail "+f.at.Topic, "stream %s has no records: topic %s is empty, or they were gone before they were read", f.stream.Name, f.at.Topic)
}

// total is what became of all records of the stream.
func (f *whyFacts) total() (read, decoded, bad int64) {
	for _, p := range f.at.Partitions {
		read, decoded, bad = read+p.Read, decoded+p.Decoded, bad+p.Bad
	}
	return read, decoded, bad
}

func (f *whyFacts) allBad() []Cause {
	read, decoded, bad := f.total()
	if read == 0 || decoded > 0 {
		return nil
	}
	return cause("all_bad", "the rejects say what is wrong with them: \\rejects, or GET /v1/rejects; does the file's column list and format fit the topic?",
		"all %d records of stream %s are bad", bad, f.stream.Name)
}

// noClock: a stream with a time column has no time in a partition before its first row.
func (f *whyFacts) noClock() []Cause {
	var names []string
	clocked := false
	for _, p := range f.at.Partitions {
		if p.HasClock {
			clocked = true
		} else {
			names = append(names, f.source(p.Partition))
		}
	}
	if len(names) == 0 || !clocked {
		return nil
	}
	return cause("no_clock", "its clock follows the others' once it was seen to be idle; idle_slack on the stream says how far behind",
		"%s had no row yet, so there is no time in it", strings.Join(names, ", "))
}

// slowest is the partition whose clock is the lowest.
func (f *whyFacts) slowest() (s *SourceOverview, all bool) {
	all = len(f.at.Partitions) > 0
	for i := range f.at.Partitions {
		p := &f.at.Partitions[i]
		if !p.HasClock {
			all = false
			continue
		}
		if s == nil || p.Clock < s.Clock {
			s = p
		}
	}
	return s, all
}

// clock: one partition holds the clock back, because it lags, or is idle, and others wait for it.
func (f *whyFacts) clock() (list []Cause) {
	slow, _ := f.slowest()
	if slow == nil {
		return nil
	}
	ahead := slow
	for i := range f.at.Partitions {
		p := &f.at.Partitions[i]
		if p.HasClock && p.Clock > ahead.Clock {
			ahead = p
		}
		if p.Paused {
			list = append(list, cause("paused", "max_drift on the stream says how far one may run ahead",
				"%s waits: it is %s ahead of %s, the slowest", f.source(p.Partition), lengthOf(p.Clock-slow.Clock), f.source(slow.Partition))...)
		}
	}
	step, gap := f.step(), ahead.Clock-slow.Clock
	if step == 0 || gap < step {
		return list
	}
	if slow.Lag > 0 {
		return append(list, cause("lag", "it catches up by itself; more processes or partitions read faster",
			"%s holds the clock at %s: %d records of it wait to be read, and other partitions are up to %s further", f.source(slow.Partition), clockOf(slow.Clock), slow.Lag, lengthOf(gap))...)
	}
	return append(list, cause("idle", "an idle partition's clock follows within idle_slack; write to every partition, or lower it",
		"%s holds the clock at %s: it has nothing more to read, and other partitions are up to %s further", f.source(slow.Partition), clockOf(slow.Clock), lengthOf(gap))...)
}

// account is what became of the rows in the table.
func (f *whyFacts) account() (a TableAccounting, ok bool) {
	for _, t := range f.at.Tables {
		if f.table != nil && t.Table == f.table.Name {
			return t, true
		}
	}
	return a, false
}

func (f *whyFacts) tooLate() []Cause {
	a, ok := f.account()
	_, decoded, _ := f.total()
	if !ok || a.Late == 0 || a.Late*20 < decoded {
		return nil
	}
	return cause("late", "declare how far out of order rows may be: WITH (delay = '1 minute') on stream "+f.stream.Name,
		"%d of %d rows came after every window they belong to had ended", a.Late, decoded)
}

func (f *whyFacts) filtered() []Cause {
	a, ok := f.account()
	if !ok || a.Applied > 0 || a.Filtered == 0 {
		return nil
	}
	hint := "no row so far passes the WHERE"
	if f.table.Where != nil {
		hint = "no row so far passes WHERE " + f.table.Where.String()
	}
	return cause("filtered", hint, "all %d rows were filtered out", a.Filtered)
}

func (f *whyFacts) failing() []Cause {
	a, ok := f.account()
	if !ok || a.Failed == 0 {
		return nil
	}
	return cause("failed", "the rejects say why: \\rejects, or GET /v1/rejects", "%d rows could not be computed", a.Failed)
}

// shares: every clock has passed the next end, but its result is not there.
func (f *whyFacts) shares() []Cause {
	slow, all := f.slowest()
	next, ok := f.next()
	if !ok || !all || f.last == nil || slow.Clock < next+f.step() {
		return nil
	}
	return cause("behind", "the tables take in what was read within a flush interval; a process may be overloaded",
		"every clock has passed %s, but the tables have not: results come from %s behind", clockOf(next), lengthOf(slow.Clock-next))
}

func (f *whyFacts) empty() []Cause {
	if f.last == nil || f.last.Result == nil || len(f.last.Result.Rows) > 0 || f.metric.Emit == plan.EmitChanges {
		return nil
	}
	hint := "no row was in its interval"
	if f.table.Having != nil {
		hint = "no group was in its interval, or none passes HAVING " + f.table.Having.String()
	} else if f.metric.Read.Where != nil {
		hint = "no row was in its interval, or none passes WHERE " + f.metric.Read.Where.String()
	}
	return cause("empty", hint, "the last result, of %s, has no rows", clockOf(f.last.Result.End))
}

// notDue: the clock has not passed the end of the next interval.
func (f *whyFacts) notDue() []Cause {
	slow, all := f.slowest()
	next, ok := f.next()
	if !ok || !all || slow.Clock >= next {
		return nil
	}
	return cause("not_due", "", "the next result is due when every clock has passed %s; %s is at %s, %s before", clockOf(next), f.source(slow.Partition), clockOf(slow.Clock), lengthOf(next-slow.Clock))
}

// step is the distance of a metric's ends, or of a table's panes, in microseconds.
func (f *whyFacts) step() int64 {
	switch {
	case f.table == nil:
		return 0
	case f.metric == nil || f.metric.Emit == plan.EmitChanges:
		return f.table.Pane.Microseconds()
	case f.metric.Emit == plan.EmitEvery:
		return f.metric.Interval.Microseconds()
	}
	return f.table.Window.Advance.Microseconds()
}

// next is the end of the interval whose result comes next.
func (f *whyFacts) next() (int64, bool) {
	if f.metric == nil || f.metric.Emit == plan.EmitChanges {
		return 0, false
	}
	step := f.step()
	if f.last != nil && f.last.Result != nil && f.last.Result.End > 0 {
		return f.last.Result.End + step, true
	}
	slow, _ := f.slowest()
	if slow == nil || step == 0 {
		return 0, false
	}
	phase := int64(0)
	if f.metric.Emit == plan.EmitFinal {
		phase = f.table.Window.Size.Microseconds() % step
	}
	return (floorDiv(slow.Clock-phase, step)+1)*step + phase, true
}

// facts are the lines that are always there.
func (f *whyFacts) facts() []string {
	var lines []string
	if f.metric != nil {
		line := "last result: none is known"
		if f.last != nil && f.last.Result != nil {
			line = fmt.Sprintf("last result: published %s ago", f.now.Sub(f.last.At).Round(100*time.Millisecond))
			if r := f.last.Result; r.End > 0 {
				line += ", of the interval that ended at " + clockOf(r.End)
			}
		}
		lines = append(lines, line)
	}
	if next, ok := f.next(); ok {
		lines = append(lines, "next result: of the interval that ends at "+clockOf(next))
	}
	read, decoded, bad := f.total()
	lines = append(lines, fmt.Sprintf("stream %s: read %d = decoded %d + bad %d", f.stream.Name, read, decoded, bad))
	if a, ok := f.account(); ok {
		lines = append(lines, fmt.Sprintf("table %s: decoded %d = applied %d + filtered %d + late %d + failed %d",
			strings.TrimPrefix(a.Table, "$"), decoded, a.Applied, a.Filtered, a.Late, a.Failed))
	}
	return lines
}

func (f *whyFacts) source(p int32) string { return fmt.Sprintf("%s/%d", f.at.Topic, p) }

func clockOf(us int64) string { return string(row.FormatTimestamp(nil, us)) }

func lengthOf(us int64) string {
	return (time.Duration(us) * time.Microsecond).Round(100 * time.Millisecond).String()
}
