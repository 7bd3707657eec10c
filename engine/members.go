package engine

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Member is a process of the application as it announces itself on the members topic: a compacted
// one, with a record for each process under its instance id. Nothing needs to be configured
// beyond the brokers.
type Member struct {
	Instance   string             `json:"instance"`
	Address    string             `json:"address,omitempty"` // URL; empty: it serves nothing
	Plan       string             `json:"plan"`
	State      string             `json:"state"`
	Partitions []int32            `json:"partitions,omitempty"` // of the tables: here and recovered
	Restoring  map[int32]int      `json:"restoring,omitempty"`  // here, and how far; -1: not known
	Sources    map[string][]int32 `json:"sources,omitempty"`    // by stream: source partitions read here
	Paused     map[string][]int32 `json:"paused,omitempty"`     // and those of them that wait for slower ones
	Memory     []MemoryUse        `json:"memory,omitempty"`     // where it went when this was said
	Bytes      map[string]int64   `json:"bytes,omitempty"`      // of its tables, about
}

func (m Member) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return b
}

func (m Member) equal(o Member) bool {
	return m.Instance == o.Instance && m.Address == o.Address && m.State == o.State && m.Plan == o.Plan &&
		slices.Equal(m.Partitions, o.Partitions) && maps.Equal(m.Restoring, o.Restoring) &&
		maps.EqualFunc(m.Sources, o.Sources, slices.Equal) && maps.EqualFunc(m.Paused, o.Paused, slices.Equal)
}

// settled tells whether nothing goes on in a process that it would tell of without a change of its stages.
func (m Member) settled() bool {
	return m.State == "running" && len(m.Restoring) == 0 && len(m.Paused) == 0
}

// members is what the processes said last. A process is believed for a while after it was heard;
// when two claim a partition, the one that was heard later is: a process that lost its
// partitions may not know it yet.
type members struct {
	self string

	mu   sync.Mutex
	said map[string]heard
}

type heard struct {
	member Member
	offset int64 // in the topic, which has one partition: the order in which they spoke
	at     time.Time
}

func newMembers(self string) *members { return &members{self: self, said: map[string]heard{}} }

// heard takes a record of the topic. One that cannot be read is of another version: its process is
// then not known here.
func (m *members) heard(offset int64, key, value []byte, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := string(key)
	delete(m.said, name)
	var x Member
	if len(value) == 0 || json.Unmarshal(value, &x) != nil || x.Instance != name {
		return
	}
	m.said[name] = heard{x, offset, now}
}

func (m *members) get(instance string) (Member, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.said[instance]
	return h.member, ok
}

// alive lists the processes that were heard lately, by instance.
func (m *members) alive(now time.Time) []Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Member
	for _, h := range m.said {
		if now.Sub(h.at) < expireAfter {
			list = append(list, h.member)
		}
	}
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(a.Instance, b.Instance) })
	return list
}

// owner is the process that has a table partition, or restores it; empty when nobody says so.
func (m *members) owner(n int32, now time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	owner, at := "", int64(-1)
	for name, h := range m.said {
		_, restoring := h.member.Restoring[n]
		if (restoring || slices.Contains(h.member.Partitions, n)) && now.Sub(h.at) < expireAfter && h.offset > at {
			owner, at = name, h.offset
		}
	}
	return owner
}
