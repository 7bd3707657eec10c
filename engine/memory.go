package engine

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"

	"penstock/engine/core"
	"penstock/engine/read"
	"penstock/query/row"
	"penstock/storage"
)

// shares is how a process's memory is divided. They add up to about three quarters of it; the rest is
// what the collector needs to work with.
type shares struct {
	cache    int64 // Pebble's blocks
	memTable int64 // each of maxMemTables
	fold     int64 // rows and open panes of all table partitions
	flush    int   // bytes of partials that a flush of route holds; fold's takes half of it
	fetch    int32 // asked of a source partition at once
	replay   int32 // asked of a changelog partition at once
	query    int64 // rows of a query
	frame    int   // a frame is split from here on
}

// maxMemTables is how many of Pebble's memtables may be full before writes wait.
const maxMemTables = 3

// LeastMemory is what a process needs at least: what the clients, the store and the runtime take
// without a single row, and flushes large enough to be worth a transaction.
const LeastMemory = 64 << 20

func sharesOf(memory int64) shares {
	clamp := func(n, least, most int64) int64 { return max(least, min(n, most)) }
	return shares{
		cache:    memory / 5,
		memTable: memory / 32,
		fold:     memory / 4,
		flush:    int(clamp(memory/64, 512<<10, 8<<20)),
		fetch:    int32(clamp(memory/1024, 64<<10, 1<<20)),
		replay:   int32(clamp(memory/256, 256<<10, 4<<20)),
		query:    clamp(memory/4, 16<<20, defaultMaxBytes),
		frame:    int(clamp(memory/2048, 64<<10, 512<<10)),
	}
}

// LimitProcess makes the Go runtime keep the process within a bound: it collects garbage as often as
// that takes, and gives memory back. It is for the program that runs the engine, whose process it is;
// a lower GOMEMLIMIT stays. A tenth is left for what is not the runtime's: the program's own pages,
// and what is asked for while memory is being collected.
func LimitProcess(memory int64) {
	if memory <= 0 {
		memory = defaultMemory
	}
	limit := memory - memory/10 - storage.OutsideOfGo(memory/5+maxMemTables*memory/32)
	if debug.SetMemoryLimit(-1) > limit {
		debug.SetMemoryLimit(limit)
	}
}

// MemoryUse is what one part of a process holds in memory.
type MemoryUse struct {
	Component string `json:"component"`
	Bytes     int64  `json:"bytes"`
	Bound     int64  `json:"bound,omitempty"` // 0: none of its own
	Note      string `json:"note,omitempty"`
}

// Memory tells where the memory of this process goes: its parts first, then the Go heap that all of
// them are in, then the process as the operating system counts it.
func (e *Engine) Memory() []MemoryUse {
	s := sharesOf(e.opts.Memory)
	var input, partials, tables, panes, tops, waiting int64
	inputBound, partialsBound := int64(0), int64(0)
	for _, st := range e.opts.Plan.Streams {
		r := e.route(st)
		if r == nil {
			continue
		}
		if r.life.runs != nil {
			bytes, bound := r.life.runs.memory()
			input, inputBound = input+bytes, inputBound+bound
		}
		partials += int64(r.pending())
		partialsBound += 2 * int64(s.flush)
	}
	e.mu.Lock()
	fold, stages := e.fold, e.stages
	e.mu.Unlock()
	if fold != nil {
		for _, p := range fold.assigned() {
			m, bytes := p.memory()
			tables, panes, tops, waiting = tables+int64(m.Rows), panes+int64(m.Open), tops+int64(m.Tops), waiting+int64(bytes)
		}
	}
	var flushing int64
	for _, st := range stages {
		flushing += st.inFlight.Load()
	}
	store := e.local().Memory()
	heap, limit := goMemory()
	if limit == math.MaxInt64 {
		limit = 0
	}
	return []MemoryUse{
		{"source records", input, inputBound, "fetched from Kafka, not yet routed"},
		{"route partials", partials, partialsBound, "aggregated, not yet in a frame"},
		{"frames", waiting, int64(s.flush), "applied by the tables, not yet committed"},
		{"flushes", flushing, 0, "records of transactions on their way to Kafka"},
		{"table rows", tables, s.fold / 2, "rows in use; the others are in the store"},
		{"open panes", panes, s.fold / 3, "beyond it the largest are kept in the store only"},
		{"top rows", tops, 0, "the best rows of metrics with LIMIT"},
		{"store cache", store.Cache, store.CacheBound, "blocks of files"},
		{"store writes", store.MemTables, store.MemTablesBound, "not yet in a file"},
		{"go heap", heap, limit, "all of the above, and garbage; the bound is GOMEMLIMIT"},
		{"process", residentBytes(), e.opts.Memory, "resident; the bound is --memory"},
	}
}

// goMemory is what the runtime has from the operating system, and its limit.
func goMemory() (bytes, limit int64) {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64()), debug.SetMemoryLimit(-1)
}

// residentBytes is what the process has of the machine's memory, 0 where that cannot be told.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(f[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// memoryAnswer is SHOW MEMORY: every process of the application, by its parts. What others have
// is what they said last, seconds ago.
func (e *Engine) memoryAnswer() *Answer {
	a := &Answer{Title: "memory", Rows: read.NewRows([]row.Column{
		{Name: "process", Type: row.Of(row.Varchar)}, {Name: "component", Type: row.Of(row.Varchar)},
		{Name: "bytes", Type: row.Of(row.Bigint)}, {Name: "bound", Type: row.Of(row.Bigint)},
		{Name: "notes", Type: row.Of(row.Varchar)}})}
	add := func(process string, list []MemoryUse) {
		for _, u := range list {
			bound := row.NullValue
			if u.Bound > 0 {
				bound = row.Int(u.Bound)
			}
			a.Rows.Add([]row.Value{row.Text(process), row.Text(u.Component), row.Int(u.Bytes), bound, row.Text(u.Note)})
		}
	}
	here := e.Memory()
	add(e.opts.InstanceID, here)
	for _, m := range e.Members() {
		if m.Instance != e.opts.InstanceID {
			add(m.Instance, m.Memory)
		}
	}
	if at := slices.IndexFunc(here, func(u MemoryUse) bool { return u.Component == "process" }); at >= 0 && here[at].Bytes > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("this process: %d of %d MiB", here[at].Bytes>>20, here[at].Bound>>20))
	}
	return a
}

// memory is what the core of a partition holds, and how many bytes of frames are not yet committed.
func (p *foldPart) memory() (m core.Memory, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.core != nil {
		m = p.core.Memory()
	}
	return m, p.bytes
}
