package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processCPU is the CPU time this process has used.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// childrenCPU is the CPU time that the processes started by this one have used, of those that still
// run; 0 where there is no /proc. Between two steps that is the broker.
func childrenCPU() (sum time.Duration) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	self := strconv.Itoa(os.Getpid())
	for _, path := range stats {
		if parent, used := readStat(path); parent == self {
			sum += used
		}
	}
	return sum
}

// cpuOf is the CPU time of a running process, 0 where it is not known.
func cpuOf(pid string) time.Duration {
	_, used := readStat(filepath.Join("/proc", pid, "stat"))
	return used
}

func readStat(path string) (parent string, used time.Duration) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", 0
	}
	// The fields behind the command's name, which may hold spaces: the parent is the 2nd, user and
	// system time are the 12th and 13th.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return "", 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return f[1], time.Duration(user+system) * 10 * time.Millisecond // clock ticks are hundredths
}

// peakMemory is the most resident memory a process ("self", or its id) has had, in bytes; 0 where it
// is not known.
func peakMemory(pid string) int64 {
	b, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
