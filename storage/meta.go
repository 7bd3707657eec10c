package storage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// formatVersion is the layout of the directory and of the keys in Pebble. It
// goes up when an older program could not read, or would misread, what this
// one writes.
const formatVersion = 2

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
	Sum     string            `json:"sum"`    // see metaSum; the last field
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
	err = json.Unmarshal(data, m)
	if sum, ok := metaSum(data); err != nil || m.What != metaMagic || !ok || m.Sum != sum {
		return nil, &Error{Kind: ErrCorrupt, Err: err,
			Text: fmt.Sprintf("%s is damaged: expected a JSON object that says %q with its checksum; set the state aside, it is recovered from the changelog", path, metaMagic)}
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
	sealed := *m
	sealed.Sum = noSum
	data, err := json.MarshalIndent(sealed, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", metaFile, err)
	}
	data = append(data, '\n')
	sum, _ := metaSum(data)
	copy(data[bytes.LastIndex(data, []byte(noSum)):], sum)
	return writeFileAtomic(fs, dir, metaFile, data)
}

// noSum is what stands in the place of the sum while it is computed.
const noSum = "00000000"

// metaSum is the CRC-32 (Castagnoli) of the whole file with noSum in its place; ok is false when
// there is no place. Without it one changed bit made the state that of another application, or of
// a later version, which a user is told to keep: only what is whole may be believed. A later format
// has to have its sum in the same place, so that this program can tell it from damage.
func metaSum(data []byte) (sum string, ok bool) {
	const field = `"sum": "`
	i := bytes.LastIndex(data, []byte(field))
	if i < 0 || len(data) < i+len(field)+len(noSum) {
		return "", false
	}
	data = bytes.Clone(data)
	copy(data[i+len(field):], noSum)
	return fmt.Sprintf("%08x", crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))), true
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
