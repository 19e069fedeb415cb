//go:build unix

package http

import (
	"crypto/tls"
	"net"
	"syscall"
)

// stale reports whether an idle connection has something to read: the end of the
// stream, an error, or bytes that answer nothing. No request may follow on it.
func stale(c net.Conn) bool {
	if tc, ok := c.(*tls.Conn); ok {
		c = tc.NetConn()
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	found := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		found = err != syscall.EAGAIN && err != syscall.EINTR
	})
	return found || err != nil
}
