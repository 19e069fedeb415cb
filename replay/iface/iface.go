// Package iface sends pairs, or captured packets, as raw Ethernet frames onto an
// interface.
package iface

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"recap/replay"
	"recap/replay/wire"
)

// Options of Open; the zero value works. Parameters of the URL come before them.
type Options struct {
	wire.Options
	// Bypass leaves out the interface's queueing discipline (PACKET_QDISC_BYPASS):
	// faster, but frames beyond what the driver takes wait in this program.
	Bypass bool
	// Lanes are how many threads send side by side where there is much to send, each
	// conversation on one of them; 0: one. More pay where many conversations are under way
	// at once and processors are idle; else waking threads costs more than it gives.
	Lanes int
	// Segment leaves it to the interface to divide what follows each other in one
	// connection (PACKET_VNET_HDR): a card sends the same packets as without, but who
	// listens on this host, or at the other end of a veth, may see large ones that are
	// not divided and not summed yet.
	Segment bool
	// SendBuffer of the socket, bytes; 4 MiB, or what the kernel allows.
	SendBuffer int
}

// maxLanes bounds the sockets.
const maxLanes = 64

// Open returns the target for iface:eth0. It needs CAP_NET_RAW. Parameters: qdisc
// (use, bypass), lanes, gso (off, on), and those of [wire.Options.Parameter].
func Open(_ context.Context, u *url.URL, o Options, env replay.Env) (replay.Target, error) {
	name := u.Opaque
	if name == "" {
		name = u.Host
	}
	for key, v := range u.Query() {
		if key == "lanes" {
			n, err := strconv.Atoi(v[0])
			if err != nil || n < 1 || n > maxLanes {
				return nil, fmt.Errorf("parameter lanes: %q is not a number from 1 to %d", v[0], maxLanes)
			}
			o.Lanes = n
			continue
		}
		if key == "qdisc" {
			if v[0] != "use" && v[0] != "bypass" {
				return nil, fmt.Errorf("parameter qdisc: %q is neither use nor bypass", v[0])
			}
			o.Bypass = v[0] == "bypass"
			continue
		}
		if key == "gso" {
			if v[0] != "off" && v[0] != "on" {
				return nil, fmt.Errorf("parameter gso: %q is neither off nor on", v[0])
			}
			o.Segment = v[0] == "on"
			continue
		}
		if err := o.Parameter(key, v[0]); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", key, err)
		}
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, err)
	}
	if i.Flags&net.FlagUp == 0 {
		return nil, fmt.Errorf("interface %q is down: ip link set %s up", name, name)
	}
	port, err := newPort(i, o, env)
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, err)
	}
	return wire.NewTarget(env, port, o.Options), nil
}
