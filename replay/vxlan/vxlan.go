// Package vxlan sends pairs, or captured packets, as mirrored traffic: Ethernet frames
// in VXLAN (RFC 7348), as AWS Traffic Mirroring sends them.
package vxlan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"

	"recap/replay"
	"recap/replay/wire"
)

// Options of Open; the zero value works. Parameters of the URL come before them.
type Options struct {
	wire.Options
	// Sockets is how many source ports there are; 64. A conversation keeps to one.
	Sockets int
	// MTU is that of the path to the target, bytes. 0 asks the route, and takes at most
	// 1500, so that what is sent looks as it does on a network also where the target is
	// on this host.
	MTU int
	// SendBuffer is that of each socket, bytes; 4 MiB, or what the kernel allows.
	SendBuffer int
	// NoGSO sends each packet by itself, and GSO lets the kernel divide runs of them even
	// where the way out does not: see undivided.
	NoGSO, GSO bool
}

// DefaultPort is that of VXLAN (RFC 7348, section 5).
const DefaultPort = 4789

// vxlanLen is the length of the VXLAN header, bytes.
const vxlanLen = 8

// ErrTooSmall is for a path on which no segment has room.
var ErrTooSmall = errors.New("the MTU leaves no room for TCP inside VXLAN")

// Open returns the target for vxlan://host:port?vni=7. Parameters: vni (7, or 1-8 to
// spread connections), mtu, mss, sockets, ack (segments for each acknowledgement), gso
// (on, off), idle (as 4s), incomplete (send, skip), oversize (skip, cut).
func Open(ctx context.Context, u *url.URL, o Options, env replay.Env) (replay.Target, error) {
	if err := o.parse(u.Query()); err != nil {
		return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%s: the address of the target is missing", u.Redacted())
	}
	addr, err := resolve(ctx, u, env)
	if err != nil {
		return nil, err
	}
	port, err := newPort(addr, o, env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
	}
	return wire.NewTarget(env, port, o.Options), nil
}

// parse takes the parameters of the URL.
func (o *Options) parse(q url.Values) error {
	for name := range q {
		v := q.Get(name)
		var err error
		switch name {
		case "mtu":
			o.MTU, err = number(v, 65535)
		case "sockets":
			o.Sockets, err = number(v, 4096)
		case "gso":
			o.NoGSO, o.GSO = v == "off", v == "on"
			if v != "on" && v != "off" {
				err = fmt.Errorf("%q is neither on nor off", v)
			}
		default:
			err = o.Options.Parameter(name, v)
		}
		if err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return nil
}

func number(v string, most int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", v, most)
	}
	return n, nil
}

// resolve returns the one address that everything goes to.
func resolve(ctx context.Context, u *url.URL, env replay.Env) (netip.AddrPort, error) {
	port := DefaultPort
	if p := u.Port(); p != "" {
		n, err := number(p, 65535)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%s: port %w", u.Redacted(), err)
		}
		port = n
	}
	a, err := replay.Resolve(ctx, env, u.Hostname())
	return netip.AddrPortFrom(a, uint16(port)), err
}

// overhead is how much larger the outer IP packet is than the inner one, bytes: IP,
// UDP and VXLAN headers and the inner Ethernet header. The frames differ by as much.
func overhead(a netip.Addr) int {
	if a.Is4() {
		return 20 + 8 + vxlanLen + 14
	}
	return 40 + 8 + vxlanLen + 14
}
