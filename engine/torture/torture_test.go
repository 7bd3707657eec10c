package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/engine/audit"
	"penstock/query/plan"
	"penstock/query/syntax"
)

// schedule is how often each thing happens in a round, in an order that is drawn.
//
//	kill    kill -9 of a process, which starts again; one in eight with an empty state directory
//	zombie  SIGSTOP past the session timeout, then SIGCONT
//	join    a process more, and after a while one less by SIGTERM
//	broker  kill -9 of the only broker, or of one of three, which comes back within seconds; every other one ends by SIGTERM
//	freeze  SIGSTOP of a broker, for three seconds or more, then SIGCONT
//	cut     all connections to the brokers are cut, several times within a second
//	slow    everything to and from the brokers comes late for some seconds, and is cut then
//	silent  all connections to the brokers are half open from now on, every other time new ones too for some seconds
type schedule struct {
	faults map[string]int
	rate   int           // orders a second
	pause  time.Duration // between two faults, about
	frozen time.Duration // a broker at most
}

// tablePartitions is --fold-partitions.
const tablePartitions = 4

// leastFrozen is how long a broker is frozen at least: longer than clients wait between two tries.
const leastFrozen = 3 * time.Second

// slice is what a test run does: about 30 seconds on each Kafka.
var slice = schedule{map[string]int{"kill": 5, "zombie": 1, "join": 1, "broker": 1, "freeze": 1, "cut": 2, "slow": 1, "silent": 1}, 5_000, 700 * time.Millisecond, 5 * time.Second}

// withFlags is a schedule as the flags want it.
func (s schedule) withFlags(t *testing.T) schedule {
	if *loadRate > 0 {
		s.rate = *loadRate
	}
	if *faults == "" {
		return s
	}
	s.faults = map[string]int{}
	for _, f := range strings.Split(*faults, ",") {
		what, n, _ := strings.Cut(f, "=")
		count, err := strconv.Atoi(n)
		if err != nil || count < 0 {
			t.Fatalf("-torture.faults: %q", f)
		}
		s.faults[what] = count
	}
	return s
}

// TestTorture is the slice.
func TestTorture(t *testing.T) {
	if *full {
		t.Log("the slice is part of TestTortureFull")
		return
	}
	onKafkas(t, func(t *testing.T, k aKafka) { torture(t, k, slice.withFlags(t), seed(t)) })
}

// TestTortureFull is 100 kills, 20 zombies, 20 joins and leaves, 20 brokers killed or ended and 10 frozen on each
// Kafka, in ten rounds, each of which is a new application and ends with an audit: the audit keeps
// every row in memory.
func TestTortureFull(t *testing.T) {
	if !*full {
		t.Log("only with -torture.full (make torture)")
		return
	}
	s := schedule{map[string]int{"kill": 10, "zombie": 2, "join": 2, "broker": 2, "freeze": 1, "cut": 4, "slow": 2, "silent": 1}, 50_000, time.Second, 12 * time.Second}.withFlags(t)
	n := 10
	if *rounds > 0 {
		n = *rounds
	}
	onKafkas(t, func(t *testing.T, k aKafka) {
		for i := range n {
			t.Run(fmt.Sprint(i+1), func(t *testing.T) { torture(t, k, s, seed(t)) })
		}
	})
}

// run is one round: an application, its processes, and what happens to them.
type run struct {
	t       *testing.T
	ctx     context.Context
	kafka   aKafka
	rnd     *rand.Rand
	app     string
	file    string
	dir     string
	plan    *plan.Plan
	members []*process
	started int
	session time.Duration
	frozen  time.Duration // a broker at most
	unheard time.Time     // when a broker last did not answer, or connections became half open
	faults  []string
}

func newRun(t *testing.T, k aKafka, s uint64, limit time.Duration) *run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	r := &run{t: t, ctx: ctx, kafka: k, rnd: rand.New(rand.NewPCG(s, 1)), dir: workDir(t), session: 3 * time.Second}
	r.app = fmt.Sprintf("torture%d", r.rnd.IntN(1_000_000))
	r.file = filepath.Join(r.dir, "torture.sql")
	text := fmt.Sprintf(query, r.app)
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, diags := plan.Bind(r.file, text)
	if syntax.HasErrors(diags) {
		t.Fatal(syntax.Render(r.file, text, diags))
	}
	r.plan = p
	return r
}

// member makes a process of the application, with a state directory of its own.
func (r *run) member(extra ...string) *process {
	r.started++
	name := fmt.Sprintf("p%d", r.started)
	return r.memberIn(name, filepath.Join(r.dir, name), extra...)
}

func (r *run) memberIn(name, dir string, extra ...string) *process {
	args := append([]string{"run", r.file, "--brokers", r.kafka.addr(), "--app", r.app, "--state-dir", dir, "--fold-partitions", strconv.Itoa(tablePartitions),
		"--session-timeout", r.session.String(), "--memory", "256MiB", "--kafka-timeout", "60s"}, extra...)
	p := newProcess(penstock(r.t), name, dir, args...)
	p.clean(r.t)
	return p
}

