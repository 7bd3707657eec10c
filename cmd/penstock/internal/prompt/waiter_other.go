//go:build !unix

package prompt

import "os"

// waiter on systems without poll: a read blocks until the next key, which is lost for the reader
// that comes next.
type waiter struct{}

func newWaiter(*os.File) (waiter, error) { return waiter{}, nil }

func (waiter) await() (bool, error) { return true, nil }
func (waiter) there() bool          { return false }
func (waiter) wake()                {}
func (waiter) rest()                {}
