package main

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"penstock/cmd/penstock/internal/human"
	"penstock/engine"
)

// restoreMeter follows the tables' way back from their changelogs. It belongs to one goroutine.
type restoreMeter struct {
	began  time.Time // zero: nothing is restored
	first  int64     // what was done then
	told   bool
	atMost map[int32]int64 // by partition, when last known
	parts  int
	ready  int
	done   int64
	all    int64
	now    time.Time
}

// restoreQuiet is how long a restore may take that is not worth a log line.
const restoreQuiet = time.Second

// add takes what the engine says, and tells whether something is being restored.
func (m *restoreMeter) add(now time.Time, list []engine.Restore) bool {
	if len(list) == 0 {
		return false
	}
	if m.began.IsZero() {
		m.atMost = map[int32]int64{}
	}
	m.now, m.parts, m.ready, m.done, m.all = now, len(list), 0, 0, 0
	for _, r := range list {
		done := r.Done
		if r.AtMost > 0 {
			m.atMost[r.Partition] = r.AtMost
		}
		if r.Ready {
			m.ready++
			done = m.atMost[r.Partition]
		}
		m.done += done
		m.all += m.atMost[r.Partition]
	}
	if m.began.IsZero() {
		m.began, m.first = now, m.done
	}
	return true
}

// start tells, once, that it takes long enough to say so.
func (m *restoreMeter) start() bool {
	if m.told || m.now.Sub(m.began) < restoreQuiet {
		return false
	}
	m.told = true
	return true
}

// end tells how long it took, if it was worth a line, and forgets it.
func (m *restoreMeter) end(now time.Time) (attrs []slog.Attr, ok bool) {
	if !m.told {
		m.began = time.Time{}
		return nil, false
	}
	attrs = []slog.Attr{slog.Int64("records", m.all), slog.Duration("took", now.Sub(m.began))}
	*m = restoreMeter{}
	return attrs, true
}

func (m *restoreMeter) percent() int64 { return 100 * m.done / max(1, m.all) }

// rate is how many records are read a second, and how long the rest takes at that.
func (m *restoreMeter) rate() (perSecond float64, left time.Duration) {
	if d := m.now.Sub(m.began).Seconds(); d > 0 {
		perSecond = float64(m.done-m.first) / d
	}
	if perSecond > 0 {
		left = time.Duration(float64(m.all-m.done) / perSecond * float64(time.Second))
	}
	return perSecond, left
}

// restoreBar is how wide the bar is: the line fits 80 columns.
const restoreBar = 8

// text is the line on a terminal.
func (m *restoreMeter) text() string {
	full := int(min(restoreBar, restoreBar*m.done/max(1, m.all)))
	perSecond, left := m.rate()
	text := fmt.Sprintf("restoring tables %s%s %d %%  %d/%s  %s of ≤ %s  %s/s", strings.Repeat("█", full), strings.Repeat("░", restoreBar-full),
		m.percent(), m.ready, plural(m.parts, "partition", "partitions"), short(float64(m.done)), short(float64(m.all)), short(perSecond))
	if left > 0 {
		text += "  ~" + human.Seconds(left)
	}
	return text
}

// attrs is the same for a log line.
func (m *restoreMeter) attrs() []slog.Attr {
	perSecond, left := m.rate()
	return []slog.Attr{slog.Int("ready", m.ready), slog.Int("partitions", m.parts), slog.Int64("done", m.done), slog.Int64("at_most", m.all),
		slog.Int64("percent", m.percent()), slog.Float64("per_second", perSecond), slog.Duration("eta", left.Round(time.Second))}
}
