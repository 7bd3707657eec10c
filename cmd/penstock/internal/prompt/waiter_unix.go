//go:build unix

package prompt

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// waiter waits for input that may never come, and can be woken: a pipe is waited for as well.
type waiter struct {
	in, out, wakes *os.File
}

func newWaiter(in *os.File) (waiter, error) {
	out, wakes, err := os.Pipe()
	if err != nil {
		return waiter{}, fmt.Errorf("read keys: %w", err)
	}
	return waiter{in: in, out: out, wakes: wakes}, nil
}

// await blocks until there is input or somebody woke it.
func (w waiter) await() (there bool, err error) {
	fds := []unix.PollFd{
		{Fd: int32(w.in.Fd()), Events: unix.POLLIN},
		{Fd: int32(w.out.Fd()), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("read keys: %w", err)
		}
		return fds[1].Revents == 0, nil
	}
}

// there tells whether there is input now.
func (w waiter) there() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.in.Fd()), Events: unix.POLLIN}}, 0)
	return n > 0 && err == nil
}

func (w waiter) wake() { w.wakes.Write([]byte{0}) }

// rest takes back what wake wrote and nobody waited for.
func (w waiter) rest() {
	fds := []unix.PollFd{{Fd: int32(w.out.Fd()), Events: unix.POLLIN}}
	buf := make([]byte, 64)
	for {
		if n, err := unix.Poll(fds, 0); n < 1 || err != nil {
			return
		}
		w.out.Read(buf)
	}
}