func (r *run) start(p *process) {
	r.t.Helper()
	if err := p.start(); err != nil {
		r.t.Fatal(err)
	}
}

func torture(t *testing.T, k aKafka, s schedule, seedOf uint64) {
	r := newRun(t, k, seedOf, 20*time.Minute)
	r.frozen = s.frozen
	l := startLoad(t, k.addr(), r.app, s.rate, r.rnd)
	for range 2 {
		r.members = append(r.members, r.member())
		r.start(r.members[len(r.members)-1])
	}
	r.schedule(s)
	for _, f := range r.faults {
		if r.ctx.Err() != nil {
			t.Fatal("out of time")
		}
		_ = wait(r.ctx, time.Duration(r.rnd.Int64N(int64(2*s.pause))))
		r.revive()
		r.do(f)
	}
	sent, perSecond, err := l.stop(r.ctx)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d faults, %d records, %.0f a second", len(r.faults), sent, perSecond)
	r.finish()
	r.audit()
}

// schedule draws the order of the faults.
func (r *run) schedule(s schedule) {
	for what, n := range s.faults {
		for range n {
			r.faults = append(r.faults, what)
		}
	}
	// A map has no order; the draw must.
	slices.Sort(r.faults)
	r.rnd.Shuffle(len(r.faults), func(i, j int) { r.faults[i], r.faults[j] = r.faults[j], r.faults[i] })
}

// revive reports processes that ended by themselves, and starts them again.
func (r *run) revive() {
	for _, p := range r.members {
		if !p.running() {
			r.t.Errorf("%s ended by itself: %v\n%s", p.name, p.err, p.tail())
			r.start(p)
		}
	}
}

func (r *run) do(fault string) {
	p := r.members[r.rnd.IntN(len(r.members))]
	switch fault {
	case "kill":
		r.kill(p)
	case "zombie":
		p.pause()
		_ = wait(r.ctx, r.session+time.Duration(r.rnd.Int64N(int64(3*time.Second))))
		p.resume()
	case "join":
		r.join()
	case "broker":
		r.broker(r.rnd.IntN(2) == 0)
	case "freeze":
		r.freeze(leastFrozen + time.Duration(r.rnd.Int64N(int64(r.frozen-leastFrozen))))
	case "cut":
		for range 1 + r.rnd.IntN(4) {
			r.cut()
			_ = wait(r.ctx, time.Duration(r.rnd.Int64N(int64(300*time.Millisecond))))
		}
	case "slow":
		r.slow(time.Duration(20+r.rnd.IntN(200)) * time.Millisecond)
		_ = wait(r.ctx, time.Second+time.Duration(r.rnd.Int64N(int64(3*time.Second))))
		r.cut()
		r.slow(0)
	case "silent":
		r.silence(r.rnd.IntN(2) == 0)
	default:
		r.t.Fatalf("no fault %q", fault)
	}
}

// broker takes a broker away for some seconds: as an operator would, or by kill -9.
func (r *run) broker(orderly bool) {
	away := r.kafka.kill
	if orderly {
		away = r.kafka.end
	}
	if err := away(r.ctx); err != nil {
		r.t.Error(err)
	}
	_ = wait(r.ctx, time.Duration(r.rnd.Int64N(int64(3*time.Second))))
	if err := r.kafka.restart(r.ctx); err != nil {
		r.t.Fatal(err)
	}
	r.unheard = time.Now()
}

// freeze stops a broker for a while: its connections stay open, and new ones are taken and not answered.
func (r *run) freeze(d time.Duration) {
	if err := r.kafka.freeze(); err != nil {
		r.t.Error(err)
	}
	_ = wait(r.ctx, d)
	if err := r.kafka.thaw(); err != nil {
		r.t.Fatal(err)
	}
	r.unheard = time.Now()
}

func (r *run) cut() {
	for _, p := range r.kafka.proxies() {
		p.cut()
	}
}

func (r *run) slow(d time.Duration) {
	for _, p := range r.kafka.proxies() {
		p.slow(d)
	}
}

// silence leaves all connections half open. With deaf the brokers cannot be reached for some seconds
// either, without anybody being told.
func (r *run) silence(deaf bool) {
	defer func() { r.unheard = time.Now() }()
	for _, p := range r.kafka.proxies() {
		p.silence(deaf)
	}
	if !deaf {
		return
	}
	_ = wait(r.ctx, time.Second+time.Duration(r.rnd.Int64N(int64(4*time.Second))))
	for _, p := range r.kafka.proxies() {
		p.hear()
	}
}

func (r *run) kill(p *process) {
	p.kill()
	if r.rnd.IntN(8) == 0 {
		if err := os.RemoveAll(p.dir); err != nil {
			r.t.Error(err)
		}
	}
	_ = wait(r.ctx, time.Duration(r.rnd.Int64N(int64(500*time.Millisecond))))
	r.start(p)
}

