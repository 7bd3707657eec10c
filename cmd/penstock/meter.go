package main

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"penstock/engine"
	"penstock/engine/core"
)

// meter measures how fast an engine reads, over the last few seconds.
type meter struct {
	samples   []sample
	perSecond float64
	logged    int64 // records read when last found worth a line
}

type sample struct {
	at   time.Time
	read int64
}

// meterSpan is over how long a rate is measured.
const meterSpan = 3 * time.Second

// add takes a sample. A rebalance takes partitions away with what was read from them, which is
// no negative rate but a new beginning.
func (m *meter) add(now time.Time, s engine.Status) {
	read := totals(s).Read
	if n := len(m.samples); n > 0 && read < m.samples[n-1].read {
		m.samples = nil
	}
	m.samples = append(m.samples, sample{now, read})
	for len(m.samples) > 2 && now.Sub(m.samples[1].at) >= meterSpan {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	m.perSecond = 0
	if d := now.Sub(first.at).Seconds(); d > 0 {
		m.perSecond = float64(read-first.read) / d
	}
}

// worth tells whether there is something to say: reading goes on, or not everything runs. A quiet
// stream makes no log lines.
func (m *meter) worth(s engine.Status) bool {
	read := totals(s).Read
	if read == m.logged && allRunning(s) {
		return false
	}
	return true
}

// pace is how often to look: less often while nothing moves.
func (m *meter) pace(s engine.Status) time.Duration {
	if m.perSecond == 0 && allRunning(s) {
		return quietEvery
	}
	return redrawEvery
}

// text is the line on a terminal.
func (m *meter) text(s engine.Status) string {
	t := totals(s)
	parts := []string{stateText(s), thousands(t.Read) + " read", short(m.perSecond) + "/s"}
	if lag := totalLag(s); lag > 0 {
		parts = append(parts, "lag "+thousands(lag))
	}
	if t.Bad > 0 {
		parts = append(parts, thousands(t.Bad)+" bad")
	}
	return s.App + ": " + strings.Join(parts, "  ")
}

// attrs is the same for a log line.
func (m *meter) attrs(s engine.Status) []slog.Attr {
	t := totals(s)
	m.logged = t.Read
	return []slog.Attr{
		slog.String("app", s.App), slog.String("state", stateText(s)), slog.Int64("read", t.Read),
		slog.Int64("bad", t.Bad), slog.Int64("lag", totalLag(s)), slog.Float64("per_second", m.perSecond),
	}
}

// stateText is the state of the engine, or that of the stage that is least far.
func stateText(s engine.Status) string {
	if s.State != "running" {
		return s.State
	}
	rank := map[string]int{"restarting": 4, "starting": 3, "recovering": 2, "stopped": 1}
	state, worst := "running", 0
	for _, stage := range s.Stages {
		if r := rank[stage.State]; r > worst {
			state, worst = stage.State, r
			if stage.State == "restarting" {
				state = fmt.Sprintf("restarting (%s)", stage.Error)
			}
		}
	}
	return state
}

// totals adds up all streams.
func totals(s engine.Status) core.Tally {
	var t core.Tally
	for _, stream := range s.Streams {
		x := stream.Tally()
		t.Read += x.Read
		t.Decoded += x.Decoded
		t.Bad += x.Bad
	}
	return t
}

// totalLag is how many records there are that were not read.
func totalLag(s engine.Status) int64 {
	var lag int64
	for _, stream := range s.Streams {
		for _, p := range stream.Partitions {
			lag += max(0, p.End-p.Offset)
		}
	}
	return lag
}
