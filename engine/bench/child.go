package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Steps that are no engine run in a process of their own, which is this program again: it finds its
// task on stdin and writes what it measured to stdout.
const (
	stepLoad       = "load"
	stepReadSarama = "read sarama"
	stepReadFranz  = "read franz-go"
	stepMapsSarama = "maps sarama"
	stepMapsFranz  = "maps franz-go"
	stepLive       = "live"
)

// childEnv tells a process that it is one.
const childEnv = "PENSTOCK_BENCH_CHILD"

// task is what a child has to do.
type task struct {
	Step       string
	Topic      string
	Rows       int // 0: all that are there
	Brokers    []string
	Profile    Profile
	Partitions int
	Span       time.Duration
	Rate       int           // of orders, live
	For        time.Duration // live
}

// outcome is what a child tells.
type outcome struct {
	Rows     int
	Took     time.Duration
	CPU      time.Duration
	Peak     int64
	Note     string
	Expected *Expected
}

// child runs a task in a process of its own.
func (r *run) child(ctx context.Context, t task) (*outcome, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program: %w", err)
	}
	t.Brokers, t.Profile, t.Partitions, t.Span = r.Brokers, r.Profile, r.Partitions, r.Span
	in, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stdin, cmd.SysProcAttr = bytes.NewReader(in), dieWithParent()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", t.Step, err, stderr.Bytes())
	}
	got := new(outcome)
	if err := json.Unmarshal(out, got); err != nil {
		return nil, fmt.Errorf("%s answered %q: %w", t.Step, out, err)
	}
	return got, nil
}

// Child does a task and ends the process, if this process was started for one. A program that calls
// Run calls it first.
func Child(lines Lines) {
	if os.Getenv(childEnv) == "" {
		return
	}
	if err := work(context.Background(), os.Stdin, os.Stdout, lines); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func work(ctx context.Context, in io.Reader, out io.Writer, lines Lines) error {
	w := &worker{lines: lines}
	if err := json.NewDecoder(in).Decode(&w.task); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	do := map[string]func(context.Context) error{
		stepLoad:       w.load,
		stepReadSarama: func(ctx context.Context) error { return w.readSarama(ctx, nil) },
		stepReadFranz:  func(ctx context.Context) error { return w.readFranz(ctx, nil) },
		stepMapsSarama: func(ctx context.Context) error { return w.aggregate(ctx, w.readSarama) },
		stepMapsFranz:  func(ctx context.Context) error { return w.aggregate(ctx, w.readFranz) },
		stepLive:       w.live,
	}[w.task.Step]
	if do == nil {
		return fmt.Errorf("no step %q", w.task.Step)
	}
	w.got.Rows = w.task.Rows
	w.began, w.cpu = time.Now(), processCPU()
	if err := do(ctx); err != nil {
		return err
	}
	w.stop()
	w.got.Peak = peakMemory("self")
	return json.NewEncoder(out).Encode(w.got)
}

// worker does the task of a child.
type worker struct {
	task  task
	lines Lines
	got   outcome
	began time.Time
	cpu   time.Duration
}

// stop ends what is measured, but for memory. The first call counts.
func (w *worker) stop() {
	if w.got.Took == 0 {
		w.got.Took, w.got.CPU = time.Since(w.began), processCPU()-w.cpu
	}
}
