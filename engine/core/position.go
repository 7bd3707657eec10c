package core

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"penstock/query/plan"
)

// Position is how far a source partition has been routed: the next offset and the clock there.
// It is committed with the group's offset (the clock in the metadata), so a restart goes on with
// the same clock.
type Position struct {
	Offset int64 // next to read
	Clock  int64 // microseconds; meaningful when Started
	// Started: the partition has a clock. A stream with a time column has none before its first row.
	Started bool
	// LastEnd is the end of the last window or interval of any metric that holds a row read so
	// far from this partition (microseconds, noTime for none): where the clocks go when the input ends.
	LastEnd int64
	// Ended: the clock was moved to the end of the input by a decision.
	Ended bool
	Tally Tally
}

// Start is the position of a partition from which nothing was read.
func Start(offset int64) Position { return Position{Offset: offset, LastEnd: noTime} }

// Tally counts what became of the records of a source partition: Read = Decoded + Bad always.
// What became of a decoded row in each table that reads the stream is in Tables, by the table's
// place in the plan's list of that stream's tables: Decoded = Applied + Filtered + Late + Failed.
type Tally struct {
	Read, Decoded, Bad int64
	Tables             []TableTally
	names              []uint32 // of the tables, as they were when this was written; none: the plan's
}

// For returns the tally with its tables in the order of the given ones, also when it was written
// under a query file that had others between them. A table it does not know has counted nothing.
func (t Tally) For(tables []*plan.Table) Tally {
	was := t
	t.names, t.Tables = make([]uint32, len(tables)), make([]TableTally, len(tables))
	for i, table := range tables {
		t.names[i] = tallyName(table)
		at := i
		if was.names != nil {
			at = slices.Index(was.names, t.names[i])
		}
		if at >= 0 && at < len(was.Tables) {
			t.Tables[i] = was.Tables[at]
		}
	}
	return t
}

func tallyName(t *plan.Table) uint32 {
	i := idOf(t.Name)
	return binary.BigEndian.Uint32(i[:])
}

// name is what the i-th table is called in what is written; 0 when nobody has told.
func (t *Tally) name(i int) uint32 {
	if i < len(t.names) {
		return t.names[i]
	}
	return 0
}

// TableTally is what became of the decoded rows in one table.
type TableTally struct{ Applied, Filtered, Late, Failed int64 }

// Add adds another tally of the same stream.
func (t *Tally) Add(o Tally) {
	t.Read += o.Read
	t.Decoded += o.Decoded
	t.Bad += o.Bad
	if t.names == nil {
		t.names = o.names
	}
	for len(t.Tables) < len(o.Tables) {
		t.Tables = append(t.Tables, TableTally{})
	}
	for i, x := range o.Tables {
		y := &t.Tables[i]
		y.Applied += x.Applied
		y.Filtered += x.Filtered
		y.Late += x.Late
		y.Failed += x.Failed
	}
}

func (t Tally) clone() Tally {
	t.Tables = append([]TableTally(nil), t.Tables...)
	return t
}

const positionVersion = "p2"

// Metadata is the position without its offset, as text for the offset's metadata (Kafka allows
// 4 KiB by default; tables beyond what fits are left out of the tally, never of the clock).
func (p Position) Metadata() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %t %d %t %d %d %d", positionVersion, p.Clock, p.Started, p.LastEnd, p.Ended,
		p.Tally.Read, p.Tally.Decoded, p.Tally.Bad)
	for i, t := range p.Tally.Tables {
		if b.Len() > 3900 {
			break
		}
		fmt.Fprintf(&b, " %x %d %d %d %d", p.Tally.name(i), t.Applied, t.Filtered, t.Late, t.Failed)
	}
	return b.String()
}

// ParsePosition reads a committed offset and its metadata.
func ParsePosition(offset int64, metadata string) (Position, error) {
	f := strings.Fields(metadata)
	if len(f) < 8 || f[0] != positionVersion {
		return Position{}, fmt.Errorf("offset metadata %.40q is not of this version (%s)", metadata, positionVersion)
	}
	var bad error
	num := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			bad = fmt.Errorf("offset metadata: %w", err)
		}
		return n
	}
	p := Position{Offset: offset, Clock: num(f[1]), Started: f[2] == "true", LastEnd: num(f[3]), Ended: f[4] == "true"}
	p.Tally = Tally{Read: num(f[5]), Decoded: num(f[6]), Bad: num(f[7])}
	for f = f[8:]; len(f) >= 5; f = f[5:] {
		name, err := strconv.ParseUint(f[0], 16, 32)
		if err != nil {
			bad = fmt.Errorf("offset metadata: %w", err)
		}
		p.Tally.names = append(p.Tally.names, uint32(name))
		p.Tally.Tables = append(p.Tally.Tables, TableTally{num(f[1]), num(f[2]), num(f[3]), num(f[4])})
	}
	return p, bad
}

// EndOfInput is where all clocks of a stream move when its input ends: the end of the last
// window or interval of any metric that holds a row, but never behind a clock. False when there was no row.
func EndOfInput(all []Position) (to int64, ok bool) {
	to = noTime
	for _, p := range all {
		to = max(to, p.LastEnd)
	}
	return to, to > noTime
}
