package reference

import (
	"math"
	"math/big"

	"penstock/query/expr"
	"penstock/query/row"
)

// sum is one aggregate of one group: what its values add up to. NULL is no value; add and remove
// are never called with one.
type sum interface {
	add(v row.Value, time int64)
	remove(v row.Value, time int64) // one that was added
	value() row.Value
}

// newSum returns an aggregate over nothing. leaves tells whether values will be removed.
func newSum(a *expr.Aggregate, leaves bool) sum {
	if a.Distinct {
		plain := *a
		plain.Distinct = false
		return &distinctSum{typ: a.Arg.Type(), times: map[string]int{}, over: newSum(&plain, leaves)}
	}
	switch a.Name {
	case "COUNT":
		return &countSum{}
	case "SUM", "AVG":
		if a.Type.Kind == row.Double {
			return &doubleSum{avg: a.Name == "AVG"}
		}
		return &exactSum{typ: a.Type, arg: a.Arg.Type(), avg: a.Name == "AVG"}
	}
	p := &pick{name: a.Name, typ: a.Arg.Type()}
	if leaves {
		p.all = map[string]*held{}
	}
	return p
}

// countSum is COUNT.
type countSum struct{ n int64 }

func (s *countSum) add(row.Value, int64)    { s.n++ }
func (s *countSum) remove(row.Value, int64) { s.n-- }
func (s *countSum) value() row.Value        { return row.Int(s.n) }

// exactSum is SUM and AVG of whole numbers and decimals.
type exactSum struct {
	typ, arg row.Type // of the result and of what is added
	avg      bool
	n        int64
	sum      big.Int // in units of the argument's scale
}

func (s *exactSum) units(v row.Value) *big.Int {
	if s.arg.Physical() == row.Dec {
		return bigOf(v.D)
	}
	return big.NewInt(v.I)
}

func (s *exactSum) add(v row.Value, _ int64) {
	s.n++
	s.sum.Add(&s.sum, s.units(v))
}

func (s *exactSum) remove(v row.Value, _ int64) {
	s.n--
	s.sum.Sub(&s.sum, s.units(v))
}

func (s *exactSum) value() row.Value {
	if s.n == 0 {
		return row.NullValue
	}
	result, what := &s.sum, "sum"
	if s.avg {
		scaled := new(big.Int).Mul(&s.sum, power10(int(s.typ.Scale)-int(s.arg.Scale)))
		result, what = divideRound(scaled, s.n), "average"
	}
	if new(big.Int).Abs(result).Cmp(power10(row.MaxPrecision)) >= 0 {
		return row.Value{State: row.Error, S: what + " does not fit " + s.typ.String()}
	}
	return row.Dec128(int128Of(result))
}

func power10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// divideRound is x / n, rounded half away from zero.
func divideRound(x *big.Int, n int64) *big.Int {
	quo, rem := new(big.Int).QuoRem(x, big.NewInt(n), new(big.Int))
	if rem.Lsh(rem.Abs(rem), 1).Cmp(big.NewInt(n)) >= 0 {
		quo.Add(quo, big.NewInt(int64(x.Sign())))
	}
	return quo
}

// bigOf and int128Of convert between the two forms of a whole number.
func bigOf(d row.Int128) *big.Int {
	x := new(big.Int).Lsh(big.NewInt(d.Hi), 64)
	return x.Add(x, new(big.Int).SetUint64(d.Lo))
}

func int128Of(x *big.Int) row.Int128 {
	hi := new(big.Int).Rsh(x, 64) // towards minus infinity
	return row.Int128{Hi: hi.Int64(), Lo: new(big.Int).Sub(x, new(big.Int).Lsh(hi, 64)).Uint64()}
}

// doubleSum is SUM and AVG of DOUBLE PRECISION. A finite double is a whole multiple of 2^-1074, so
// the sum of those is a whole number.
type doubleSum struct {
	avg                 bool
	n, nan, plus, minus int64
	sum                 big.Int // of the finite ones, in units of 2^-1074
}

