//go:build !unix

package http

import "net"

// stale cannot tell here; the request that follows finds out.
func stale(net.Conn) bool { return false }
