package kafkatest

import "syscall"

// dieWithParent: a test that is killed, or runs into its timeout, leaves no
// Kafka behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

const (
	terminate = syscall.SIGTERM
	stop      = syscall.SIGSTOP
	proceed   = syscall.SIGCONT
)
