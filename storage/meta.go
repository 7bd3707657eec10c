package storage

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatVersion is the layout of the directory and of the keys in Pebble. It
// goes up when an older program could not read, or would misread, what this
// one writes.
const formatVersion = 1

const (
	metaFile   = "state.json"
	metaMagic  = "penstock state"
	maxMetaLen = 16 << 20
)

// meta is the small file beside the database: whose state this is, and the few
// facts that must be on disk at once, not with the next flush. A file, not keys
// in Pebble, because it has to be readable before Pebble's own files are
// touched (they may be of a later version), and by a person.
type meta struct {
	What    string            `json:"what"`
	Format  int               `json:"format"`
	Written string            `json:"written_by"`
	App     string            `json:"app,omitempty"`
	Tables  map[string]uint16 `json:"tables"` // name -> number in the key prefix; never reused
	Values  map[string]string `json:"values"` // Store.Meta
}

func (m *meta) clone() *meta {
	c := *m
	c.Tables, c.Values = maps.Clone(m.Tables), maps.Clone(m.Values)
	return &c
}

// readMeta returns nil without an error when there is no file.
func readMeta(fs vfs.FS, dir string) (*meta, error) {
	path := fs.PathJoin(dir, metaFile)
	f, err := fs.Open(path)
	if err != nil {
		if isNotExist(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMetaLen))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	m := &meta{}
	if err := json.Unmarshal(data, m); err != nil || m.What != metaMagic {
		return nil, &Error{Kind: ErrCorrupt, Err: err,
			Text: fmt.Sprintf("%s is damaged: expected a JSON object that says %q; remove the directory, its state is recovered from the changelog", path, metaMagic)}
	}
	if m.Tables == nil {
		m.Tables = map[string]uint16{}
	}
	if m.Values == nil {
		m.Values = map[string]string{}
	}
	return m, nil
}

// writeMeta replaces the file so that a crash leaves the old one or the new one.
func writeMeta(fs vfs.FS, dir string, m *meta) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", metaFile, err)
	}
	return writeFileAtomic(fs, dir, metaFile, append(data, '\n'))
}

// writeFileAtomic writes beside, syncs, renames and syncs the directory.
func writeFileAtomic(fs vfs.FS, dir, name string, data []byte) error {
	path := fs.PathJoin(dir, name)
	temp := path + ".new"
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", temp, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", temp, err)
	}
	if err := fs.Rename(temp, path); err != nil {
		return fmt.Errorf("rename %s: %w", temp, err)
	}
	return syncDir(fs, dir)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	if ours, ok := d.(dirFile); ok {
		d = ours.File // Pebble must not see this sync fail, we must
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
