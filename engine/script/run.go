package script

import (
	"context"
	"fmt"
	"strings"
	"time"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

// Result is how a test went.
type Result struct {
	Test     *Test
	Failures []Failure // none: it passed
	Fault    *Fault    // the test could not run: its file or the query file is faulty
	Elapsed  time.Duration

	got map[*command]*table // what each expectation got, for Update
}

// Passed tells whether the test ran and nothing was other than expected.
func (r *Result) Passed() bool { return len(r.Failures) == 0 && r.Fault == nil }

// Failure is one command that did not do as expected.
type Failure struct {
	Line    int
	Command string   // its first line
	Reason  string   // in words, when it is no difference between tables
	Diff    []string // expected and got, side by side
	Notes   []string // what else was published, what became of the input
	want    *table
	got     *table
}

// run is one run of one test.
type run struct {
	test   *Test
	plan   *plan.Plan
	target target
	around Circumstances
	judge  bool
	log    map[string][][]format.Record // what was inserted, by stream and partition
	dealt  map[string]int
	taken  map[string]int  // results that an expectation has looked at, by metric
	seen   map[string]bool // rejects, likewise
	broken error           // what stopped the application
	result *Result
}

// runTest runs a test on a target that open makes.
func runTest(ctx context.Context, t *Test, o *Options) *Result {
	began := time.Now()
	res := &Result{Test: t, got: map[*command]*table{}}
	defer func() { res.Elapsed = time.Since(began) }()
	p, fault := t.plan(o.read)
	if fault == nil {
		if diags := t.check(p); len(diags) > 0 {
			fault = &Fault{t.file.Path, t.file.Text, diags}
		}
	}
	if fault != nil {
		res.Fault = fault
		return res
	}
	r := &run{test: t, plan: p, around: o.Circumstances, judge: o.Judge, result: res, log: map[string][][]format.Record{},
		dealt: map[string]int{}, taken: map[string]int{}, seen: map[string]bool{}}
	for _, s := range p.Streams {
		r.log[s.Name] = make([][]format.Record, partitionsOf(&t.settings, s.Name, o.Circumstances))
	}
	var err error
	if r.target, err = o.open(ctx, p, &t.settings); err != nil {
		r.failure(t.Line, "TEST "+t.Name).Reason = err.Error()
		return res
	}
	r.all(ctx)
	if o.after != nil {
		o.after(r)
	}
	if err := r.target.Close(); err != nil && r.broken == nil {
		r.failure(t.Line, "TEST "+t.Name).Reason = err.Error()
	}
	return res
}

// all runs the commands. After the application has stopped with an error, only what looks at it
// goes on.
func (r *run) all(ctx context.Context) {
	for _, c := range r.test.commands {
		if r.broken != nil && !c.expects() {
			r.failure(c.line, r.text(c)).Reason = "the application has stopped: " + r.broken.Error()
			return
		}
		var err error
		if c.expects() {
			err = r.expect(ctx, c)
		} else {
			err = r.do(ctx, c)
		}
		if err == nil && !c.expects() {
			err = r.afterwards(ctx)
		}
		if err != nil {
			r.broken = err
		}
		if err := ctx.Err(); err != nil {
			r.failure(c.line, r.text(c)).Reason = err.Error()
			return
		}
	}
	if r.broken != nil && !r.expectsError() {
		c := r.test.commands[len(r.test.commands)-1]
		r.failure(c.line, r.text(c)).Reason = "the application has stopped: " + r.broken.Error()
	}
}

func (r *run) expectsError() bool {
	for _, c := range r.test.commands {
		if c.kind == expectError {
			return true
		}
	}
	return false
}

// text is the first line of a command, as written.
func (r *run) text(c *command) string { return r.test.file.Text[c.at.Start:c.at.End] }

func (r *run) failure(line int, command string) *Failure {
	r.result.Failures = append(r.result.Failures, Failure{Line: line, Command: command})
	return &r.result.Failures[len(r.result.Failures)-1]
}

// do does what is not an expectation.
func (r *run) do(ctx context.Context, c *command) error {
	switch c.kind {
	case insert:
		return r.insert(ctx, c)
	case advance:
		return r.advance(ctx, c)
	case endInput:
		return r.target.End(ctx)
	}
	return r.target.Fault(ctx, c)
}

// afterwards lets happen what the circumstances say, after every command.
func (r *run) afterwards(ctx context.Context) error {
	c := &command{}
	switch r.around.After {
	case "":
		return nil
	case "restart":
		c.kind = restart
	case "lose":
		c.kind = loseStore
	case "rebalance":
		c.kind = rebalance
	case "crash route":
		c.kind, c.beforeCommit = crash, true
	case "crash fold":
		c.kind, c.beforeCommit, c.ofFold = crash, true, true
	case "crash after":
		c.kind, c.ofFold = crash, true
	}
	return r.target.Fault(ctx, c)
}

// insert appends the records of an INSERT. Where the circumstances spread them, they are dealt in
// turn over the partitions.
func (r *run) insert(ctx context.Context, c *command) error {
	s := streamOf(r.plan, c.name)
	for _, in := range c.records {
		rec := format.Record{Time: -1, Value: in.value}
		if in.null {
			rec.Value = nil
		}
		switch {
		case in.hasTime:
			rec.Time = in.time / row.Millisecond
		case c.hasTime:
			rec.Time = c.at0 / row.Millisecond
		}
		if rec.Key = c.key; in.hasKey {
			rec.Key = in.key
		}
		n := max(0, c.partition, in.partition)
		if len(r.log[s.Name]) > max(1, r.test.settings.partitions[s.Name]) && c.partition < 0 && in.partition < 0 {
			n = r.dealt[s.Name] % len(r.log[s.Name])
			r.dealt[s.Name]++
		}
		rec.Offset = int64(len(r.log[s.Name][n]))
		r.log[s.Name][n] = append(r.log[s.Name][n], rec)
		if err := r.target.Insert(ctx, s.Name, n, rec); err != nil {
			return err
		}
	}
	return nil
}

// advance moves clocks: of all streams or of one, of all partitions or of one.
func (r *run) advance(ctx context.Context, c *command) error {
	if err := r.target.Settle(ctx); err != nil {
		return err
	}
	for _, s := range r.plan.Streams {
		if c.name != "" && streamOf(r.plan, c.name) != s {
			continue
		}
		to := c.at0
		if !c.hasTime {
			st, err := r.target.State(ctx)
			if err != nil {
				return err
			}
			high, some := st.clock(s.Name)
			if !some {
				continue
			}
			to = high + c.by.Microseconds()
		}
		for n := range r.log[s.Name] {
			if c.partition >= 0 && n != c.partition {
				continue
			}
			if err := r.target.Advance(ctx, s.Name, n, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// expect looks at something, and compares it with what is written.
func (r *run) expect(ctx context.Context, c *command) error {
	if r.broken == nil {
		r.broken = r.target.Settle(ctx)
	}
	if c.kind == expectError {
		r.expectError(c)
		return nil
	}
	if r.broken != nil {
		r.failure(c.line, r.text(c)).Reason = "the application has stopped: " + r.broken.Error()
		return nil
	}
	st, err := r.target.State(ctx)
	if err != nil {
		return err
	}
	got, err := r.look(st, c)
	if err != nil {
		r.failure(c.line, r.text(c)).Reason = err.Error()
		return nil
	}
	if r.judge {
		r.ask(ctx, c, got)
	}
	r.compare(st, c, got)
	r.take(c, st)
	return nil
}

// expectError compares the error that stopped the application.
func (r *run) expectError(c *command) {
	text := "no error"
	if r.broken != nil {
		text = r.broken.Error()
	}
	got := &table{header: []string{"error"}, rows: [][]string{{text}}}
	r.result.got[c] = got
	want := &table{header: []string{"error"}}
	for _, l := range c.body {
		want.rows = append(want.rows, []string{syntaxTrim(l)})
	}
	if !want.equal(got) {
		f := r.failure(c.line, r.text(c))
		f.Diff, f.want, f.got = sideBySide(want, got), want, got
	}
}

func syntaxTrim(l line) string {
	s := l.span()
	return l.text[s.Start-l.start : s.End-l.start]
}

// compare compares a table with what a command expects, in the columns that it names.
func (r *run) compare(st *state, c *command, got *looked) {
	want := c.want
	names := got.columns
	if want != nil && len(want.header) > 0 {
		names = want.header
	}
	shown := got.table.columns(names)
	r.result.got[c] = shown
	if want == nil {
		want = &table{header: names}
	}
	want = want.normal(r.test.settings.day)
	if len(want.header) == 0 {
		want = &table{header: names, rows: want.rows}
	}
	if r.spread() {
		for _, name := range []string{"partition", "offset", offsetsColumn, valueColumn} {
			if c.kind == expectRejected && name == valueColumn {
				continue
			}
			want, shown = want.without(name), shown.without(name)
		}
		if c.kind == expectRejected {
			want, shown = want.sorted(), shown.sorted()
		}
	}
	if want.equal(shown) {
		return
	}
	f := r.failure(c.line, r.text(c))
	f.Diff, f.want, f.got = sideBySide(want, shown), want, shown
	f.Notes = r.notes(st, c)
}

// spread tells whether the rows stand in other partitions than the test says.
func (r *run) spread() bool { return r.around.Spread > 1 && r.test.settings.anyPartitions }

// normal writes times on the day of the test without their date, as what was got has them.
func (t *table) normal(day string) *table {
	if day == "" {
		return t
	}
	out := &table{header: t.header}
	for _, r := range t.rows {
		cells := append([]string(nil), r...)
		for i, c := range cells {
			if clock, ok := strings.CutPrefix(c, day+" "); ok && strings.Trim(clock, "0123456789:.") == "" {
				cells[i] = clock
			}
		}
		out.rows = append(out.rows, cells)
	}
	return out
}

// place is where a failure stands, for a person to open.
func (t *Test) place(line int) string { return fmt.Sprintf("%s:%d", t.file.Path, line) }
