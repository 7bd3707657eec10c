package core

import (
	"fmt"
	"strconv"
	"strings"
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
}

// TableTally is what became of the decoded rows in one table.
type TableTally struct{ Applied, Filtered, Late, Failed int64 }

// Add adds another tally of the same stream.
func (t *Tally) Add(o Tally) {
	t.Read += o.Read
	t.Decoded += o.Decoded
	t.Bad += o.Bad
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

const positionVersion = "p1"

// Metadata is the position without its offset, as text for the offset's metadata (Kafka allows
// 4 KiB by default; tables beyond what fits are left out of the tally, never of the clock).
func (p Position) Metadata() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %t %d %t %d %d %d", positionVersion, p.Clock, p.Started, p.LastEnd, p.Ended,
		p.Tally.Read, p.Tally.Decoded, p.Tally.Bad)
	for _, t := range p.Tally.Tables {
		if b.Len() > 3900 {
			break
		}
		fmt.Fprintf(&b, " %d %d %d %d", t.Applied, t.Filtered, t.Late, t.Failed)
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
	for f = f[8:]; len(f) >= 4; f = f[4:] {
		p.Tally.Tables = append(p.Tally.Tables, TableTally{num(f[0]), num(f[1]), num(f[2]), num(f[3])})
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
