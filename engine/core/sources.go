package core

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"

	"penstock/query/plan"
)

// sources is what one fold partition knows of a stream's source partitions: how far each came,
// its clock, and the cuts that results not yet made will quote.
type sources struct {
	stream *plan.Stream
	named  int32 // partitions that the decisions name; none closes a pane before all of them have a clock
	begun  bool  // the first intervals are fixed
	parts  map[int32]*source
}

type source struct {
	offset  int64
	started bool
	clock   int64
	first   int64
	tally   Tally
	cuts    []cut
}

// apply takes an advance, which has to begin exactly where the last one ended.
func (s *sources) apply(a *advance) error {
	p := s.parts[a.partition]
	if p == nil {
		p = &source{offset: a.from}
		s.parts[a.partition] = p
	}
	if a.from != p.offset {
		return fmt.Errorf("stream %s: source partition %d: a frame begins at offset %d, but %d is the next that was not applied; frames were lost or doubled",
			s.stream.Name, a.partition, a.from, p.offset)
	}
	if a.started && !p.started {
		p.started, p.first = true, a.first
	}
	p.offset, p.clock, p.tally = a.to, a.clock, a.tally
	p.cuts = append(p.cuts, a.cuts...)
	return nil
}

// clock is the lowest clock of the named partitions; false while one has none.
func (s *sources) clock() (int64, bool) {
	low := int64(math.MaxInt64)
	for n := range s.named {
		p := s.parts[n]
		if p == nil || !p.started {
			return noTime, false
		}
		low = min(low, p.clock)
	}
	return low, s.named > 0
}

// firstClock is the lowest first clock: nothing counts before it.
func (s *sources) firstClock() int64 {
	low := int64(math.MaxInt64)
	for n := range s.named {
		low = min(low, s.parts[n].first)
	}
	return low
}

// cutSegment is a stretch of a metric's ends that one step of the clocks closed. It is a function
// of the log and the decisions alone.
type cutSegment struct {
	first, last int64
	cuts        []int64 // offset by source partition
}

// segments splits the ends from first to last, all passed by every clock, by the steps that
// passed them. The segment of first begins where its step did, which may be before first.
func (s *sources) segments(g grid, first, last int64) ([]cutSegment, error) {
	var list []cutSegment
	at := make([]int, s.named)
	for first <= last {
		seg := cutSegment{first: g.after(s.firstClock()), last: last, cuts: make([]int64, s.named)}
		for n := range s.named {
			cuts := s.parts[n].cuts
			i := at[n] + sort.Search(len(cuts)-at[n], func(i int) bool { return cuts[at[n]+i].upTo >= first })
			if at[n] = i; i == len(cuts) {
				return nil, fmt.Errorf("stream %s: no frame of source partition %d tells where it passed %s; "+
					"it was routed under a query file without this metric", s.stream.Name, n, clockText(first))
			}
			seg.cuts[n] = cuts[i].offset
			seg.last = min(seg.last, g.upTo(cuts[i].upTo))
			if i > 0 {
				seg.first = max(seg.first, g.after(cuts[i-1].upTo))
			}
		}
		list = append(list, seg)
		first = seg.last + g.step
	}
	return list, nil
}

// forget drops the cuts that no end from next on can quote, but for the last of them, which says
// where the next step began.
func (s *sources) forget(next int64) {
	for _, p := range s.parts {
		i := sort.Search(len(p.cuts), func(i int) bool { return p.cuts[i].upTo >= next })
		p.cuts = p.cuts[max(0, i-1):]
	}
}

func (s *sources) append(dst []byte) []byte {
	dst = appendString(dst, s.stream.Name)
	dst = binary.AppendUvarint(dst, uint64(s.named))
	dst = appendBool(dst, s.begun)
	numbers := make([]int32, 0, len(s.parts))
	for n := range s.parts {
		numbers = append(numbers, n)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	dst = binary.AppendUvarint(dst, uint64(len(numbers)))
	for _, n := range numbers {
		p := s.parts[n]
		a := advance{partition: n, from: p.offset, to: p.offset, started: p.started, clock: p.clock, first: p.first, tally: p.tally, cuts: p.cuts}
		dst = a.append(dst)
	}
	return dst
}

// read restores what append wrote, behind the stream's name.
func (s *sources) read(r *reader) {
	s.named = int32(r.uvarint())
	s.begun = r.bool()
	for range r.count() {
		a := r.advance()
		s.parts[a.partition] = &source{offset: a.to, started: a.started, clock: a.clock, first: a.first, tally: a.tally, cuts: a.cuts}
	}
}
