package reference

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"

	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// State is what an evaluator has to remember to go on behind the results that it has published: for
// tables without a window what their groups add up to, for others the rows that a later result can
// still show. It is for JSON; numbers that JSON cannot hold are text or bytes.
type State struct {
	Streams []StreamState `json:"streams"`
	// Published counts the results of each metric so far.
	Published map[string]int64 `json:"published"`
	// Past are the last values, by metric, of EMIT CHANGES over windows that are over.
	Past map[string][]PastChange `json:"past,omitempty"`
}

// PastChange is the last value of one key.
type PastChange struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// StreamState is a stream.
type StreamState struct {
	Name string `json:"name"`
	// Low is the lowest clock: the results up to there are published.
	Low        int64            `json:"low"`
	Partitions []PartitionState `json:"partitions"`
	Tables     []TableState     `json:"tables"`
}

// PartitionState is a source partition: how far it was read, and the moves of its clock that later
// results can still quote.
type PartitionState struct {
	Number  int32      `json:"number"`
	Next    int64      `json:"next"`
	Steps   [][2]int64 `json:"steps"` // clock, offset
	Follows bool       `json:"follows,omitempty"`
	Tally   Tally      `json:"tally"`
}

// TableState is a table.
type TableState struct {
	Name string     `json:"name"`
	Keys [][]byte   `json:"keys"`
	Rows []rowState `json:"rows,omitempty"`
	Base []base     `json:"base,omitempty"`
}

type rowState struct {
	Partition int32  `json:"p"`
	Offset    int64  `json:"o"`
	Time      int64  `json:"t"`
	Enter     int64  `json:"e"`
	Key       int    `json:"k"`
	Args      []byte `json:"a"`
}

// base is what the rows of a group add up to that were applied before a state was written.
type base struct {
	Key  int        `json:"key"`
	Rows int        `json:"rows"`
	Sums []sumState `json:"sums"`
}

// State returns what there is to remember now. The evaluator can go on.
func (e *Evaluator) State() *State {
	st := &State{Published: map[string]int64{}, Past: map[string][]PastChange{}}
	for _, s := range e.streams {
		low := s.lowest()
		x := StreamState{Name: s.plan.Name, Low: low}
		for _, n := range s.numbers() {
			x.Partitions = append(x.Partitions, s.partitions[n].state(n, low))
		}
		for _, t := range s.tables {
			x.Tables = append(x.Tables, t.state(low))
		}
		st.Streams = append(st.Streams, x)
	}
	for _, m := range e.plan.Metrics {
		t := e.table(m.Read.Table)
		switch {
		case t == nil:
		case m.Emit != plan.EmitChanges:
			st.Published[m.Name] = e.published[m.Name] + int64(len(e.results(m, t)))
		case t.bucket:
			low := e.streamOf(t).lowest()
			for _, o := range e.changes(m, t) {
				if o.past || o.Result.End <= low {
					st.Past[m.Name] = append(st.Past[m.Name], PastChange{o.Key, o.Value})
				}
			}
		}
	}
	return st
}

// Published is how many results of a metric came before those that Results returns.
func (e *Evaluator) Published(metric string) int64 { return e.published[metric] }

// Since is the time up to which results of a stream came before those that Results returns.
func (e *Evaluator) Since(stream string) (us int64, ok bool) {
	s, err := e.stream(stream)
	return s.resume, err == nil && s.resume != noTime
}

// Restore makes an evaluator that goes on from a state of the same plan.
func Restore(p *plan.Plan, st *State) (*Evaluator, error) {
	e, err := New(p, Options{})
	if err != nil {
		return nil, err
	}
	if len(st.Streams) != len(e.streams) {
		return nil, errState
	}
	for i, s := range e.streams {
		if err := s.restore(&st.Streams[i]); err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.plan.Name, err)
		}
	}
	e.published, e.past = maps.Clone(st.Published), map[string][]Output{}
	for metric, list := range st.Past {
		for _, c := range list {
			e.past[metric] = append(e.past[metric], Output{Metric: metric, Key: c.Key, Value: c.Value, past: true})
		}
	}
	return e, nil
}

