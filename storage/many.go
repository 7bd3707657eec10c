package storage

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// fewKeys is up to how many keys are looked up one by one: an iterator has to open a file of each
// level first, which pays only when it is used again.
const fewKeys = 4

// GetSorted calls fn for those of the keys that are there: with the number of the key, and its value,
// which is good until fn returns. The keys ascend. It reads all of them as of one moment, from one
// iterator that moves forward, which costs a fraction of as many Gets. fn must not call the store.
func (p *Partition) GetSorted(keys [][]byte, fn func(i int, value []byte) error) (err error) {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	defer p.store.caught(&err)
	if len(keys) <= fewKeys {
		return p.getEach(keys, fn)
	}
	from, to := p.span(nil, nil)
	// Most keys that are not there are in no file's filter, also not in those of the last level.
	it, err := p.store.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to, UseL6Filters: true})
	if err != nil {
		return p.store.read(fmt.Errorf("iterate: %w", err))
	}
	defer func() {
		if closed := it.Close(); err == nil && closed != nil {
			err = p.store.read(closed)
		}
	}()
	key := append(make([]byte, 0, 64), p.rows...)
	for i, k := range keys {
		key = append(key[:len(p.rows)], k...)
		if !it.SeekPrefixGE(key) { // a prefix is the whole key
			if err := it.Error(); err != nil {
				return p.store.read(err)
			}
			continue
		}
		if !bytes.Equal(it.Key(), key) {
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return p.store.read(err)
		}
		if err := fn(i, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *Partition) getEach(keys [][]byte, fn func(i int, value []byte) error) error {
	for i, k := range keys {
		value, closer, err := p.store.db.Get(p.key(k))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return p.store.read(err)
		}
		err = fn(i, value)
		if closed := closer.Close(); closed != nil {
			return p.store.read(closed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
