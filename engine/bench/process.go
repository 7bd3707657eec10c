package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is the penstock binary while it runs.
type process struct {
	cmd   *exec.Cmd
	began time.Time
	ready chan time.Time // told once
	done  chan struct{}  // closed when it has ended, with what follows set
	err   error
	took  time.Duration
	high  atomic.Int64 // most resident memory so far
	said  strings.Builder
}

// memoryEvery is how often the memory of a process is looked at; the kernel keeps the peak.
const memoryEvery = 20 * time.Millisecond

// start runs `penstock run` over a query text.
func (r *run) start(ctx context.Context, app, query, state string, flags ...string) (*process, error) {
	file := filepath.Join(r.Dir, app+".sql")
	if err := os.WriteFile(file, []byte(query), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{"run", file, "--brokers", strings.Join(r.Brokers, ","), "--app", app,
		"--state-dir", filepath.Join(r.Dir, state), "--http", "off"}, r.Flags...)
	return startProcess(ctx, r.Binary, append(args, flags...)...)
}

func startProcess(ctx context.Context, binary string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, binary, args...), ready: make(chan time.Time, 1), done: make(chan struct{})}
	p.cmd.SysProcAttr = dieWithParent()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	go p.watch()
	go func() {
		p.listen(stderr)
		p.err = p.cmd.Wait()
		p.took = time.Since(p.began)
		close(p.done)
	}()
	return p, nil
}

// listen reads what the process says until it ends.
func (p *process) listen(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready in ") {
			select {
			case p.ready <- time.Now():
			default:
			}
		}
		if p.said.Len() < 1<<16 {
			p.said.WriteString(lines.Text() + "\n")
		}
	}
}

// watch keeps the peak of the process's memory, which is gone with it.
func (p *process) watch() {
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
			if n := peakMemory(strconv.Itoa(p.cmd.Process.Pid)); n > 0 {
				p.high.Store(n)
			}
		}
	}
}

// wait waits for the end of a process that ends by itself.
func (p *process) wait() error {
	<-p.done
	if p.err != nil {
		return fmt.Errorf("%w\n%s", p.err, p.said.String())
	}
	return nil
}

// awaitReady returns the time from exec to the line that says that everything runs.
func (p *process) awaitReady(ctx context.Context) (time.Duration, error) {
	select {
	case at := <-p.ready:
		return at.Sub(p.began), nil
	case <-p.done:
		return 0, errors.Join(errors.New("ended before it was ready"), p.wait())
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// end stops the process cleanly.
func (p *process) end() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.wait()
}

// peak is the most memory the running process has had.
func (p *process) peak() int64 {
	return max(p.high.Load(), peakMemory(strconv.Itoa(p.cmd.Process.Pid)))
}

// cpu is what the running process has used.
func (p *process) cpu() time.Duration { return cpuOf(strconv.Itoa(p.cmd.Process.Pid)) }

// measure is that of a process that has ended.
func (p *process) measure(rows int) Measure {
	s := p.cmd.ProcessState
	return Measure{Rows: rows, Took: p.took, CPU: s.UserTime() + s.SystemTime(), Peak: p.high.Load()}
}