// deafFor is how long after a broker did not answer a process may still be waiting for it on a connection
// that is dead and has not been given up.
const deafFor = 15 * time.Second

// join adds a process, lets it work for a while, and ends one of all of them, which has 5 s; 10 s as long as
// it may take the broker for dead.
func (r *run) join() {
	p := r.member()
	r.start(p)
	r.members = append(r.members, p)
	_ = wait(r.ctx, 2*time.Second+time.Duration(r.rnd.Int64N(int64(3*time.Second))))
	i := r.rnd.IntN(len(r.members))
	leaver := r.members[i]
	r.members = append(r.members[:i:i], r.members[i+1:]...)
	limit := 5 * time.Second
	if time.Since(r.unheard) < deafFor {
		limit = 10 * time.Second
	}
	if took, err := leaver.end(r.ctx, 10*time.Second); err != nil {
		r.t.Error(err)
	} else if took > limit {
		r.t.Errorf("%s took %s to end, of at most %s", leaver.name, took, limit)
	}
}

// finish stops the processes and lets two of them catch up.
func (r *run) finish() {
	for _, p := range r.members {
		if !p.running() {
			r.t.Errorf("%s ended by itself: %v\n%s", p.name, p.err, p.tail())
			continue
		}
		if _, err := p.end(r.ctx, 20*time.Second); err != nil {
			r.t.Error(err)
		}
	}
	began := time.Now()
	var last []*process
	for i, p := range r.members {
		if i < 2 {
			q := r.memberIn(p.name, p.dir, "--exit-when-caught-up")
			r.start(q)
			last = append(last, q)
		}
	}
	for _, p := range last {
		if err := p.ended(r.ctx, 3*time.Minute); err != nil {
			r.t.Errorf("catching up: %v", err)
		}
	}
	r.t.Logf("caught up in %s", time.Since(began).Round(time.Millisecond))
}

// audit compares everything.
func (r *run) audit() {
	began := time.Now()
	report := r.audited()
	var text strings.Builder
	for _, m := range report.Metrics {
		fmt.Fprintf(&text, "%s: %d intervals, %d equal, %d different, %d missing, %d duplicated, %d unexpected, %d pending\n",
			m.Metric, m.Compared, m.Equal, m.Different, m.Missing, m.Duplicated, m.Unexpected, m.Pending)
		for _, d := range m.Examples {
			fmt.Fprintf(&text, "  %+v\n", d)
		}
	}
	for _, m := range report.Tables {
		fmt.Fprintf(&text, "%s: %d rows, %d equal, %d missing, %d unexpected %s\n", m.Table, m.Rows, m.Equal, m.Missing, m.Extra, m.Why)
		for _, d := range m.Examples {
			fmt.Fprintf(&text, "  %+v\n", d)
		}
	}
	if x := report.Rejects; x != nil {
		fmt.Fprintf(&text, "rejects: %d, %d equal, %d missing, %d duplicated, %d unexpected, %d different %s\n",
			x.Rows, x.Equal, x.Missing, x.Duplicated, x.Unexpected, x.Different, x.Why)
		for _, d := range x.Examples {
			fmt.Fprintf(&text, "  %+v\n", d)
		}
	}
	var records int64
	for _, s := range report.Sources {
		records += s.Records
		if s.Account != "" {
			fmt.Fprintf(&text, "account of %s/%d: %s\n", s.Stream, s.Partition, s.Account)
		}
	}
	r.t.Logf("audit of %d records in %s\n%s", records, time.Since(began).Round(time.Millisecond), text.String())
	if err := verdict(report); err != nil {
		r.t.Error(err)
	}
}

func (r *run) audited() *audit.Report {
	r.t.Helper()
	report, err := audit.Run(r.ctx, client(r.t, r.kafka.addr()), audit.Options{Plan: r.plan, App: r.app, Tables: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// verdict is an error unless everything was compared and is equal.
func verdict(report *audit.Report) error {
	var errs []error
	if n := report.Wrong(); n > 0 {
		errs = append(errs, fmt.Errorf("%d differences", n))
	}
	if !report.Settled {
		errs = append(errs, fmt.Errorf("results are still on their way: %v", report.Notes))
	}
	for _, m := range report.Metrics {
		if m.Compared == 0 || m.Pending > 0 || m.Why != "" {
			errs = append(errs, fmt.Errorf("metric %s was not compared as a whole: %+v", m.Metric, m))
		}
	}
	for _, table := range report.Tables {
		if table.Why != "" {
			errs = append(errs, fmt.Errorf("table %s was not compared: %s", table.Table, table.Why))
		}
	}
	if report.Rejects == nil || report.Rejects.Why != "" {
		errs = append(errs, errors.New("rejected rows were not compared"))
	}
	return errors.Join(errs...)
}
