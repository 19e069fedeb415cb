package replay

import (
	"syscall"
	"time"
)

// sleep sleeps in the kernel, which wakes within some tens of microseconds; the
// runtime's timers go through epoll and its milliseconds.
func sleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // a signal ends it early: the caller looks at the clock
}
