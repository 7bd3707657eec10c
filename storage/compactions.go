package storage

import "github.com/cockroachdb/pebble/v2"

// quietScheduler lets Pebble's compactions begin when one was asked for, when one has ended, and when a
// flush has changed how many there may be. Pebble's own scheduler looks ten times a second whether
// something has changed, too, so that a process with nothing to do never sleeps. What only that look
// would find is not used here: how many compactions may run depends on nothing but Store.compact.
type quietScheduler struct {
	*pebble.ConcurrencyLimitScheduler
}

func newQuietScheduler() quietScheduler {
	return quietScheduler{pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()}
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler. It is called at the end of a flush,
// with Pebble's lock held, and must not wait.
func (s quietScheduler) UpdateGetAllowedWithoutPermission() {
	go func() {
		// The end of a compaction, also of none, is when those that wait are begun.
		if ok, c := s.TrySchedule(); ok {
			c.Done()
		}
	}()
}
