package engine

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"penstock/engine/broker/kafkatest"
	"penstock/storage"
)

// slowDisk is a disk on which everything that is written takes a tenth of a second.
type slowDisk struct{ writes atomic.Int64 }

func (d *slowDisk) wrap(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			d.writes.Add(1)
			<-time.After(100 * time.Millisecond)
		}
		return nil
	}))
}

// TestSlowDisk: a disk that needs 100 ms for each write holds flushes up, and nothing else: no member
// of a group is given up, no stage begins again, and the results are right.
func TestSlowDisk(t *testing.T) {
	k := newCircumstances(t, testBroker(t), kafkatest.Unique(t, "t"), 20_000)
	o := k.options(filepath.Join(t.TempDir(), "state"), true)
	o.SessionTimeout = 2 * time.Second
	e := testEngine(t, o)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	disk := &slowDisk{}
	store, err := storage.Open(e.opts.StateDir, storage.Options{App: k.app, FS: disk.wrap(vfs.Default),
		MemTableBytes: 64 << 10, MaxMemTables: 2, OnFault: func(err error) { e.storeFault(e.storeLife, err) }})
	if err != nil {
		t.Fatal(err)
	}
	e.store = store
	before, began := disk.writes.Load(), time.Now()
	if err := e.Run(k.ctx); err != nil {
		t.Fatal(err)
	}
	k.check()
	for _, s := range e.Status().Stages {
		if s.Restarts > 0 || s.Sessions != 1 {
			t.Errorf("group %s had %d sessions and began again %d times: %s", s.Group, s.Sessions, s.Restarts, s.Error)
		}
	}
	slow := time.Duration(disk.writes.Load()-before) * 100 * time.Millisecond
	t.Logf("%v of writes in %v", slow, time.Since(began))
	if slow < 2*e.opts.SessionTimeout {
		t.Errorf("the disk has held up %v only, the session timeout is %v", slow, e.opts.SessionTimeout)
	}
}
