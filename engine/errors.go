package engine

import (
	"errors"
	"fmt"
)

// LostOffsetError is returned when the offset a group has to go on from is no longer in the
// topic: retention removed it, or the topic was made again.
type LostOffsetError struct {
	Topic     string
	Partition int32
	Wanted    int64 // where reading has to go on
	First     int64 // the oldest record there is
	End       int64 // behind the newest
}

// Error says what was lost and what can be done.
func (e *LostOffsetError) Error() string {
	switch {
	case e.Wanted < e.First:
		return fmt.Sprintf("%s/%d: offsets %d..%d were removed before they were read (%d records); results would lack them: restore the topic, or start again under another --app",
			e.Topic, e.Partition, e.Wanted, e.First-1, e.First-e.Wanted)
	case e.Wanted > e.End:
		return fmt.Sprintf("%s/%d: this application has read up to offset %d, but the topic ends at %d: it was truncated or made again; start again under another --app",
			e.Topic, e.Partition, e.Wanted, e.End)
	}
	return fmt.Sprintf("%s/%d: the next offset to read is no longer in the topic; its retention is shorter than the time the application was away", e.Topic, e.Partition)
}

// StaleError is returned when Kafka refuses a transaction because its member is no longer in the
// group, or not in the current generation: another process has the partitions now.
type StaleError struct {
	Group      string
	Generation int32
	Err        error
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("group %s, generation %d: %v", e.Group, e.Generation, e.Err)
}

// Unwrap returns Kafka's error.
func (e *StaleError) Unwrap() error { return e.Err }

// StopError is an error that building the stage again would not mend: somebody has to do
// something. It ends the engine.
type StopError struct {
	Err error
	// State: what this application remembers, in its state directory, its topics and its groups,
	// does not fit what there is now. Going on would be wrong; only another application name, or
	// what is missing, helps. False: something else has to be mended, a topic or a row for instance.
	State bool
}

func (e *StopError) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *StopError) Unwrap() error { return e.Err }

// coreError is an error of the core: what it was given does not fit what it has. A next life
// reads the same again, so one that comes back is for the user to see.
type coreError struct {
	err error
}

func (e *coreError) Error() string { return e.err.Error() }

func (e *coreError) Unwrap() error { return e.err }

func stopf(format string, args ...any) error {
	return &StopError{Err: fmt.Errorf(format, args...)}
}

// stateError is a StopError about what the application remembers.
func stateError(format string, args ...any) error {
	return &StopError{Err: fmt.Errorf(format, args...), State: true}
}

// final tells whether an error is for the user to mend.
func final(err error) bool { return finalCause(err) != nil }

// finalCause is what in an error is for the user to mend, without what was wrapped around it on its
// way: Goka makes several lines of it. It is nil when there is nothing.
func finalCause(err error) error {
	var stop *StopError
	var lost *LostOffsetError
	var refused *RefusedError
	switch {
	case errors.As(err, &stop):
		return stop
	case errors.As(err, &lost):
		return lost
	case errors.As(err, &refused):
		return refused
	}
	return nil
}
