package torture

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a process of the binary, with what it says in a file.
type process struct {
	name string
	dir  string // --state-dir
	args []string
	log  string // file

	cmd     *exec.Cmd
	done    chan struct{} // closed when it has ended
	err     error         // how it ended
	meant   bool          // we ended it
	stopped bool          // SIGSTOP
	from    int64         // where the log of this start begins
}

func newProcess(bin, name, dir string, args ...string) *process {
	return &process{name: name, dir: dir, args: append([]string{bin}, args...), log: filepath.Join(filepath.Dir(dir), name+".log")}
}

// start starts it, again after it has ended.
func (p *process) start() error {
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	st, err := out.Stat()
	if err != nil {
		return err
	}
	p.from = st.Size()
	fmt.Fprintf(out, "--- %s start\n", time.Now().Format(time.StampMilli))
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = dieWithParent()
	p.done, p.meant, p.stopped, p.err = make(chan struct{}), false, false, nil
	if err := p.cmd.Start(); err != nil {
		return err
	}
	cmd, done := p.cmd, p.done
	go func() {
		p.err = cmd.Wait()
		close(done)
	}()
	return nil
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.meant = true
	_ = p.cmd.Process.Kill()
	<-p.done
}

// pause and resume are SIGSTOP and SIGCONT.
func (p *process) pause()  { p.stopped = true; _ = p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) resume() { p.stopped = false; _ = p.cmd.Process.Signal(syscall.SIGCONT) }

// end is SIGTERM. It returns how long the process took to end, and an error unless its exit code was 0.
func (p *process) end(ctx context.Context, limit time.Duration) (time.Duration, error) {
	p.meant = true
	// A process that has only just begun does not listen to signals yet.
	_ = until(ctx, 3*time.Second, func() (bool, error) { return !p.running() || strings.Count(p.said(), "\n") > 1, nil })
	began := time.Now()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	err := p.ended(ctx, limit)
	return time.Since(began), err
}

// ended waits for the end of a process that is about to end.
func (p *process) ended(ctx context.Context, limit time.Duration) error {
	select {
	case <-p.done:
	case <-time.After(limit):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // the stacks go to the log
		_ = wait(ctx, 500*time.Millisecond)
		p.kill()
		return fmt.Errorf("%s: not ended within %s\n%s", p.name, limit, p.tail())
	case <-ctx.Done():
		p.kill()
		return ctx.Err()
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, p.err, p.tail())
	}
	return nil
}

// said is what the process has said since it was last started.
func (p *process) said() string {
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Seek(p.from, 0); err != nil {
		return ""
	}
	var b bytes.Buffer
	_, _ = b.ReadFrom(f)
	return b.String()
}

// says tells whether the process has said something since it was last started.
func (p *process) says(text string) bool { return strings.Contains(p.said(), text) }

func (p *process) tail() string {
	text := p.said()
	if len(text) > 4000 {
		text = "..." + text[len(text)-4000:]
	}
	return text
}

// clean ends whatever is left of it when the test ends.
func (p *process) clean(t *testing.T) {
	t.Cleanup(func() {
		if p.cmd != nil && p.running() {
			p.kill()
		}
	})
}
