// Package mmsg is sendmmsg(2) and recvmmsg(2) without allocations: the same message
// headers are used again and again.
package mmsg

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Header is struct mmsghdr: a message, and how many bytes of it went.
type Header struct {
	unix.Msghdr
	N uint32
	_ [4]byte
}

// maxMessages is what the kernel takes at once (UIO_MAXIOV).
const maxMessages = 1024

// Send sends messages in order. It returns how many were taken, or why the first was not.
func Send(fd int, msgs []Header) (int, unix.Errno) {
	return call(unix.SYS_SENDMMSG, fd, msgs, 0)
}

// Receive fills messages: it waits for the first, and takes what else is there.
func Receive(fd int, msgs []Header) (int, unix.Errno) {
	return call(unix.SYS_RECVMMSG, fd, msgs, unix.MSG_WAITFORONE)
}

func call(trap uintptr, fd int, msgs []Header, flags uintptr) (int, unix.Errno) {
	n, _, err := unix.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(min(len(msgs), maxMessages)), flags, 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), 0
}

// Again reports whether a send that failed so may succeed later.
func Again(err unix.Errno) bool {
	return err == unix.EAGAIN || err == unix.EINTR || err == unix.ENOBUFS || err == unix.ENOMEM || err == unix.ECONNREFUSED
}
