package torture

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"penstock/engine/broker/kafkatest"
)

var (
	full     = flag.Bool("torture.full", false, "do all of it, not only a slice")
	kafka    = flag.String("torture.kafka", "", "only on this Kafka: embedded, apache, or three for a cluster of three nodes")
	rounds   = flag.Int("torture.rounds", 0, "of each kind of run, instead of what the kind says")
	loadRate = flag.Int("torture.rate", 0, "orders per second, instead of what the run says")
	faults   = flag.String("torture.faults", "", "instead of what the run says, such as kill=10,zombie=2,join=2,broker=2")
	keep     = flag.Bool("torture.keep", false, "keep the directories, and print where they are")
)

func TestMain(m *testing.M) {
	flag.Parse()
	kafkatest.Main(m)
}

// binary builds the binary once, or takes the one that the environment names.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PENSTOCK_TORTURE_BINARY"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "penstock-torture-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "penstock")
	cmd := exec.Command("go", "build", "-o", path, "penstock/cmd/penstock")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return path, nil
})

func penstock(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// seed is the one that the environment names, or a new one; it is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := rand.Uint64N(1_000_000)
	if text := os.Getenv("PENSTOCK_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("PENSTOCK_SEED: %v", err)
		}
		s = n
	}
	t.Logf("PENSTOCK_SEED=%d runs this schedule again", s)
	return s
}

// workDir is a directory for a run.
func workDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if *keep {
		var err error
		if dir, err = os.MkdirTemp("", "torture-"); err != nil {
			t.Fatal(err)
		}
		t.Logf("kept: %s", dir)
	}
	return dir
}

// wait passes some time of a schedule. A schedule is about when things happen to a system that
// runs beside it, so there is no signal to wait for instead.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// until asks again and again until ok says yes, at most for a while.
func until(ctx context.Context, limit time.Duration, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		yes, err := ok()
		if yes {
			return nil
		}
		if werr := wait(ctx, 10*time.Millisecond); werr != nil {
			return errors.Join(fmt.Errorf("not within %s", limit), err)
		}
	}
}
