package local

import (
	"bytes"
	"sort"

	"penstock/engine/core"
)

// Store is a fold partition's state in memory: core.Store over a map.
type Store map[string][]byte

// Get implements core.Store.
func (s Store) Get(key []byte) ([]byte, error) {
	v, ok := s[string(key)]
	if !ok {
		return nil, nil
	}
	return bytes.Clone(v), nil
}

// Scan implements core.Store.
func (s Store) Scan(lower, upper []byte, fn func(key, value []byte) bool) error {
	var keys []string
	for k := range s {
		if k >= string(lower) && (upper == nil || k < string(upper)) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		if !fn([]byte(k), s[k]) {
			return nil
		}
	}
	return nil
}

// Apply writes a flush.
func (s Store) Apply(writes []core.Write) {
	for _, w := range writes {
		switch {
		case w.To != nil:
			for k := range s {
				if k >= string(w.Key) && k < string(w.To) {
					delete(s, k)
				}
			}
		case w.Value == nil:
			delete(s, string(w.Key))
		default:
			s[string(w.Key)] = bytes.Clone(w.Value)
		}
	}
}
