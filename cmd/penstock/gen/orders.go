package gen

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"time"
)

// Options say what the lines look like. The zero value of a field means its default, but for
// Seed, Bad, Late and Delay, where zero is a value like any other.
type Options struct {
	Seed    uint64
	Clients int       // how many different clients there are, default 100
	Symbols int       // how many different symbols there are, default 200
	Bad     float64   // share of lines that are no orders, 0 to 1
	Start   time.Time // time of the first order, default 2016-03-22 20:25:28 UTC
	Rate    float64   // orders per second of their own time, default 1000
	// Delay is how far behind the newest order another may be: a stream with `delay` set to as
	// much has no late rows from it. Whole seconds, as the times of orders are.
	Delay time.Duration
	// Late is the share of orders that are behind by more than Delay: up to ten minutes.
	Late float64
}

// DefaultStart is the time of the first order of the book the example is taken from.
var DefaultStart = time.Date(2016, 3, 22, 20, 25, 28, 0, time.UTC)

// lateness is how far behind Delay a late order may be.
const lateness = 10 * time.Minute

func (o Options) withDefaults() Options {
	if o.Clients == 0 {
		o.Clients = 100
	}
	if o.Symbols == 0 {
		o.Symbols = 200
	}
	if o.Start.IsZero() {
		o.Start = DefaultStart
	}
	if o.Rate == 0 {
		o.Rate = 1000
	}
	return o
}

// Validate reports every problem of the options at once.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Clients > 0 && o.Clients <= 1<<31, "clients is %d, expected 1 to %d", o.Clients, 1<<31)
	check(o.Symbols > 0 && o.Symbols <= maxSymbols, "symbols is %d, expected 1 to %d", o.Symbols, maxSymbols)
	check(o.Bad >= 0 && o.Bad <= 1, "bad is %v, expected a share from 0 to 1", o.Bad)
	check(o.Late >= 0 && o.Late <= 1, "late is %v, expected a share from 0 to 1", o.Late)
	check(o.Rate > 0, "rate is %v, expected more than 0", o.Rate)
	check(o.Delay >= 0, "delay is %v, expected 0 or more", o.Delay)
	return errors.Join(errs...)
}

// Counts are what a generator has written so far.
type Counts struct {
	Orders, Bad int64 // lines that are orders, and that are not
	Buys, Sells int64 // of the orders
	Late        int64 // of the orders: those made late on purpose
}

// Generator writes lines one by one. It belongs to one goroutine.
type Generator struct {
	o       Options
	rng     rand.PCG
	clients zipf
	names   scatter // of the clients
	symbols zipf
	market  []symbol
	badAt   uint64 // a line is bad when a random number is below
	lateAt  uint64
	counts  Counts
	id      int64 // of the last line, bad ones included

	second int64 // that clock shows
	clock  [19]byte
	behind [19]byte // scratch for a time that is not the clock's
}

// New makes a generator, or reports what is wrong with the options.
func New(o Options) (*Generator, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	g := &Generator{
		o:       o,
		clients: newZipf(o.Clients),
		names:   newScatter(uint64(o.Clients)),
		symbols: newZipf(o.Symbols),
		market:  symbols(o.Symbols),
		badAt:   threshold(o.Bad),
		lateAt:  threshold(o.Late),
	}
	g.rng = *rand.NewPCG(o.Seed, 0x9e3779b97f4a7c15)
	g.second = -1 << 62
	return g, nil
}

// threshold turns a share into the bound below which a random 64-bit number falls that often.
// The product is rounded down to 53 bits, which is the same on every machine.
func threshold(share float64) uint64 {
	if share >= 1 {
		return ^uint64(0)
	}
	return uint64(share*(1<<53)) << 11
}

// Counts returns what was written so far.
func (g *Generator) Counts() Counts { return g.counts }

// Next appends the next line, without a line end, and returns dst. The line's time follows from
// Start and Rate.
func (g *Generator) Next(dst []byte) []byte {
	sinceStart := time.Duration(float64(g.id) / g.o.Rate * float64(time.Second))
	return g.NextAt(dst, g.o.Start.Add(sinceStart))
}

// NextAt is Next with a time from outside, for orders made while their clock runs.
func (g *Generator) NextAt(dst []byte, now time.Time) []byte {
	g.id++
	bad := g.badAt != 0 && g.rng.Uint64() < g.badAt
	o := g.order(now.Unix())
	if bad {
		g.counts.Bad++
		out := o // a copy may escape to the heap, once per bad line and not once per line
		return g.bad(dst, &out)
	}
	g.counts.Orders++
	if o.side == 'B' {
		g.counts.Buys++
	} else {
		g.counts.Sells++
	}
	if o.late {
		g.counts.Late++
	}
	return o.append(dst)
}

// order is one order before it is written.
type order struct {
	time   *[19]byte
	id     int64
	client int64
	symbol string
	amount int64
	cents  int64
	side   byte
	late   bool
}

func (g *Generator) order(second int64) order {
	o := order{id: g.id, time: g.shown(second)}
	if g.o.Delay >= time.Second || g.lateAt != 0 {
		o.time, o.late = g.outOfOrder(second)
	}
	o.client = g.names.of(g.clients.next(&g.rng)) + 1
	s := g.market[g.symbols.next(&g.rng)]
	r := g.rng.Uint64()
	o.symbol = s.name
	o.amount = 1 + below(r, 1000)
	// Prices lie within a tenth of the symbol's own.
	o.cents = s.cents + below(r<<20, s.cents/5+1) - s.cents/10
	o.side = 'B'
	if r&1 == 1 {
		o.side = 'S'
	}
	return o
}

// outOfOrder draws how far behind the clock an order is.
func (g *Generator) outOfOrder(second int64) (*[19]byte, bool) {
	delay := int64(g.o.Delay / time.Second)
	back := below(g.rng.Uint64(), delay+1)
	late := g.lateAt != 0 && g.rng.Uint64() < g.lateAt
	if late {
		back = delay + 1 + below(g.rng.Uint64(), int64(lateness/time.Second))
	}
	if back == 0 {
		return g.shown(second), late
	}
	writeTime(&g.behind, second-back)
	return &g.behind, late
}

// shown returns the text of a second, written once for all orders in it.
func (g *Generator) shown(second int64) *[19]byte {
	if second != g.second {
		g.second = second
		writeTime(&g.clock, second)
	}
	return &g.clock
}

func writeTime(dst *[19]byte, second int64) {
	time.Unix(second, 0).UTC().AppendFormat(dst[:0], "2006-01-02 15:04:05")
}

func (o *order) append(dst []byte) []byte {
	dst = append(dst, o.time[:]...)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, o.id, 10)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, o.client, 10)
	dst = append(dst, ',')
	dst = append(dst, o.symbol...)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, o.amount, 10)
	dst = append(dst, ',')
	dst = appendCents(dst, o.cents)
	return append(dst, ',', o.side)
}

func appendCents(dst []byte, cents int64) []byte {
	dst = strconv.AppendInt(dst, cents/100, 10)
	c := cents % 100
	return append(dst, '.', byte('0'+c/10), byte('0'+c%10))
}

// below maps a random number to [0, n) without a division.
func below(r uint64, n int64) int64 {
	hi, _ := bits.Mul64(r, uint64(n))
	return int64(hi)
}
