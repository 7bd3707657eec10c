// Package human writes sizes and times as people read them, and reads what people may want to end.
package human

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Bytes writes a size: 812 B, 3.1 MiB.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/(1<<10), "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}

// Seconds writes a duration: 0.8 s, 41 s, 2 m 14 s, 2 h 14 m.
func Seconds(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 60:
		return fmt.Sprintf("%.0f s", s)
	case s < 3600:
		return fmt.Sprintf("%d m %d s", int(s)/60, int(s)%60)
	default:
		return fmt.Sprintf("%d h %d m", int(s)/3600, int(s)%3600/60)
	}
}

// Until reads from in until ctx has ended, which it notices between two reads.
func Until(ctx context.Context, in io.Reader) io.Reader { return untilDone{ctx, in} }

type untilDone struct {
	ctx context.Context
	in  io.Reader
}

// Read reads unless the context has ended.
func (u untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.in.Read(p)
}