func (s *doubleSum) count(f float64, by int64) {
	s.n += by
	switch {
	case math.IsNaN(f):
		s.nan += by
	case math.IsInf(f, 1):
		s.plus += by
	case math.IsInf(f, -1):
		s.minus += by
	default:
		fraction, exp := math.Frexp(f) // |fraction| < 1
		units := big.NewInt(int64(math.Ldexp(fraction, 53)))
		if shift := exp - 53 + 1074; shift >= 0 {
			units.Lsh(units, uint(shift))
		} else {
			units.Quo(units, new(big.Int).Lsh(big.NewInt(1), uint(-shift))) // the bits below are 0
		}
		s.sum.Add(&s.sum, units.Mul(units, big.NewInt(by)))
	}
}

func (s *doubleSum) add(v row.Value, _ int64)    { s.count(v.F, 1) }
func (s *doubleSum) remove(v row.Value, _ int64) { s.count(v.F, -1) }

func (s *doubleSum) value() row.Value {
	switch {
	case s.n == 0:
		return row.NullValue
	case s.nan > 0 || s.plus > 0 && s.minus > 0:
		return row.Float(math.NaN())
	case s.plus > 0:
		return row.Float(math.Inf(1))
	case s.minus > 0:
		return row.Float(math.Inf(-1))
	}
	by, what := int64(1), "sum"
	if s.avg {
		by, what = s.n, "average"
	}
	unit := new(big.Int).Lsh(big.NewInt(by), 1074)
	f, _ := new(big.Rat).SetFrac(&s.sum, unit).Float64() // the nearest, ties to even
	if math.IsInf(f, 0) {
		return row.Value{State: row.Error, S: what + " does not fit DOUBLE PRECISION"}
	}
	return row.Float(f)
}

// distinctSum is an aggregate over the set of values.
type distinctSum struct {
	typ   row.Type
	times map[string]int // how often a value is there
	over  sum
}

func (s *distinctSum) add(v row.Value, time int64) {
	k := string(row.AppendKey(nil, v, s.typ))
	if s.times[k]++; s.times[k] == 1 {
		s.over.add(v, time)
	}
}

func (s *distinctSum) remove(v row.Value, time int64) {
	k := string(row.AppendKey(nil, v, s.typ))
	if s.times[k]--; s.times[k] == 0 {
		delete(s.times, k)
		s.over.remove(v, time)
	}
}

func (s *distinctSum) value() row.Value { return s.over.value() }

// pick is MIN, MAX, FIRST and LAST: one of the values.
type pick struct {
	name string
	typ  row.Type
	best *held // nil: none
	// all holds every value when they can leave; nil otherwise.
	all   map[string]*held
	stale bool // best has left
}

// held is a value with its row's time, and how often they are there.
type held struct {
	v     row.Value
	time  int64
	times int
}

func (p *pick) better(a, b *held) bool {
	c := row.Compare(a.v, b.v, p.typ)
	switch p.name {
	case "MIN":
		return c < 0
	case "MAX":
		return c > 0
	case "FIRST":
		return a.time < b.time || a.time == b.time && c < 0
	}
	return a.time > b.time || a.time == b.time && c < 0
}

// add keeps apart what has another time only where time decides.
func (p *pick) id(v row.Value, time int64) string {
	if p.name == "MIN" || p.name == "MAX" {
		time = 0
	}
	return string(row.AppendKey(row.AppendKey(nil, row.Int(time), row.Of(row.Timestamp)), v, p.typ))
}

func (p *pick) add(v row.Value, time int64) {
	h := &held{v, time, 1}
	if p.all != nil {
		k := p.id(v, time)
		if known := p.all[k]; known != nil {
			known.times++
			return
		}
		p.all[k] = h
	}
	if p.best == nil || p.better(h, p.best) {
		p.best = h
	}
}

func (p *pick) remove(v row.Value, time int64) {
	k := p.id(v, time)
	h := p.all[k]
	if h.times--; h.times == 0 {
		delete(p.all, k)
		p.stale = p.stale || h == p.best
	}
}

func (p *pick) value() row.Value {
	if p.stale {
		p.best, p.stale = nil, false
		for _, h := range p.all {
			if p.best == nil || p.better(h, p.best) {
				p.best = h
			}
		}
	}
	if p.best == nil {
		return row.NullValue
	}
	return p.best.v
}
