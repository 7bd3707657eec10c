package engine

import "time"

// The clock of a machine is set now and then, by a person or by NTP, while Kafka's goes on. Lengths of
// time are measured by the monotonic clock, which nobody sets; but where time is Kafka's, the wall
// clock of this machine says where an idle partition's clock belongs, and which rows are dated in
// the future. Set forward by an hour, any quiet moment of a partition would move its clock by that
// hour, close the windows, and make the rows of the next hour late. Set back, every row would come from the
// future.
//
// So a clock that is set forward while we run is not believed before a row is dated so late too, or
// nothing has come for a while that speaks against it: a machine that was asleep looks the same.
// One that is set back is believed: clocks of partitions do not go back, and wait for it.

const (
	// leastStep is what a clock is set by at least: less is the clock being slowly adjusted.
	leastStep = time.Second
	// believeAfter is how long nothing may have come.
	believeAfter = time.Minute
)

// wallWatch watches the clock of the machine. It belongs to one goroutine at a time.
type wallWatch struct {
	at     time.Time     // when it was last looked at
	doubt  time.Duration // what it was set forward by and nobody has confirmed
	spoken time.Time     // when it was set, or a row last spoke against it
}

// look takes the time and returns by how much the clock was set since the last look, if it was.
func (w *wallWatch) look(now time.Time) (step time.Duration) {
	if !w.at.IsZero() {
		step = now.Round(0).Sub(w.at.Round(0)) - now.Sub(w.at) // Round takes the monotonic reading off
	}
	if w.at = now; step.Abs() < leastStep {
		step = 0
	}
	if step != 0 {
		w.doubt, w.spoken = max(0, w.doubt+step), now
	}
	if w.doubt > 0 && now.Sub(w.spoken) > believeAfter {
		w.doubt = 0
	}
	return step
}

// row tells of the latest time that rows are dated, when rows have come.
func (w *wallWatch) row(latest, now time.Time) {
	w.doubt = max(0, min(w.doubt, now.Round(0).Sub(latest)))
	w.spoken = now
}

// time is what the clock says, less what is not believed.
func (w *wallWatch) time(now time.Time) time.Time { return now.Add(-w.doubt) }

// latestWall is the wall clock for what is dated in the future: as it is, or as it would be had it not been
// set since then.
func latestWall(since, now time.Time) time.Time {
	if steady := since.Round(0).Add(now.Sub(since)); steady.After(now.Round(0)) {
		return steady
	}
	return now
}
