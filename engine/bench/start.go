package bench

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// StartTime is the median of how long a command takes from exec to exit.
func StartTime(ctx context.Context, times int, binary string, args ...string) (time.Duration, error) {
	var all []time.Duration
	for range times {
		began := time.Now()
		if out, err := exec.CommandContext(ctx, binary, args...).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%s %q: %w\n%s", binary, args, err, out)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}
