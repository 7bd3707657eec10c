package reference

import (
	"math"
	"sort"
)

// noTime is the clock of a partition that has none yet: before everything.
const noTime = math.MinInt64

// partition is one source partition: how far it was read, and how its clock moved.
type partition struct {
	next    int64            // the offset behind the last record
	steps   []step           // each higher than the one before
	refused map[int64]string // by offset: the kind of a record that was refused, whatever it looks like
	follows bool
	tally   Tally
}

// step is one move of a clock.
type step struct {
	clock  int64 // where it moved
	offset int64 // of the row that moved it, or from which a decision holds
}

// clock is where the clock stands.
func (p *partition) clock() int64 {
	if len(p.steps) == 0 {
		return noTime
	}
	return p.steps[len(p.steps)-1].clock
}

// firstClock is where the clock began; it is noTime before.
func (p *partition) firstClock() int64 {
	if len(p.steps) == 0 {
		return noTime
	}
	return p.steps[0].clock
}

// move moves the clock, never back.
func (p *partition) move(clock, offset int64) {
	if len(p.steps) == 0 || clock > p.clock() {
		p.steps = append(p.steps, step{clock, offset})
	}
}

// passed returns the step with which the clock reached t. It must have.
func (p *partition) passed(t int64) step {
	return p.steps[sort.Search(len(p.steps), func(i int) bool { return p.steps[i].clock >= t })]
}

// lowest is the lowest clock over the partitions: what every one of them has passed. It is noTime
// while one of them has no clock, or there is none.
func (s *stream) lowest() int64 {
	low := int64(math.MaxInt64)
	timed := s.timed()
	for _, p := range timed {
		low = min(low, p.clock())
	}
	if len(timed) == 0 {
		return noTime
	}
	return low
}

// timed lists the partitions whose clocks make time: all but one that only follows.
func (s *stream) timed() (list []*partition) {
	for _, n := range s.numbers() {
		if p := s.partitions[n]; !p.follows {
			list = append(list, p)
		}
	}
	return list
}

// begin is the lowest first clock over the partitions.
func (s *stream) begin() int64 {
	low := int64(math.MaxInt64)
	for _, p := range s.timed() {
		low = min(low, p.firstClock())
	}
	return low
}
