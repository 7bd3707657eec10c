package core

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"penstock/engine/format"
	"penstock/query/plan"
)

// Replayed is the number of the source partition that replayed rows are in: rows that were bad when
// they were first read, and that a corrected query file can read. Every stream has one, in a topic
// of the application's own (package engine), and it belongs to whoever has partition 0.
//
// Its clock has no part in what closes: fold waits for the partitions that are numbered from 0 on.
// It follows the highest of the others, by a decision before each batch of rows, and so a replayed
// row enters after everything that is closed, whatever its time is: it reaches tables without a
// window and windows that are still open, never a published result.
//
// Why that holds: a pane is closed when partition 0, among others, has passed it in a frame. Replay
// takes a clock that is not before partition 0's, and no flush is taken between that and the rows;
// the frame that holds them is from the same process as partition 0's and behind its last one.
//
//	replay: the highest clock is 10:00
//	partition 0 passes 10:05, a flush is taken and closes 10:05   <- must not happen here
//	replay: rows enter with the pane of 10:00, which is closed
const Replayed int32 = -1

// DecisionReplay moves the clock of the replayed partition before its rows, or begins that of
// partition 0 when the first rows of a stream that could be read are replayed ones.
const DecisionReplay = "replay"

// PartitionName is a source partition's number, for people.
func PartitionName(n int32) string {
	if n == Replayed {
		return "replayed"
	}
	return strconv.Itoa(int(n))
}

// DefinitionOf tells definitions of a stream apart. It is written beside a rejected row: by another
// definition the row may be a good one.
func DefinitionOf(s *plan.Stream) string {
	return fmt.Sprintf("%016x", xxhash.Sum64String(s.Text))
}

// Lead is the highest clock that is known of partitions which other processes route. The zero value
// says that there is none.
type Lead struct {
	Clock   int64
	Started bool
}

func (l *Lead) see(p Position) {
	if p.Started && (!l.Started || p.Clock > l.Clock) {
		l.Clock, l.Started = p.Clock, true
	}
}

// LeadOf is the highest clock of some positions.
func LeadOf(all map[int32]Position) (l Lead) {
	for n, p := range all {
		if n != Replayed {
			l.see(p)
		}
	}
	return l
}

var errNotAssigned = errors.New("the replayed partition is routed by whoever has partition 0")

// Replay routes replayed records in the order of their offsets. others is what is known of
// partitions that are routed elsewhere. It may be called beside Rows of other partitions; the
// records are not kept.
func (r *Router) Replay(recs []format.Record, others Lead, wall int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, zero := r.parts[Replayed], r.parts[0]
	if p == nil || zero == nil {
		return errNotAssigned
	}
	for n, other := range r.parts {
		if n != Replayed {
			others.see(other.Position())
		}
	}
	p.lead, p.zero = others, zero
	return p.Rows(recs, wall)
}

// follow moves the clock to the lead and lets the selected rows enter there. They do not move it.
func (p *RoutePartition) follow() {
	if len(p.sel) == 0 {
		return
	}
	if !p.lead.Started {
		// Nothing else of the stream could be read yet. Its time begins with these rows.
		first := int64(math.MaxInt64)
		for _, i := range p.sel {
			first = min(first, p.rowtime.I64[i])
		}
		first -= p.router.stream.Options.Delay.Microseconds()
		p.zero.MoveClock(first, DecisionReplay)
		p.lead = Lead{first, true}
	}
	p.moveClock(p.lead.Clock, DecisionReplay)
	for _, i := range p.sel {
		p.before[i], p.enter[i] = p.pos.Clock, max(p.rowtime.I64[i], p.pos.Clock)
	}
}