var errState = errors.New("this state is of another plan")

func (s *stream) restore(x *StreamState) error {
	if x.Name != s.plan.Name || len(x.Tables) != len(s.tables) {
		return errState
	}
	s.resume = x.Low
	for _, ps := range x.Partitions {
		p := s.partition(ps.Number)
		p.next, p.follows, p.tally = ps.Next, ps.Follows, ps.Tally
		if p.tally.Tables == nil {
			p.tally.Tables = map[string]TableTally{}
		}
		p.tally.Tables = maps.Clone(p.tally.Tables)
		for _, st := range ps.Steps {
			p.steps = append(p.steps, step{st[0], st[1]})
		}
	}
	for i, t := range s.tables {
		if err := t.restore(&x.Tables[i]); err != nil {
			return fmt.Errorf("table %s: %w", t.plan.Name, err)
		}
	}
	return nil
}

// state keeps the steps that results later than low can quote, and one before them for the clock.
func (p *partition) state(number int32, low int64) PartitionState {
	x := PartitionState{Number: number, Next: p.next, Follows: p.follows, Tally: p.tally}
	for i, st := range p.steps {
		if next := i + 1; low == noTime || st.clock > low || next == len(p.steps) || p.steps[next].clock > low {
			x.Steps = append(x.Steps, [2]int64{st.clock, st.offset})
		}
	}
	return x
}

// outlived tells whether no result later than low, and no reader, sees the row by itself.
func (t *table) outlived(r *applied, low int64) bool {
	if low == noTime {
		return false
	}
	last, ends := t.lastWindowEnd(r.time)
	if !ends {
		return r.enter <= low
	}
	return last <= low-t.plan.Pane.Microseconds()
}

func (t *table) state(low int64) TableState {
	x := TableState{Name: t.plan.Name}
	for _, k := range t.keys {
		x.Keys = append(x.Keys, encodeRow(k.values, t.keyTypes()))
	}
	w := t.before()
	for i := range t.rows {
		r := &t.rows[i]
		switch {
		case !t.outlived(r, low):
			x.Rows = append(x.Rows, rowState{r.partition, r.offset, r.time, r.enter, r.key, encodeRow(r.args, t.argTypes())})
		case t.plan.Window.Kind == plan.NoWindow:
			w.add(t, r)
		}
	}
	for _, g := range w.list {
		b := base{Key: g.key, Rows: g.rows}
		for i, s := range g.sums {
			b.Sums = append(b.Sums, stateOf(s, t.plan.Aggs[i]))
		}
		x.Base = append(x.Base, b)
	}
	return x
}

// before is the one window of a table without one, with what was applied before the state that
// the evaluator goes on from.
func (t *table) before() *window {
	w := newWindow(0, math.MaxInt64)
	for i := range t.base {
		b := &t.base[i]
		g := newGroup(t, b.Key)
		for n := range g.sums {
			g.sums[n] = b.Sums[n].sum(t.plan.Aggs[n])
		}
		g.rows, g.place = b.Rows, len(w.list)
		w.groups[b.Key] = g
		w.list = append(w.list, g)
	}
	return w
}

func (t *table) restore(x *TableState) error {
	if x.Name != t.plan.Name {
		return errState
	}
	for i, k := range x.Keys {
		values, err := decodeRow(k, t.keyTypes())
		if err != nil {
			return err
		}
		if t.key(values) != i {
			return errors.New("a key is there twice")
		}
	}
	for _, r := range x.Rows {
		args, err := decodeRow(r.Args, t.argTypes())
		if err != nil || r.Key < 0 || r.Key >= len(t.keys) {
			return errors.Join(errState, err)
		}
		t.rows = append(t.rows, applied{partition: r.Partition, offset: r.Offset, time: r.Time, enter: r.Enter, key: r.Key, args: args})
	}
	for i := range x.Base {
		if b := &x.Base[i]; b.Key < 0 || b.Key >= len(t.keys) || len(b.Sums) != len(t.plan.Aggs) {
			return errState
		}
	}
	t.base = x.Base
	return nil
}

