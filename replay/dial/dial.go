// Package dial makes connections that go nowhere but where a run allows: whatever
// name or address a library asks for, it is resolved once, every address it has is
// put to the guard, and the connection is made to one of those.
package dial

import (
	"context"
	"fmt"
	"net"
	"time"
)

// A Func connects, as [net.Dialer.DialContext] does.
type Func func(ctx context.Context, network, address string) (net.Conn, error)

// Timeout bounds one attempt to connect.
const Timeout = 10 * time.Second

// Guarded returns a Func that asks allow about every address before it connects.
func Guarded(allow func(host string) error) Func {
	d := net.Dialer{Timeout: Timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		ips, err := Resolve(ctx, host, allow)
		if err != nil {
			return nil, err
		}
		for _, ip := range ips {
			var c net.Conn
			if c, err = d.DialContext(ctx, network, net.JoinHostPort(ip, port)); err == nil {
				return c, nil
			}
		}
		return nil, err
	}
}

// Resolve returns the addresses of host, all of which allow has let pass. A name with
// one address that may not be sent to is refused whole: which address a name service
// gives first is not up to us.
func Resolve(ctx context.Context, host string, allow func(host string) error) ([]string, error) {
	if host == "" {
		return nil, fmt.Errorf("no host given")
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		if err := allow(ip); err != nil {
			return nil, err
		}
	}
	return ips, nil
}
