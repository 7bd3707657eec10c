package main

import (
	"fmt"
	"testing"
	"time"

	"penstock/engine"
)

// TestRestoreProgress: what is shown of a restore, from beginning to end.
func TestRestoreProgress(t *testing.T) {
	var m restoreMeter
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if m.add(at, nil) {
		t.Error("nothing is restored")
	}
	if !m.add(at, []engine.Restore{{Partition: 0}, {Partition: 1, Done: 200_000, AtMost: 1_000_000}}) || m.start() {
		t.Error("it has only begun")
	}
	m.add(at.Add(4*time.Second), []engine.Restore{{Partition: 0, Done: 400_000, AtMost: 1_000_000}, {Partition: 1, Done: 800_000, AtMost: 1_000_000}})
	if !m.start() || m.start() {
		t.Error("the start is said once")
	}
	if got, want := m.text(), "restoring tables ████░░░░ 60 %  0/2 partitions  1.20 M of ≤ 2.00 M  250 k/s  ~3.2 s"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m.add(at.Add(5*time.Second), []engine.Restore{{Partition: 0, Done: 500_000, AtMost: 1_000_000}, {Partition: 1, Ready: true}})
	if got, want := fmt.Sprint(m.attrs()), "[ready=1 partitions=2 done=1500000 at_most=2000000 percent=75 per_second=260000 eta=2s]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if m.add(at.Add(6*time.Second), nil) {
		t.Error("all is restored")
	}
	if attrs, ok := m.end(at.Add(6 * time.Second)); !ok || fmt.Sprint(attrs) != "[records=2000000 took=6s]" {
		t.Errorf("%v %v", attrs, ok)
	}
	if _, ok := m.end(at.Add(7 * time.Second)); ok {
		t.Error("the end is said once")
	}
}
