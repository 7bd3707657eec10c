package storage

// Memory is what a store holds in memory, in bytes, and what bounds it.
type Memory struct {
	Cache, CacheBound         int64 // blocks of files
	MemTables, MemTablesBound int64 // rows that are not yet in a file
}

// Memory tells what the store holds. It is zero once the store is closed.
func (s *Store) Memory() Memory {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return Memory{}
	}
	m := s.db.Metrics()
	return Memory{
		Cache: m.BlockCache.Size, CacheBound: s.opts.CacheBytes,
		MemTables: int64(m.MemTable.Size), MemTablesBound: int64(s.opts.MaxMemTables) * s.opts.MemTableBytes,
	}
}

// Rest writes what is in memory to files and forgets the blocks that were read: for a store that
// nobody has used for a while. The next reads go to the disk.
func (s *Store) Rest() (err error) {
	if err := s.Flush(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(); err != nil {
		return err
	}
	s.cache.Reserve(int(s.opts.CacheBytes))() // room for that much, and then it is not needed
	return nil
}
