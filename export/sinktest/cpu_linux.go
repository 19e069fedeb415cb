package sinktest

import (
	"syscall"
	"time"
)

// CPU returns the processor time that the process has used, all threads together;
// 0 where the system does not say. Benchmarks on busy machines report it beside
// the time on the wall.
func CPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
