//go:build !linux

package kafkatest

import (
	"os"
	"syscall"
)

func dieWithParent() *syscall.SysProcAttr { return nil }

// Pause and Continue are for Linux, where the harness runs; elsewhere they are
// refused by the system.
var (
	terminate os.Signal = os.Interrupt
	stop      os.Signal = syscall.Signal(0x13)
	proceed   os.Signal = syscall.Signal(0x12)
)
