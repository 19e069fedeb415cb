package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"recap/replay"
)

// A dialer makes connections to one place: the target, as the run knows it. What
// requests, responses, the environment or the name service say later changes nothing.
type dialer struct {
	o       *Options
	address string // host:port as given
	connect func(ctx context.Context, network, address string) (net.Conn, error)
	tls     *tls.Config // nil without TLS

	// pinned is the address and port that the first connection was made to; the others
	// go there too.
	pinned atomic.Pointer[string]
}

// newDialer refuses, before anything is sent, a target that env does not allow.
func newDialer(ctx context.Context, u *url.URL, o *Options, env replay.Env) (*dialer, error) {
	port, err := portOf(u)
	if err != nil {
		return nil, err
	}
	if u.Hostname() == "" {
		return nil, errors.New("the target names no host")
	}
	if _, err := replay.Resolve(ctx, env, u.Hostname()); err != nil {
		return nil, err
	}
	d := &dialer{o: o, address: net.JoinHostPort(u.Hostname(), port), connect: replay.DialContext(env)}
	if u.Scheme == "https" {
		if d.tls, err = replay.ClientTLS(replay.TrustOptions{CAFile: o.CAFile, Insecure: o.Insecure}); err != nil {
			return nil, err
		}
		d.tls.ServerName = u.Hostname()
	}
	return d, nil
}

func portOf(u *url.URL) (string, error) {
	text := u.Port()
	switch {
	case text == "" && u.Scheme == "https":
		return "443", nil
	case text == "":
		return "80", nil
	}
	if n, err := strconv.ParseUint(text, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("port %q: want 1 to 65535", text)
	}
	return text, nil
}

// dial connects, and shakes hands where the target speaks TLS. h2 offers HTTP/2
// there; whether it was taken is told by the result's negotiated protocol.
func (d *dialer) dial(ctx context.Context, h2 bool) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.o.ConnectTimeout)
	defer cancel()
	address := d.address
	if p := d.pinned.Load(); p != nil {
		address = *p
	}
	nc, err := d.connect(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if peer := nc.RemoteAddr().String(); d.pinned.Load() == nil {
		d.pinned.CompareAndSwap(nil, &peer)
	}
	if d.tls == nil {
		return nc, nil
	}
	config := d.tls.Clone()
	config.NextProtos = []string{"http/1.1"}
	if h2 {
		config.NextProtos = []string{"h2", "http/1.1"}
		if d.o.Version == "2" {
			config.NextProtos = config.NextProtos[:1]
		}
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return tc, nil
}

// idleCheck is how long a connection may have been unused before it is looked at,
// whether the target has closed it, ahead of the next request.
const idleCheck = 50 * time.Millisecond
