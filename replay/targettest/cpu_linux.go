package targettest

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time used so far by who: unix.RUSAGE_SELF, or
// unix.RUSAGE_THREAD, in which is also what the kernel does for the receiver on the
// sender's thread. On a busy machine it says more than a rate. It may be called from
// any goroutine.
func CPU(b *testing.B, who int) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		b.Error(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