func (t *table) keyTypes() (types []row.Type) {
	for _, k := range t.plan.Keys {
		types = append(types, k.Expr.Type())
	}
	return types
}

// argTypes are the types of what aggregates take; COUNT(*) takes a 1.
func (t *table) argTypes() (types []row.Type) {
	for _, a := range t.plan.Aggs {
		types = append(types, argType(a))
	}
	return types
}

func argType(a *expr.Aggregate) row.Type {
	if a.Arg == nil {
		return row.Of(row.Bigint)
	}
	return a.Arg.Type()
}

func encodeRow(values []row.Value, types []row.Type) []byte {
	b := []byte{}
	for i, v := range values {
		b = row.AppendValue(b, v, types[i])
	}
	return b
}

func decodeRow(b []byte, types []row.Type) ([]row.Value, error) {
	values := make([]row.Value, len(types))
	var err error
	for i, t := range types {
		if values[i], b, err = row.DecodeValue(b, t); err != nil {
			return nil, err
		}
	}
	if len(b) > 0 {
		return nil, errState
	}
	return values, nil
}

// sumState is an aggregate: of its fields those that its kind has.
type sumState struct {
	N     int64       `json:"n,omitempty"`
	NaN   int64       `json:"nan,omitempty"`
	Plus  int64       `json:"plus,omitempty"`
	Minus int64       `json:"minus,omitempty"`
	Sum   *big.Int    `json:"sum,omitempty"`
	Best  []byte      `json:"best,omitempty"` // of MIN, MAX, FIRST and LAST, with its time
	Time  int64       `json:"time,omitempty"`
	Set   []seenState `json:"set,omitempty"` // of DISTINCT
	Over  *sumState   `json:"over,omitempty"`
}

type seenState struct {
	Value []byte `json:"value"`
	Times int    `json:"times"`
}

func stateOf(s sum, a *expr.Aggregate) sumState {
	switch s := s.(type) {
	case *countSum:
		return sumState{N: s.n}
	case *exactSum:
		return sumState{N: s.n, Sum: new(big.Int).Set(&s.sum)}
	case *doubleSum:
		return sumState{N: s.n, NaN: s.nan, Plus: s.plus, Minus: s.minus, Sum: new(big.Int).Set(&s.sum)}
	case *distinctSum:
		over := stateOf(s.over, a)
		x := sumState{Over: &over}
		for _, k := range slices.Sorted(maps.Keys(s.times)) {
			x.Set = append(x.Set, seenState{[]byte(k), s.times[k]})
		}
		return x
	case *pick:
		if s.best == nil {
			return sumState{}
		}
		return sumState{Best: row.AppendValue(nil, s.best.v, argType(a)), Time: s.best.time}
	}
	panic("an aggregate that no state knows")
}

// sum makes the aggregate again.
func (x *sumState) sum(a *expr.Aggregate) sum {
	made := newSum(a, false)
	x.fill(made, a)
	return made
}

func (x *sumState) fill(to sum, a *expr.Aggregate) {
	switch s := to.(type) {
	case *countSum:
		s.n = x.N
	case *exactSum:
		s.n = x.N
		if x.Sum != nil {
			s.sum.Set(x.Sum)
		}
	case *doubleSum:
		s.n, s.nan, s.plus, s.minus = x.N, x.NaN, x.Plus, x.Minus
		if x.Sum != nil {
			s.sum.Set(x.Sum)
		}
	case *distinctSum:
		for _, seen := range x.Set {
			s.times[string(seen.Value)] = seen.Times
		}
		if x.Over != nil {
			x.Over.fill(s.over, a)
		}
	case *pick:
		if v, _, err := row.DecodeValue(x.Best, argType(a)); err == nil {
			s.best = &held{v, x.Time, 1}
		}
	}
}
