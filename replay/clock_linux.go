package replay

import (
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sleep sleeps in the kernel, which wakes within some microseconds; the runtime's timers
// go through epoll and its milliseconds. Without being told otherwise, the kernel adds up
// to 50 µs to wake several threads at once (PR_SET_TIMERSLACK).
func sleep(d time.Duration) {
	runtime.LockOSThread() // the slack is the thread's
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // a signal ends it early: the caller looks at the clock
}
