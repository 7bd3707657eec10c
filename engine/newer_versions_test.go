package engine

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestNewerVersions: what a newer program has written is refused with both versions, by a process that has
// its state and by one that recovers it, and never read as something else.
func TestNewerVersions(t *testing.T) {
	for _, c := range []struct {
		what  string
		leave func(f *faultRun) error // what a newer program leaves behind
		say   []string
	}{
		{"frame", func(f *faultRun) error {
			return f.cluster.write(f.ctx, value(names{f.app}.Frames(), 0, "\x02\x06orders"))
		}, []string{"fold partition 0: ", "-frames/0 @ ", "frame of version 2, this program reads 1"}},
		{"share", func(f *faultRun) error {
			return f.cluster.write(f.ctx, value(names{f.app}.FoldLoop(), 1, "\x02\x00"))
		}, []string{"fold partition 1: ", "-fold-loop/1 @ ", "loop record of version 2, this program reads 1"}},
		{"state", func(f *faultRun) error {
			return f.cluster.write(f.ctx, &kgo.Record{Topic: names{f.app}.FoldTable(), Partition: 2, Key: []byte("m"), Value: []byte("\x04")})
		}, []string{"load fold partition 2: ", "the state has format 4, this program reads 3"}},
		{"position", func(f *faultRun) error {
			group := names{f.app}.RouteGroup("orders")
			at, err := f.cluster.fetchOffsets(f.ctx, group, f.topic, []int32{1})
			if err != nil {
				return err
			}
			next := at[1]
			if strings.HasPrefix(next.Metadata, "p3") {
				return nil
			}
			next.Metadata = "p3" + strings.TrimPrefix(next.Metadata, "p2")
			// It is nothing while the group has members.
			return errors.Join(errors.New("not yet there"), f.cluster.commitPlain(f.ctx, group, []sourceOffset{next}))
		}, []string{"orders/1: offset metadata \"p3 ", "is not of this version (p2)"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := newFaultRun(t)
			var err error
			eventually(t, f.ctx, "the members have left", func() bool { err = c.leave(f); return err == nil })
			if err != nil {
				t.Fatal(err)
			}
			for _, dir := range []string{f.dir, filepath.Join(t.TempDir(), "other")} {
				ctx, cancel := context.WithTimeout(f.ctx, 20*time.Second)
				err := testEngine(t, f.options(dir, false)).Run(ctx)
				cancel()
				var stop *StopError
				if !errors.As(err, &stop) || !stop.State {
					t.Fatalf("it ended with %v", err)
				}
				for _, s := range c.say {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("the error does not say %q:\n%v", s, err)
					}
				}
			}
			f.check() // nothing was published of it
		})
	}
}
